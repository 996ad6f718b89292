"""`ZarrBackend`: what every random-access Zarr backend shares; only opening and writing differ.

Makes the arrays as documents, without opening them, and holds at most 128 open, those that
were used last. It writes no pixel itself.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar, Final

from pymmcore_ome.disk import Format
from pymmcore_ome.layout import ImageLayout, Layout

from .compression import parse
from .port import ArrayBackend
from .zarr_array import array_folder, write_array_documents

_MAX_OPEN: Final = 128


class ZarrBackend(ArrayBackend):
    """An `ArrayBackend` for Zarr version 3 arrays in local folders."""

    format: ClassVar[Format] = "ome-zarr"

    def __init__(self) -> None:
        self._root = Path()
        self._images: list[ImageLayout] = []
        self._compression: str | None = None
        self._open: OrderedDict[int, Any] = OrderedDict()

    @abstractmethod
    def open_array(self, folder: Path) -> Any:
        """Open an array for writing."""

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

    def close(self) -> None:
        self._open.clear()

    def _array(self, image: int) -> Any:
        array = self._open.get(image)
        if array is None:
            array = self.open_array(array_folder(self._root, self._images[image]))
            self._keep(image, array)
        else:
            self._open.move_to_end(image)
        return array

    def _keep(self, image: int, array: Any) -> None:
        self._open[image] = array
        if len(self._open) > _MAX_OPEN:
            self._open.popitem(last=False)


def region(start: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the slices of a block that begins at `start`."""
    return tuple(slice(first, first + size) for first, size in zip(start, shape, strict=True))


def grown(have: tuple[int, ...], want: tuple[int, ...]) -> tuple[int, ...]:
    """Return the least shape that holds both."""
    return tuple(max(sizes) for sizes in zip(have, want, strict=True))
