"""`ZarrFolder` and `ZarrBackend`: what Zarr backends share; only opening and writing differ.

Makes the arrays as documents, without opening them, and holds at most 128 open, those that
were used last. It writes no pixel itself.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar, Final

from pymmcore_ome.backends.compression import ZARR_LEVELS, Levels, parse
from pymmcore_ome.backends.port import ArrayBackend, BackendOptions
from pymmcore_ome.disk import Format, StoreLocation, sync_folder, write_plainly, write_whole
from pymmcore_ome.layout import ImageLayout, Layout, PageTable

from .documents import (
    array_document,
    array_folder,
    array_key,
    write_array_documents,
)
from .reader import ZarrReader

_MAX_OPEN: Final = 128
_ROOT_KEY: Final = "zarr.json"


class ZarrFolder(ArrayBackend):
    """The documents of Zarr version 3 arrays in local folders; knows no pixels."""

    format: ClassVar[Format] = "ome-zarr"
    compressions: ClassVar[Levels] = ZARR_LEVELS
    outlasts_power: ClassVar[bool] = False
    #: Whether the arrays' documents name the index at the end of shards from the beginning.
    index_at_end: ClassVar[bool] = True
    #: Of the arrays: 0 is the full resolution.
    level: int = 0

    def __init__(self) -> None:
        self._root = Path()
        self._images: list[ImageLayout] = []
        self._compression: str | None = None
        self._outlasts_power = False
        self._has_root = False

    @classmethod
    def refusals(cls, layout: Layout, options: BackendOptions) -> list[str]:
        reasons = []
        try:
            parse(options.compression, cls.compressions)
        except ValueError as error:
            reasons.append(str(error))
        if options.files != "one" or not options.bigtiff:
            reasons.append("a file for each position, and classic TIFF, are for OME-TIFF")
        if options.outlasts_power and not cls.outlasts_power:
            reasons.append(
                f"{cls.name} cannot promise that pixels outlast a power cut: use the backend "
                "tensorstore, or the durability 'process'"
            )
        return reasons

    def create(self, place: StoreLocation, layout: Layout, options: BackendOptions) -> None:
        self._root, self._images = place.path, list(layout.images)
        self._compression = options.compression
        self._outlasts_power = options.outlasts_power
        write_array_documents(
            self._root, layout.images, options.compression, at_end=self.index_at_end
        )
        self._sync_documents(self._images)

    def reopen(
        self,
        place: StoreLocation,
        layout: Layout,
        options: BackendOptions,
        pages: PageTable | None = None,
    ) -> None:
        self._root, self._images = place.path, list(layout.images)
        self._compression = options.compression
        self._outlasts_power = options.outlasts_power
        self._has_root = True

    def put(self, key: str, content: Iterable[bytes]) -> None:
        is_root = key == _ROOT_KEY
        if not self._has_root and not is_root and not self._outlasts_power:
            # no store yet, of which anybody could read half a document
            path, document = f"{self._root}/{key}", b"".join(content)
            try:
                write_plainly(path, document)
            except FileNotFoundError:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                write_plainly(path, document)
            return
        target = self._root / key
        if self._root.exists():  # a store that was deleted is not made anew
            target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content, sync=self._outlasts_power)
        self._has_root = self._has_root or is_root

    def add(self, image: ImageLayout) -> None:
        self._images.append(image)
        write_array_documents(
            self._root, [image], self._compression, at_end=self.index_at_end, level=self.level
        )
        self._sync_documents([image])

    def _sync_documents(self, images: Sequence[ImageLayout]) -> None:
        """Make new arrays outlast a power cut, where that is asked for."""
        if not self._outlasts_power:
            return
        for image in images:
            folder = f"{self._root}/{array_key(image, self.level)}"
            with FileIO(f"{folder}/zarr.json", "r+") as file:
                os.fsync(file.fileno())
            while len(folder) >= len(str(self._root)):
                sync_folder(folder)
                folder = folder.rpartition("/")[0]

    def sync(self) -> None:
        """Every write is already on the disk where that was requested."""

    def is_in_place(self) -> bool:
        # thousands of images: pathlib would take longer than the system
        keys = (array_key(image, self.level) for image in self._images)
        return all(os.access(f"{self._root}/{key}/zarr.json", os.F_OK) for key in keys)


class ZarrBackend(ZarrFolder):
    """A random-access `ArrayBackend` for Zarr version 3 arrays in local folders."""

    reads_at_once: ClassVar[bool] = True
    makes_levels: ClassVar[bool] = True
    can_resume: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._open: OrderedDict[int, Any] = OrderedDict()

    @abstractmethod
    def open_array(self, image: ImageLayout) -> Any:
        """Open an array for writing."""

    def reader(self, image: int) -> ZarrReader:
        layout = self._images[image]
        document = array_document(layout, self._compression)
        return ZarrReader(array_folder(self._root, layout), document)

    def finish(self) -> None:
        """Every write was waited for: nothing is held."""

    def close(self) -> None:
        self._open.clear()

    def folder(self, image: ImageLayout) -> Path:
        """Return the folder of an image's array, whose document exists."""
        return array_folder(self._root, image)

    def array(self, image: int) -> Any:
        """Return what `open_array` returned for an image; opens it if it is not open."""
        array = self._open.get(image)
        if array is None:
            array = self.open_array(self._images[image])
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
