"""`TiffFile`: one TIFF that is valid at every instant, whatever is written and in any order.

All pages exist from the start, their strips pointing at one blank strip. A frame's bytes go
to the end of the file first, then the page is pointed at them, in one write. It never moves
a byte that a page points at, and it frees none.
"""

from __future__ import annotations

import bisect
import os
import struct
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends.pixel_file import ALIGNMENT, OpenFiles, Patch, PixelFile
from pymmcore_ome.disk import write_all

from .format import (
    IMAGE_DESCRIPTION,
    NEW_SUBFILE_TYPE,
    STRIP_BYTE_COUNTS,
    STRIP_OFFSETS,
    SUB_PAGES,
    PageKind,
    TiffForm,
    tag_number,
)
from .format import tag_number as _tag
from .reader import Strip, TiffPages, read_strip

_ROWS_AT_ONCE: Final = 16_384


class TiffFile:
    """A TIFF that is being written. Its methods may be called from any thread.

    Parameters
    ----------
    path : Path
        An empty file, or one to go on with.
    form : TiffForm
    files : OpenFiles
    outlasts_power : bool
        Strips are on the disk before a page points at them, also after a power cut.
    lock : Lock, optional
        Shared by the files that share `files`.
    exists : bool
        Go on with a file that has all its pages: nothing is written now.
    """

    def __init__(
        self,
        path: Path,
        form: TiffForm,
        files: OpenFiles | None = None,
        *,
        outlasts_power: bool = False,
        lock: threading.Lock | None = None,
        exists: bool = False,
    ) -> None:
        self._path = path
        self._form = form
        self._file = PixelFile(
            str(path),
            files or OpenFiles(),
            limit=form.check_room,
            outlasts_power=outlasts_power,
        )
        self._lock = lock or threading.Lock()
        self._blocks: list[PageBlock] = []
        self._first_pages: list[int] = []
        self._page_count = 0
        self._next_at = form.first_page_at
        self._description_at = 0
        self._description: NDArray[Any] | None = None
        self._has_placeholder = False
        self._blanks: dict[bytes | None, tuple[int, int]] = {}
        self._constants: dict[bytes, int] = {}
        self._stat = path.stat()
        if exists:
            self._file.end = self._stat.st_size
            self._find_pages()
        else:
            self._file.append_bytes(form.header)

    def _find_pages(self) -> None:
        """Find the pages of a file that was written before, by their chain."""
        pages = TiffPages(self._path)
        with self._path.open("rb") as file:
            for page, at, rows in pages.rows(file):
                # what stands between the tags of a strip is written again with them
                between = rows["tags"][:, slice(*_strip_tags(rows))].copy()
                between["value"][:, [0, -1]] = 0
                flat = between.reshape(len(rows), -1).view(np.uint8).reshape(len(rows), -1)
                changes = np.flatnonzero((flat[1:] != flat[:-1]).any(axis=1)) + 1
                for n in (0, *changes.tolist()):
                    block_at, row = at + n * rows.itemsize, rows[n : n + 1].copy()
                    block = PageBlock(self._form, page + n, block_at, row, one_by_one=True)
                    self._blocks.append(block)
                    self._first_pages.append(page + n)
                self._page_count = page + len(rows)
        first_row, at = self._blocks[0].row, self._blocks[0].at
        self._description_at = (
            at
            + self._form.count.itemsize
            + self._form.entry.itemsize * _tag(first_row, IMAGE_DESCRIPTION)
        )

    def add_pages(
        self,
        kind: PageKind,
        count: int,
        blank: bytes | None,
        levels: Sequence[tuple[PageKind, bytes | None]] = (),
    ) -> None:
        """Add pages that read as 0.

        Parameters
        ----------
        kind : PageKind
        count : int
        blank : bytes or None
            A compressed strip of zeros; None when strips are not compressed.
        levels : sequence of (PageKind, bytes or None)
            Of the smaller pages that each of them gets, with a strip of zeros of their own.
        """
        if count < 1:
            return
        with self._lock:
            if self._has_placeholder:  # the header will point past it
                self._has_placeholder = False
                self._blocks, self._first_pages, self._page_count = [], [], 0
                self._next_at = self._form.first_page_at
            strip = self._blank(kind, blank)
            smaller = [(one, self._blank(one, zeros)) for one, zeros in levels]
            link_at = self._next_at
            first_at = 0
            if self._page_count == 0:
                first_at = self._add_block(kind, 1, strip, smaller, described=True)
                count -= 1
            if count:
                rest_at = self._add_block(kind, count, strip, smaller, described=False)
                if first_at:
                    link = first_at + self._blocks[-2].next_at
                    self._file.patch([(link, self._word(rest_at))])
                first_at = first_at or rest_at
            self._file.patch([(link_at, self._word(first_at))])

    def add_placeholder(self) -> None:
        """Add a page of one pixel, so that the file is one; the first real pages replace it."""
        self.add_pages(PageKind(1, 1, 1, "uint8", 1, 1, None), 1, None)
        self._has_placeholder = True

    def store(self, strips: Sequence[tuple[int, Any]], level: int = 0) -> None:
        """Write the bytes of strips, then point their pages at them.

        Parameters
        ----------
        strips : sequence of (page, buffer)
            Of different pages. Neighbors are written at once.
        level : int
            Which of the smaller pages of each they are for; 0: the page itself.

        Raises
        ------
        OSError
            When some could not be written: which of the pages have their strip then is
            unknown, and each may be stored again.
        """
        pages = [page for page, _ in strips]
        sizes = [memoryview(strip).nbytes for _, strip in strips]
        with self._lock:
            self._file.store(
                [strip for _, strip in strips],
                sizes,
                lambda places: self._patches(pages, places, sizes, level),
            )

    def describe(self, pieces: Iterable[bytes]) -> None:
        """Write the ImageDescription, then point the first page at it.

        Raises
        ------
        ValueError
            When the file has no page yet.
        """
        if not self._blocks:
            raise ValueError("a TIFF without a page has no ImageDescription")
        with self._lock:
            at = self._file.append_bytes(b"", ALIGNMENT)
            for piece in pieces:
                self._file.append_bytes(piece)
            self._file.append_bytes(b"\0")
            self._file.close()  # where a network disk reports what it could not write
            tag = np.zeros(1, self._form.entry)
            tag[0] = (IMAGE_DESCRIPTION, 2, self._file.end - at, at)
            self._file.patch([(self._description_at, tag.tobytes())])
            self._description = tag
            if self._file.outlasts_power:
                self._file.sync()

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def strip(self, file: BinaryIO, page: int, level: int = 0) -> Strip:
        """Return where the pixels of a page on disk are; never waits for a writer.

        Parameters
        ----------
        file
            The same file, opened for reading.
        page : int
        level : int
        """
        block = self._block(page).level(level)
        return read_strip(file, block.page_at(page), block.form)

    def is_in_place(self) -> bool:
        """Whether the path still leads to this file."""
        try:
            return os.path.samestat(self._stat, self._path.stat())
        except OSError:
            return False

    def sync(self) -> None:
        """Flush everything written so far to the disk.

        Raises
        ------
        OSError
        """
        with self._lock:
            self._file.sync()

    def rest(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        with self._lock:
            self._file.close()

    def _add_block(
        self,
        kind: PageKind,
        count: int,
        strip: tuple[int, int],
        smaller: Sequence[tuple[PageKind, tuple[int, int]]],
        *,
        described: bool,
    ) -> int:
        """Write neighboring pages, their smaller ones before them; return where they are."""
        first = self._page_count
        levels = []
        for one, zeros in smaller:
            row = self._row(one, zeros, described=False, levels=0)
            levels.append(PageBlock(self._form, first, self._write_rows(row, count), row))
        sub_pages = self._write_lists(levels, count)
        row = self._row(kind, strip, described=described, levels=len(levels))
        at = self._write_rows(row, count, sub_pages, is_chain=True)
        self._blocks.append(PageBlock(self._form, first, at, row, levels, sub_pages))
        self._first_pages.append(first)
        self._page_count += count
        self._next_at = at + row.dtype.itemsize * count - self._form.offset.itemsize
        if described:
            entry = self._form.entry.itemsize
            self._description_at = (
                at + self._form.count.itemsize + entry * _tag(row, IMAGE_DESCRIPTION)
            )
        return at

    def _row(
        self, kind: PageKind, strip: tuple[int, int], *, described: bool, levels: int
    ) -> NDArray[Any]:
        """Return the tags of a page that points at a strip, as an array of one row."""
        _, constants = self._form.page(kind, 0, described, levels)
        if constants not in self._constants:
            self._constants[constants] = self._file.append_bytes(constants, ALIGNMENT)
        row, _ = self._form.page(kind, self._constants[constants], described, levels)
        if described and self._description is not None:
            row["tags"][0, _tag(row, IMAGE_DESCRIPTION)] = self._description[0]
        row["tags"][0, _tag(row, STRIP_OFFSETS)]["value"] = strip[0]
        row["tags"][0, _tag(row, STRIP_BYTE_COUNTS)]["value"] = strip[1]
        return row

    def _write_rows(
        self,
        row: NDArray[Any],
        count: int,
        sub_pages: tuple[int, int] = (0, 0),
        *,
        is_chain: bool = False,
    ) -> int:
        """Write so many pages with the same tags; return where they are."""
        at = self._file.append_bytes(b"", ALIGNMENT)
        size = row.dtype.itemsize
        for first in range(0, count, _ROWS_AT_ONCE):
            rows = np.repeat(row, min(_ROWS_AT_ONCE, count - first))
            numbers = np.arange(first, first + len(rows))
            if is_chain:
                rows["next"] = at + size * (numbers + 1)
                if first + len(rows) == count:
                    rows["next"][-1] = 0
            if sub_pages[0]:
                rows["tags"][:, _tag(row, SUB_PAGES)]["value"] = (
                    sub_pages[0] + sub_pages[1] * numbers
                )
            self._file.append_bytes(rows.tobytes())
        return at

    def _write_lists(self, levels: Sequence[PageBlock], count: int) -> tuple[int, int]:
        """Write where the smaller pages of each page are; return where, and the distance.

        A single smaller page needs no list: its place is the value of the tag.
        """
        if len(levels) < 2:
            return (levels[0].at, levels[0].page_bytes) if levels else (0, 0)
        at = self._file.append_bytes(b"", ALIGNMENT)
        for first in range(0, count, _ROWS_AT_ONCE):
            numbers = np.arange(first, min(first + _ROWS_AT_ONCE, count))
            places = [block.at + block.page_bytes * numbers for block in levels]
            self._file.append_bytes(np.stack(places, 1).astype(self._form.offset).tobytes())
        return at, len(levels) * self._form.offset.itemsize

    def _block(self, page: int) -> PageBlock:
        return self._blocks[bisect.bisect_right(self._first_pages, page) - 1]

    def _patches(
        self, pages: Sequence[int], places: Sequence[int], sizes: Sequence[int], level: int
    ) -> Iterator[Patch]:
        """Yield what makes pages point at their strips, neighbors together."""
        first = 0
        for number in range(1, len(pages) + 1):
            if number < len(pages) and self._are_neighbors(pages[number - 1], pages[number]):
                continue
            block = self._block(pages[first]).level(level)
            yield from block.patches(pages[first], places[first:number], sizes[first:number])
            first = number

    def _are_neighbors(self, page: int, other: int) -> bool:
        return other == page + 1 and self._block(other).first_page != other

    def _blank(self, kind: PageKind, blank: bytes | None) -> tuple[int, int]:
        """Return offset and size of a strip that reads as 0."""
        if blank is not None:
            if blank not in self._blanks:
                self._blanks[blank] = (self._file.append_bytes(blank, ALIGNMENT), len(blank))
            return self._blanks[blank]
        at, size = self._blanks.get(None, (0, 0))
        if size < kind.nbytes:
            at = self._file.reserve(kind.nbytes)
            self._blanks[None] = (at, kind.nbytes)
        return at, kind.nbytes

    def _word(self, value: int) -> bytes:
        return value.to_bytes(self._form.offset.itemsize, "little")


def _strip_tags(rows: NDArray[Any]) -> tuple[int, int]:
    """Return where the tags of a strip begin and end among those of a page."""
    return _tag(rows, STRIP_OFFSETS), _tag(rows, STRIP_BYTE_COUNTS) + 1


_FEW: Final = 4  # pages that are cheaper to point at their strips one by one


class PageBlock:
    """Neighboring pages of one kind, in one piece of the file.

    Parameters
    ----------
    form : TiffForm
    first_page, at : int
        The first of its pages, and where in the file that is.
    row : array of one row
        The tags of every page of the block.
    levels : sequence of PageBlock
        The smaller pages of its pages; empty for these themselves.
    sub_pages : (int, int)
        What the first page has as the place of its smaller pages, and how much more each next.
    one_by_one : bool
        Its pages are pointed at their strips one by one: it is not known what stands between.

    Attributes
    ----------
    first_page, at, page_bytes : int
    form : dtype
        Of the bytes of a page.
    next_at : int
        From the start of a page to its pointer to the next one.
    """

    def __init__(
        self,
        form: TiffForm,
        first_page: int,
        at: int,
        row: NDArray[Any],
        levels: Sequence[PageBlock] = (),
        sub_pages: tuple[int, int] = (0, 0),
        *,
        one_by_one: bool = False,
    ) -> None:
        self._levels, self._sub_pages = levels, sub_pages
        self._few = sys.maxsize if one_by_one else _FEW
        self._is_chain = int(row["tags"][0]["code"][0]) != NEW_SUBFILE_TYPE
        self.first_page, self.at, self.form = first_page, at, row.dtype
        self.page_bytes = row.dtype.itemsize
        self.next_at = self.page_bytes - form.offset.itemsize
        self._row = row
        self._strip_tag = tag_number(row, STRIP_OFFSETS)
        self._bytes_tag = tag_number(row, STRIP_BYTE_COUNTS)
        entry, head = form.entry.itemsize, form.count.itemsize
        self._begin = head + self._strip_tag * entry
        self._end = head + (self._bytes_tag + 1) * entry
        self._patch = bytearray(row.tobytes()[self._begin : self._end])
        value_at = entry - form.offset.itemsize
        self._strip_at = value_at
        self._bytes_at = (self._bytes_tag - self._strip_tag) * entry + value_at
        self._put = struct.Struct("<Q" if form.big else "<I").pack_into

    @property
    def row(self) -> NDArray[Any]:
        """The tags of its pages, as an array of one row."""
        return self._row

    def level(self, level: int) -> PageBlock:
        """Return the block of the smaller pages of a level; 0: this one."""
        return self._levels[level - 1] if level else self

    def page_at(self, page: int) -> int:
        """Return where a page of the block is in the file."""
        return self.at + (page - self.first_page) * self.page_bytes

    def patches(
        self, page: int, strips: Sequence[int], sizes: Sequence[int]
    ) -> list[tuple[int, bytes]]:
        """Return what to write, and where, so that pages point at their strips.

        Parameters
        ----------
        page : int
            The first of the pages, which are neighbors of this block.
        strips, sizes : sequence of int
            Where each page's strip is, and its bytes.
        """
        at = self.page_at(page)
        if len(strips) < self._few:
            found = []
            for strip, size in zip(strips, sizes, strict=True):
                self._put(self._patch, self._strip_at, strip)
                self._put(self._patch, self._bytes_at, size)
                found.append((at + self._begin, bytes(self._patch)))
                at += self.page_bytes
            return found
        rows = np.repeat(self._row, len(strips))
        rows["tags"][:, self._strip_tag]["value"] = strips
        rows["tags"][:, self._bytes_tag]["value"] = sizes
        # what stands between is written again as it is; the last page's next is left alone
        numbers = np.arange(len(strips))
        if self._is_chain:
            rows["next"] = at + self.page_bytes * (numbers + 1)
        if self._levels:
            rows["tags"][:, tag_number(self._row, SUB_PAGES)]["value"] = self._sub_pages[
                0
            ] + self._sub_pages[1] * (numbers + page - self.first_page)
        data = rows.tobytes()
        return [(at + self._begin, data[self._begin : self._end - self.page_bytes or None])]


def describe_existing(path: Path, pieces: Iterable[bytes]) -> None:
    """Write another ImageDescription into a TIFF that is not being written.

    As in `TiffFile`, it goes to the end first; then the first page is pointed at it.

    Raises
    ------
    ValueError
        When the file is no TIFF whose first page has an ImageDescription.
    """
    with path.open("r+b", buffering=0) as file:
        form = TiffForm(big=file.read(4) == b"II+\0")
        file.seek(form.first_page_at)
        page_at = int.from_bytes(file.read(form.offset.itemsize), "little")
        size = os.fstat(file.fileno()).st_size
        if page_at >= size:
            raise ValueError(f"{path} has its first page at {page_at} of {size} bytes")
        file.seek(page_at)
        count = int.from_bytes(file.read(form.count.itemsize), "little")
        if count * form.entry.itemsize > size:
            raise ValueError(f"{path} has a page with {count} tags")
        tags = np.frombuffer(file.read(count * form.entry.itemsize), form.entry)
        found = np.flatnonzero(tags["code"] == IMAGE_DESCRIPTION)
        if not len(found):
            raise ValueError(f"{path} has no ImageDescription")
        content = b"".join(pieces) + b"\0"
        end = file.seek(0, os.SEEK_END)
        at = file.seek(end + -end % ALIGNMENT)
        if at + len(content) > form.limit:
            raise OSError("a classic TIFF ends at 4 GiB: there is no room for its description")
        write_all(file, content)
        os.fsync(file.fileno())  # before anything points at it
        tag = np.zeros(1, form.entry)
        tag[0] = (IMAGE_DESCRIPTION, 2, len(content), at)
        file.seek(page_at + form.count.itemsize + int(found[0]) * form.entry.itemsize)
        write_all(file, tag.tobytes())
        os.fsync(file.fileno())
