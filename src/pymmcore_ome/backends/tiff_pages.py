"""The pages of a TIFF that `TiffFile` wrote: where each is, and what it points at.

They are looked up again at every read, because a file that is being written changes. It
reads no pixels and writes nothing.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.errors import NotAStoreError

from .tiff_form import STRIP_BYTE_COUNTS, STRIP_OFFSETS, TiffForm

_ROWS_AT_ONCE: Final = 16_384
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
    """What neighbouring pages point at: one number a page in each array."""

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

    def strip(self, file: BinaryIO, page: int) -> Strip:
        """Return where the pixels of a page are now.

        Raises
        ------
        NotAStoreError
            When the file has fewer pages, or is no TIFF of ours.
        """
        if page >= self._count:
            self._walk(file)
        if page >= self._count:
            raise NotAStoreError(f"{self.path} has {self._count} pages, page {page} was wanted.")
        first, at, row = self._blocks[bisect.bisect_right(self._first_pages, page) - 1]
        return read_strip(file, at + (page - first) * row.itemsize, row)

    def spans(self, file: BinaryIO) -> Iterator[PageSpans]:
        """Yield what every page points at now, in order, many pages at once.

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
                rows = np.frombuffer(file.read(count * row.itemsize), row)
                tags = rows["tags"]
                strips = tags["value"][tags["code"] == STRIP_OFFSETS].astype(np.uint64)
                nbytes = tags["value"][tags["code"] == STRIP_BYTE_COUNTS].astype(np.uint64)
                if not len(strips) == len(nbytes) == count:
                    raise NotAStoreError(f"{self.path} has a page without its one strip.")
                pages_at = page_at + row.itemsize * np.arange(count, dtype=np.uint64)
                yield PageSpans(strips, nbytes, strips < pages_at)

    def blank(self, file: BinaryIO) -> NDArray[np.bool_]:
        """Return for every page whether nothing was written to it; see `spans`."""
        return np.concatenate([spans.is_blank for spans in self.spans(file)] or [np.zeros(0, bool)])

    def _walk(self, file: BinaryIO) -> None:
        """Follow the chain of pages from where the last walk ended."""
        if not self._next_at:
            file.seek(0)
            start = file.read(4)
            if start not in (b"II+\0", b"II*\0"):
                raise NotAStoreError(f"{self.path} is not a little-endian TIFF.")
            self._form = TiffForm(big=start == b"II+\0")
            self._next_at = self._form.first_page_at
        while at := self._word(file, self._next_at):
            self._walk_block(file, at)

    def _walk_block(self, file: BinaryIO, at: int) -> None:
        """Read neighbouring pages with as many tags as the first of them."""
        form = self._form
        file.seek(at)
        tags = int.from_bytes(file.read(form.count.itemsize), "little")
        row = form.row(tags)
        self._blocks.append((self._count, at, row))
        self._first_pages.append(self._count)
        while True:
            file.seek(at)
            data = file.read(row.itemsize * _ROWS_AT_ONCE)
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
