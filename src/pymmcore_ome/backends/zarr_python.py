"""The zarr-python backend: OME-Zarr, synchronous, any order of arrival.

Slower than tensorstore with small frames, and the reference for what Zarr means. Where the
`zarrs` package is installed, its codec pipeline is used.
"""

from __future__ import annotations

from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import zarr
from numpy.typing import NDArray

from pymmcore_ome.disk import Format
from pymmcore_ome.layout import ImageLayout, Layout

from .compression import parse
from .port import ArrayBackend, WriteFuture
from .zarr_array import array_folder, write_array_documents

_MAX_OPEN: Final = 128
_ZARRS: Final = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}


class ZarrPythonBackend(ArrayBackend):
    """Writes Zarr version 3 arrays through zarr-python; a write is down when it returns.

    Holds at most 128 arrays open, the ones used last.
    """

    name: ClassVar[str] = "zarr-python"
    format: ClassVar[Format] = "ome-zarr"

    def __init__(self) -> None:
        self._root = Path()
        self._images: list[ImageLayout] = []
        self._compression: str | None = None
        self._open: OrderedDict[int, Any] = OrderedDict()
        self._settings = _ZARRS if find_spec("zarrs") else {}

    @classmethod
    def refusals(cls, layout: Layout, compression: str | None) -> list[str]:
        try:
            parse(compression)
        except ValueError as error:
            return [str(error)]
        return []

    def create(self, root: Path, layout: Layout, compression: str | None) -> None:
        self._root, self._images, self._compression = root, list(layout.images), compression
        write_array_documents(root, layout.images, compression)

    def add(self, image: ImageLayout) -> None:
        self._images.append(image)
        write_array_documents(self._root, [image], self._compression)

    def write(
        self, image: int, start: tuple[int, ...], block: NDArray[np.generic]
    ) -> WriteFuture | None:
        where = tuple(
            slice(first, first + size) for first, size in zip(start, block.shape, strict=True)
        )
        with zarr.config.set(self._settings):
            self._array(image)[where] = block
        return None

    def grow(self, image: int, shape: tuple[int, ...]) -> None:
        array = self._array(image)
        array.resize(tuple(max(have, want) for have, want in zip(array.shape, shape, strict=True)))

    def close(self) -> None:
        self._open.clear()

    def _array(self, image: int) -> Any:
        array = self._open.get(image)
        if array is None:
            folder = array_folder(self._root, self._images[image])
            array = self._open[image] = zarr.open_array(folder, mode="r+")
            if len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)
        else:
            self._open.move_to_end(image)
        return array
