"""Reading the images of a TIFF back, numpy-style and lazily, finished or not.

It reads what `TiffFile` writes: pages of one strip. It never writes.
"""

from __future__ import annotations

import bisect
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends.selection import Picks, selected_shape, split_selection
from pymmcore_ome.errors import MapErrors, NotAStoreError
from pymmcore_ome.layout import MOST_LEVELS, ImageLayout, PageTable, level_shape

from .format import NONE, STRIP_BYTE_COUNTS, STRIP_OFFSETS, SUB_PAGES, TiffCodec, TiffForm


class Pages(Protocol):
    """What finds the pages of a TIFF file."""

    @property
    def path(self) -> Path: ...

    def strip(self, file: BinaryIO, page: int, level: int = 0) -> Strip: ...


class LevelPages:
    """The smaller pages of a resolution level, numbered as the pages that they belong to.

    Parameters
    ----------
    pages : Pages
    level : int
    """

    def __init__(self, pages: Pages, level: int) -> None:
        self._pages, self._level = pages, level

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._pages.path

    def strip(self, file: BinaryIO, page: int, level: int = 0) -> Strip:
        """Return where the pixels of a page of the level are now."""
        return self._pages.strip(file, page, self._level + level)


class TiffReader:
    """One image of a TIFF file. Opened at each read; never writes.

    Parameters
    ----------
    pages : Pages
    image : ImageLayout
    shape : tuple of int
    names : tuple of str
        Of the axes.
    numbers : callable
        Returns the page of every plane.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy dtype
    dimension_names : tuple of str
    """

    def __init__(
        self,
        pages: Pages,
        image: ImageLayout,
        shape: tuple[int, ...],
        names: tuple[str, ...],
        numbers: Callable[[], NDArray[np.uint32]],
    ) -> None:
        self.shape = shape
        self.dimension_names = names
        self.dtype: np.dtype[Any] = np.dtype(image.dtype)
        self._pages = pages
        self._numbers = numbers
        self._spec = image.spec

    @classmethod
    def of_notes(
        cls, pages: Pages, image: ImageLayout, notes: Mapping[str, Any], level: int = 0
    ) -> Self:
        """Return the reader of an image, or of a level of it, from the metadata in the file.

        The image is that of the level, and the metadata those of the full resolution.

        Raises
        ------
        NotAStoreError
            When the metadata are incomplete.
        """
        try:
            shape = tuple(int(size) for size in notes["shape"])
            names = tuple(str(name) for name in notes["axes"])
            table = PageTable()
            table.load(image, notes["planes"], notes["runs"])
            numbers = table.pages(0)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise NotAStoreError(
                f"{pages.path} does not show where image {image.name!r} is: {error!r}."
            ) from error
        if level:
            pages, shape = LevelPages(pages, level), level_shape(shape, level)
        return cls(pages, image, shape, names, lambda: numbers)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read any numpy-style selection; only the frames it touches are read.

        Raises
        ------
        IndexError
            As numpy.
        """
        picks, rows, columns, then = split_selection(key, self.shape)
        return np.asarray(self.read(picks, rows, columns)[then])

    def written_shape(self, blank: NDArray[np.bool_]) -> tuple[int, ...]:
        """Return the least shape that holds every plane that was written.

        Parameters
        ----------
        blank : array of bool
            For every page of the file whether nothing was written to it.
        """
        numbers = self._numbers()
        planes = [0] * numbers.ndim
        written = np.argwhere(~blank[numbers])
        if len(written):
            planes = [int(size) for size in written.max(axis=0) + 1]
        return self._spec.array_shape(planes)

    def read(self, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a block; see `PlaneReader`."""
        block = np.zeros(selected_shape(picks, rows, columns), self.dtype)
        if not block.size:
            return block
        samples, axis = self._spec.samples, self._spec.channel_axis or 0
        planes = [pick.tolist() for pick in picks]
        if samples > 1:
            planes[axis] = sorted({element // samples for element in planes[axis]})
        numbers = self._numbers()
        with self._pages.path.open("rb") as file:
            for offset in np.ndindex(*map(len, planes)):
                plane = tuple(of_axis[n] for of_axis, n in zip(planes, offset, strict=True))
                with self._damage(int(numbers[plane])):
                    frame = self._frame(file, int(numbers[plane]), rows)[:, columns]
                if samples == 1:
                    block[offset] = frame
                    continue
                for n, element in enumerate(picks[axis].tolist()):
                    if element // samples == plane[axis]:
                        sample = frame[..., element % samples]
                        block[(*offset[:axis], n, *offset[axis + 1 :])] = sample
        return block

    def _damage(self, page: int) -> MapErrors:
        return MapErrors(
            lambda error: NotAStoreError(
                f"{self._pages.path} is damaged: page {page} cannot be read: {error}."
            ),
            ValueError,
            OverflowError,
            LookupError,
        )

    def _frame(self, file: BinaryIO, page: int, rows: slice) -> NDArray[Any]:
        """Return rows of a frame; of one that is not compressed, no others are read."""
        strip = self._pages.strip(file, page)
        if strip.at + strip.nbytes > os.fstat(file.fileno()).st_size:
            raise ValueError("its pixels are beyond the end of the file")
        codec = TiffCodec.of_tags(strip.compression, strip.predictor, self.dtype)
        if strip.compression != NONE or strip.predictor != 1:
            file.seek(strip.at)
            return codec.decode(file.read(strip.nbytes), self._spec.frame_shape)[rows]
        row_bytes = strip.nbytes // self._spec.frame_shape[0]
        file.seek(strip.at + rows.start * row_bytes)
        part = file.read((rows.stop - rows.start) * row_bytes)
        return codec.decode(part, (rows.stop - rows.start, *self._spec.frame_shape[1:]))[
            :: rows.step
        ]


_ROWS_AT_ONCE: Final = 16_384
_BYTES_AT_ONCE: Final = 16 << 20
_FIELDS: Final = {
    256: "width", 257: "height", 258: "bits", 259: "compression", 273: "strip_at",
    277: "samples", 279: "nbytes", 317: "predictor", 339: "sample_format",
}  # fmt: skip


class Strip(NamedTuple):
    """Where the pixels of a page are.

    `is_blank`: nothing was written to it. The shared strip of zeros is written before the
    pages that point at it, and the pixels of a frame after its page.
    """

    at: int
    nbytes: int
    compression: int
    predictor: int
    is_blank: bool


class PageSpans(NamedTuple):
    """What neighboring pages point at: one number a page in each array."""

    at: NDArray[np.uint64]
    nbytes: NDArray[np.uint64]
    is_blank: NDArray[np.bool_]


def read_strip(file: BinaryIO, page_at: int, row: np.dtype[Any]) -> Strip:
    """Return where the pixels of the page at an offset are now."""
    file.seek(page_at)
    tags = np.frombuffer(file.read(row.itemsize), row)[0]["tags"]
    found = {
        _FIELDS[code]: value
        for code, value in zip(tags["code"].tolist(), tags["value"].tolist(), strict=True)
        if code in _FIELDS
    }
    return Strip(
        at=found["strip_at"],
        nbytes=found["nbytes"],
        compression=found["compression"],
        predictor=found.get("predictor", 1),
        is_blank=found["strip_at"] < page_at,
    )


class TiffPages:
    """The pages of a TIFF file, found by their chain.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._form = TiffForm(big=True)
        self._blocks: list[tuple[int, int, np.dtype[Any]]] = []
        self._first_pages: list[int] = []
        self._count = 0
        self._next_at = 0
        self._followed: set[int] = set()
        self._walking = threading.Lock()  # an image may be read from several threads

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}  # another process follows the chain anew

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    def strip(self, file: BinaryIO, page: int, level: int = 0) -> Strip:
        """Return where the pixels of a page, or of a level of it, are now.

        Raises
        ------
        NotAStoreError
            When the file has fewer pages or levels, or is no TIFF of ours.
        """
        at, row = self.page_at(file, page, level)
        return read_strip(file, at, row)

    def page_at(self, file: BinaryIO, page: int, level: int = 0) -> tuple[int, np.dtype[Any]]:
        """Return where a page, or a level of it, is in the file, and the form of its bytes.

        Raises
        ------
        NotAStoreError
            When the file has fewer pages or levels, or is no TIFF of ours.
        """
        if page >= self._count:
            self._walk(file)
        if page >= self._count:
            raise NotAStoreError(f"{self.path} has {self._count} pages, page {page} was wanted.")
        first, at, row = self._blocks[bisect.bisect_right(self._first_pages, page) - 1]
        at += (page - first) * row.itemsize
        if not level:
            return at, row
        places = self._smaller(file, at, row)
        if level > len(places):
            raise NotAStoreError(f"{self.path} has no level {level} of page {page}.")
        tags = self._tag_count(file, places[level - 1])
        if tags * self._form.entry.itemsize > self.path.stat().st_size:
            raise NotAStoreError(f"{self.path} is damaged: a smaller page has {tags} tags.")
        return places[level - 1], self._form.row(tags)

    def level_count(self, file: BinaryIO, page: int) -> int:
        """Return the levels that a page has, the full resolution included."""
        return 1 + len(self._smaller(file, *self.page_at(file, page)))

    def _smaller(self, file: BinaryIO, at: int, row: np.dtype[Any]) -> list[int]:
        """Return where the smaller pages of a page are."""
        file.seek(at)
        tags = np.frombuffer(file.read(row.itemsize), row)[0]["tags"]
        found = tags[tags["code"] == SUB_PAGES]
        if not len(found):
            return []
        count, value = int(found[0]["count"]), int(found[0]["value"])
        if count == 1:
            return [value]
        if count > MOST_LEVELS:
            raise NotAStoreError(f"{self.path} is damaged: a page has {count} smaller ones.")
        file.seek(value)
        nbytes = count * self._form.offset.itemsize
        places: list[int] = np.frombuffer(file.read(nbytes), self._form.offset).tolist()
        return places

    def rows(self, file: BinaryIO) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield neighboring pages: the first one's number, where it is, and all their bytes.

        Raises
        ------
        NotAStoreError
            When the file is no TIFF of ours, or its pages are cut short.
        """
        self._walk(file)
        for number, (first, at, row) in enumerate(self._blocks):
            end = [*self._first_pages, self._count][number + 1]
            for page in range(first, end, _ROWS_AT_ONCE):
                page_at = at + (page - first) * row.itemsize
                count = min(_ROWS_AT_ONCE, end - page)
                file.seek(page_at)
                yield page, page_at, np.frombuffer(file.read(count * row.itemsize), row)

    def spans(self, file: BinaryIO) -> Iterator[PageSpans]:
        """Yield what every page points at now, in order, many pages at once.

        Raises
        ------
        NotAStoreError
            When the file is no TIFF of ours, or its pages are cut short.
        """
        for _, page_at, rows in self.rows(file):
            tags = rows["tags"]
            strips = tags["value"][tags["code"] == STRIP_OFFSETS].astype(np.uint64)
            nbytes = tags["value"][tags["code"] == STRIP_BYTE_COUNTS].astype(np.uint64)
            if not len(strips) == len(nbytes) == len(rows):
                raise NotAStoreError(f"{self.path} has a page without its one strip.")
            pages_at = page_at + rows.itemsize * np.arange(len(rows), dtype=np.uint64)
            yield PageSpans(strips, nbytes, strips < pages_at)

    def blank(self, file: BinaryIO) -> NDArray[np.bool_]:
        """Return for every page whether nothing was written to it; see `spans`."""
        return np.concatenate([spans.is_blank for spans in self.spans(file)] or [np.zeros(0, bool)])

    def _walk(self, file: BinaryIO) -> None:
        """Follow the chain of pages from where the last walk ended."""
        with self._walking:
            self._walk_on(file)

    def _walk_on(self, file: BinaryIO) -> None:
        if not self._next_at:
            file.seek(0)
            start = file.read(4)
            if start not in (b"II+\0", b"II*\0"):
                raise NotAStoreError(f"{self.path} is not a little-endian TIFF.")
            self._form = TiffForm(big=start == b"II+\0")
            self._next_at = self._form.first_page_at
        size = self.path.stat().st_size
        while at := self._word(file, self._next_at):
            if at >= size:  # a writer may have added pages
                size = self.path.stat().st_size
            if at in self._followed or at >= size:
                raise NotAStoreError(
                    f"{self.path} is damaged: the chain of its pages leads to {at} of {size} bytes"
                    f"{', where it was before' if at in self._followed else ''}."
                )
            self._followed.add(at)
            self._walk_block(file, at, size)

    def _walk_block(self, file: BinaryIO, at: int, size: int) -> None:
        """Read neighboring pages with as many tags as the first of them."""
        form = self._form
        file.seek(at)
        tags = int.from_bytes(file.read(form.count.itemsize), "little")
        if tags * form.entry.itemsize > size:
            raise NotAStoreError(f"{self.path} is damaged: its page at {at} has {tags} tags.")
        row = form.row(tags)
        at_once = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // row.itemsize))
        self._blocks.append((self._count, at, row))
        self._first_pages.append(self._count)
        while True:
            file.seek(at)
            data = file.read(row.itemsize * at_once)
            rows = np.frombuffer(data, row, count=len(data) // row.itemsize)
            if not len(rows):
                raise NotAStoreError(f"{self.path} ends in the middle of a page.")
            ends = at + row.itemsize * np.arange(1, len(rows) + 1, dtype=np.uint64)
            other_kind = np.flatnonzero(rows["count"] != tags)
            chain_ends = np.flatnonzero(rows["next"] != ends) + 1
            count = int(min([len(rows), *other_kind[:1], *chain_ends[:1]]))
            self._count += count
            self._next_at = int(ends[count - 1]) - form.offset.itemsize
            is_whole = count == len(rows) and not len(chain_ends)
            if not is_whole or self._tag_count(file, int(ends[count - 1])) != tags:
                return
            at = int(ends[count - 1])

    def _tag_count(self, file: BinaryIO, at: int) -> int:
        file.seek(at)
        return int.from_bytes(file.read(self._form.count.itemsize), "little")

    def _word(self, file: BinaryIO, at: int) -> int:
        file.seek(at)
        return int.from_bytes(file.read(self._form.offset.itemsize), "little")
