"""`PageBlock`: neighbouring pages in a TIFF, and the bytes that point them at their strips.

It knows where the pages are and writes nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .tiff_form import STRIP_BYTE_COUNTS, STRIP_OFFSETS, TiffForm, tag_number

_FEW: Final = 4  # pages that are cheaper to point at their strips one by one


class PageBlock:
    """Neighbouring pages of one kind, in one piece of the file.

    Parameters
    ----------
    form : TiffForm
    first_page, at : int
        The first of its pages, and where in the file that is.
    row : array of one row
        What every page of the block says.

    Attributes
    ----------
    first_page, at, page_bytes : int
    form : dtype
        Of the bytes of a page.
    next_at : int
        From the start of a page to where it tells of the next one.
    """

    def __init__(self, form: TiffForm, first_page: int, at: int, row: NDArray[Any]) -> None:
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
            The first of the pages, which are neighbours of this block.
        strips, sizes : sequence of int
            Where each page's strip is, and its bytes.
        """
        at = self.page_at(page)
        if len(strips) < _FEW:
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
        rows["next"] = at + self.page_bytes * np.arange(1, len(strips) + 1)
        data = rows.tobytes()
        return [(at + self._begin, data[self._begin : self._end - self.page_bytes or None])]
