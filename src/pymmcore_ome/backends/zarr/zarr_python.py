"""The zarr-python backend: OME-Zarr, synchronous, any order of arrival.

Slower than tensorstore with small frames, and the reference for what Zarr means. Where the
`zarrs` package is installed, its codec pipeline writes every block that fills whole new chunks or
shards. Others it does not write, because it rewrites a file in place, and a crash or a full disk
would then cost the frames that the file held before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import zarr
from numpy.typing import NDArray

from pymmcore_ome.backends.port import WriteFuture
from pymmcore_ome.layout import ImageLayout

from .documents import array_folder
from .folder import ZarrBackend, grown, region


@dataclass
class _Arrays:
    """One array, and the same one through zarrs once a block fills whole chunks of it."""

    plain: Any
    through_zarrs: Any = None


class ZarrPythonBackend(ZarrBackend):
    """Writes Zarr version 3 arrays through zarr-python; a write is on disk when it returns.

    It leaves zarr's settings as they are.
    """

    name: ClassVar[str] = "zarr-python"

    def open_array(self, image: ImageLayout) -> Any:
        return _Arrays(zarr.open_array(array_folder(self._root, image), mode="r+"))

    def write(
        self, image: int, start: tuple[int, ...], block: NDArray[np.generic]
    ) -> WriteFuture | None:
        arrays: _Arrays = self.array(image)
        files = self._files_of(image, start, block.shape) if zarrs_settings() else []
        if not files or any(file.exists() for file in files):
            arrays.plain[region(start, block.shape)] = block
            return None
        if arrays.through_zarrs is None:
            arrays.through_zarrs = _through_zarrs(arrays.plain)
        try:
            arrays.through_zarrs[region(start, block.shape)] = block
        except BaseException:  # no reader could open what a full disk left of them
            for file in files:
                file.unlink(missing_ok=True)
            raise
        return None

    def _files_of(self, image: int, start: tuple[int, ...], shape: tuple[int, ...]) -> list[Path]:
        """Return the files that a block fills; none where it leaves something over of one."""
        layout = self._images[image]
        units = layout.spec.write_shape
        numbers: list[range] = []
        for first, size, unit, axis in zip(start, shape, units, layout.axes, strict=True):
            if first % unit or (size % unit and first + size != axis.size):
                return []
            numbers.append(range(first // unit, -(-(first + size) // unit)))
        folder = array_folder(self._root, layout) / "c"
        return [folder.joinpath(*map(str, key)) for key in product(*numbers)]

    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        arrays: _Arrays = self.array(image)
        arrays.plain.resize(grown(arrays.plain.shape, shape))
        arrays.through_zarrs = None
        return False


@cache
def zarrs_settings() -> dict[str, str]:
    """Return the settings of zarr-python that choose zarrs, empty where it cannot be used."""
    try:
        import_module("zarrs")
    except ImportError:
        return {}
    return {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}


def _through_zarrs(array: Any) -> Any:
    """Return the same array with the pipeline of zarrs, which it chooses when it is made."""
    with zarr.config.set(zarrs_settings()):
        return zarr.Array(zarr.AsyncArray(array.metadata, array.store_path))
