"""Reading the images of a TIFF back, numpy-style and lazily, finished or not.

It reads what `TiffFile` writes: pages of one strip. It never writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.errors import NotAStoreError
from pymmcore_ome.layout import ImageLayout, PageTable

from .selection import Picks, selected_shape, split_selection
from .tiff_codec import NONE, TiffCodec
from .tiff_pages import Strip


class Pages(Protocol):
    """What finds the pages of a TIFF file."""

    @property
    def path(self) -> Path: ...

    def strip(self, file: BinaryIO, page: int) -> Strip: ...


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
        self._frame_shape = image.frame_shape
        self._samples = image.samples
        self._channel_axis = image.channel_axis or 0

    @classmethod
    def of_notes(cls, pages: Pages, image: ImageLayout, notes: Mapping[str, Any]) -> Self:
        """Return the reader of an image, by what the file says of it.

        Raises
        ------
        NotAStoreError
            When it does not say enough.
        """
        try:
            shape = tuple(int(size) for size in notes["shape"])
            names = tuple(str(name) for name in notes["axes"])
            table = PageTable()
            table.load(image, notes["planes"], notes["runs"])
            numbers = table.pages(0)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise NotAStoreError(
                f"{pages.path} does not say where image {image.name!r} is: {error!r}."
            ) from error
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
        if self._samples > 1:
            planes[self._channel_axis] *= self._samples
        return (*planes, *self.shape[-2:])

    def read(self, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a block; see `PlaneReader`."""
        block = np.zeros(selected_shape(picks, rows, columns), self.dtype)
        if not block.size:
            return block
        axis, samples = self._channel_axis, self._samples
        planes = [pick.tolist() for pick in picks]
        if samples > 1:
            planes[axis] = sorted({element // samples for element in planes[axis]})
        numbers = self._numbers()
        with self._pages.path.open("rb") as file:
            for place in np.ndindex(*map(len, planes)):
                index = tuple(plane[n] for plane, n in zip(planes, place, strict=True))
                frame = self._frame(file, int(numbers[index]), rows)[:, columns]
                if samples == 1:
                    block[place] = frame
                    continue
                for n, element in enumerate(picks[axis].tolist()):
                    if element // samples == index[axis]:
                        block[(*place[:axis], n, *place[axis + 1 :])] = frame[
                            ..., element % samples
                        ]
        return block

    def _frame(self, file: BinaryIO, page: int, rows: slice) -> NDArray[Any]:
        """Return rows of a frame; of one that is not compressed, no others are read."""
        strip = self._pages.strip(file, page)
        codec = TiffCodec.of_tags(strip.compression, strip.predictor, self.dtype)
        if strip.compression != NONE or strip.predictor != 1:
            file.seek(strip.at)
            return codec.decode(file.read(strip.nbytes), self._frame_shape)[rows]
        row_bytes = strip.nbytes // self._frame_shape[0]
        file.seek(strip.at + rows.start * row_bytes)
        part = file.read((rows.stop - rows.start) * row_bytes)
        return codec.decode(part, (rows.stop - rows.start, *self._frame_shape[1:]))[:: rows.step]
