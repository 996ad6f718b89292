"""Resolution levels of OME-TIFF, in the smaller pages that each page was made with (SubIFDs).

`TiffLevels` writes them while a `TiffBackend` writes the file, `StoredTiffLevels` into a
closed file. Neither makes pages: a file without smaller pages has no levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends.compression import TIFF_LEVELS, parse
from pymmcore_ome.backends.pixel_file import ALIGNMENT
from pymmcore_ome.backends.port import FrameWrite, LevelWriter, PlaneReader
from pymmcore_ome.disk import write_at
from pymmcore_ome.layout import ImageLayout, LevelPlan, PageTable

from .backend import TiffBackend
from .format import STRIP_BYTE_COUNTS, STRIP_OFFSETS, TiffCodec, TiffForm
from .reader import LevelPages, TiffPages, TiffReader


class TiffLevels(LevelWriter):
    """Writes the levels of the images of a backend that is writing."""

    def __init__(
        self, plan: LevelPlan, images: Sequence[ImageLayout], backend: TiffBackend
    ) -> None:
        super().__init__(plan, images)
        self._backend = backend

    def write(self, frames: Sequence[FrameWrite]) -> None:
        for level, writes in self.by_level(frames):
            self._backend.write_levels(level, writes)

    def reader(self, image: int, level: int) -> PlaneReader:
        return self._backend.level_reader(image, level)

    def finish(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Every write was waited for: nothing is held."""

    def close(self) -> None:
        """The files are the backend's."""


class StoredTiffLevels(LevelWriter):
    """Writes the levels of the images of closed files.

    Pixels go to the end of a file, then the smaller page is pointed at them.

    Parameters
    ----------
    plan : LevelPlan
    images : sequence of ImageLayout
    paths : mapping of image number to Path
        Of its file.
    pages : PageTable
        Where each plane is.
    compression : str or None
    """

    def __init__(
        self,
        plan: LevelPlan,
        images: Sequence[ImageLayout],
        paths: Mapping[int, Path],
        pages: PageTable,
        compression: str | None,
    ) -> None:
        super().__init__(plan, images)
        self._paths, self._numbers = paths, pages
        self._compression = parse(compression, TIFF_LEVELS) or (None, 0)
        self._files: dict[Path, tuple[FileIO, TiffPages]] = {}

    def level_counts(self) -> list[int]:
        """Return the levels that the file of each image has room for."""
        counts = []
        for image in self.images:
            file, pages = self._file(image.number)
            numbers = self._numbers.pages(image.number)
            counts.append(pages.level_count(file, int(numbers.flat[0])) if numbers.size else 0)
        return counts

    def is_blank(self, image: int, index: Sequence[int]) -> bool:
        """Whether a level of a frame was not written."""
        file, pages = self._file(image)
        page = self._numbers.page(image, index)
        levels = range(1, self.count(image))
        return any(pages.strip(file, page, level).is_blank for level in levels)

    def write(self, frames: Sequence[FrameWrite]) -> None:
        for level, writes in self.by_level(frames):
            for number, index, pixels in writes:
                self._store(number, self._numbers.page(number, index), level, pixels)

    def reader(self, image: int, level: int) -> PlaneReader:
        layout, numbers = self.images[image], self._numbers.pages(image)
        smaller = self.plan.level(layout, level)
        pages = LevelPages(self._file(image)[1], level)
        return TiffReader(pages, smaller, smaller.shape, layout.axis_names, lambda: numbers)

    def finish(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Every write is on disk: nothing is held."""

    def close(self) -> None:
        for file, _ in self._files.values():
            file.close()
        self._files.clear()

    def _store(self, image: int, page: int, level: int, pixels: NDArray[Any]) -> None:
        file, pages = self._file(image)
        page_at, row = pages.page_at(file, page, level)
        name, strength = self._compression
        dtype = np.dtype(pixels.dtype).newbyteorder("<")
        codec = TiffCodec(name, strength, dtype)
        strip = codec.encode(np.ascontiguousarray(pixels, dtype))
        nbytes = memoryview(strip).nbytes
        end = file.seek(0, 2)
        at = end + -end % ALIGNMENT
        form = TiffForm(big=row.fields["count"][0].itemsize == 8)  # type: ignore[index]
        form.check_room(at + nbytes)
        write_at(file, at, [strip])
        file.seek(page_at)
        page_bytes = bytearray(file.read(row.itemsize))
        codes = np.frombuffer(page_bytes, row)[0]["tags"]["code"].tolist()
        entry, head = form.entry.itemsize, form.count.itemsize
        first, last = (head + codes.index(c) * entry for c in (STRIP_OFFSETS, STRIP_BYTE_COUNTS))
        width = form.offset.itemsize
        for begin, value in ((first, at), (last, nbytes)):
            page_bytes[begin + entry - width : begin + entry] = value.to_bytes(width, "little")
        # in one write: never a strip with the length of another
        write_at(file, page_at + first, [page_bytes[first : last + entry]])

    def _file(self, image: int) -> tuple[Any, TiffPages]:
        path = self._paths[image]
        if path not in self._files:
            self._files[path] = FileIO(path, "r+"), TiffPages(path)
        return self._files[path]
