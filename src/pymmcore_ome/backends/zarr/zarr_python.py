"""The zarr-python backend: OME-Zarr, synchronous, any order of arrival.

Slower than tensorstore with small frames, and the reference for what Zarr means. Where the
`zarrs` package is installed, its codec pipeline writes every block that fills whole chunks or
shards: it rewrites a file in place, and a crash then would cost what the file held before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
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
        target = arrays.plain
        if zarrs_settings() and _fills_units(self._images[image], start, block.shape):
            if arrays.through_zarrs is None:
                arrays.through_zarrs = _through_zarrs(arrays.plain)
            target = arrays.through_zarrs
        target[region(start, block.shape)] = block
        return None

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


def _fills_units(image: ImageLayout, start: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a block leaves nothing over of the chunks, or shards, that it touches."""
    units = image.spec.write_shape
    return all(
        first % unit == 0 and (size % unit == 0 or first + size == axis.size)
        for first, size, unit, axis in zip(start, shape, units, image.axes, strict=True)
    )
