"""`Block`: one write, and the frames that are down when it is. It writes nothing itself."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.frames import FrameRecord
from pymmcore_ome.layout import ImageLayout

from .buffer import Parcel

CellKey = tuple[int, tuple[int, ...]]  # image number, and which of its cells


class Block(NamedTuple):
    """Pixels that go to the backend in one write.

    Attributes
    ----------
    image : int
    start : tuple of int
        First element in storage order, y and x included.
    end : tuple of int
        One past the last element of a frame, where the image grows: the array must reach to
        here. Pixels beyond what it then has are places where no frame came, and are not to
        be written.
    pixels : array
        As many axes as the image.
    records : tuple of FrameRecord
        Of its frames, in order of arrival.
    nbytes : int
        Held in the buffer for these frames.
    cell : tuple or None
        What it is a part of, where frames are gathered.
    is_whole : bool
        It covers its cell, places where no frame came included: a later block of the cell
        must not be written before this one is down.
    slot : array or None
        What goes back to `Slots` when this is down.
    """

    image: int
    start: tuple[int, ...]
    end: tuple[int, ...]
    pixels: NDArray[Any]
    records: tuple[FrameRecord, ...]
    nbytes: int
    cell: CellKey | None = None
    is_whole: bool = False
    slot: NDArray[Any] | None = None

    @classmethod
    def of_frame(cls, parcel: Parcel, image: ImageLayout, cell: CellKey | None) -> Self:
        """Return a frame alone, without a copy."""
        frame, address, record, is_slot = parcel
        start = end = (*address.index, 0, 0)
        if image.unbounded_axes:
            end = tuple([a + b for a, b in zip(start, image.block_shape, strict=True)])
        pixels = frame_pixels(frame, image)
        slot = frame if is_slot else None
        return cls(image.number, start, end, pixels, (record,), frame.nbytes, cell, False, slot)

    def pixels_within(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the pixels that an array of this shape has a place for."""
        return self.pixels[
            tuple(slice(size - first) for size, first in zip(shape, self.start, strict=True))
        ]


def frame_pixels(frame: NDArray[Any], image: ImageLayout) -> NDArray[Any]:
    """Return a frame with all axes of its image, in storage order."""
    if image.samples > 1:
        frame = np.moveaxis(frame, -1, 0)
    return frame.reshape(image.block_shape)
