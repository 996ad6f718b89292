"""`ChunkGrid`: how the frames of one image fall into the units in which it is stored.

A cell is a shard, or a chunk where there are no shards. Pure arithmetic: it holds no pixels
and knows no frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import lcm, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .array_spec import ImageLayout
from .order import FrameOrder, GridOrder


class Spot(NamedTuple):
    """Where a frame is: in which cell, and where in it, both counted in storage order."""

    cell: tuple[int, ...]
    place: tuple[int, ...]  # in frames


class ChunkGrid:
    """Cuts an image into cells along all axes but y and x, which a frame covers.

    Parameters
    ----------
    image : ImageLayout
    order : FrameOrder or None
        Tells which places are not planned, where it is a loop nest.

    Attributes
    ----------
    frames, nbytes : int
        Of a cell that the edge of the image does not cut.
    is_plain : bool
        A frame is one element along every axis.
    """

    def __init__(self, image: ImageLayout, order: FrameOrder | None) -> None:
        self.image = image
        self._unit = image.spec.frame_step
        self.is_plain = prod(self._unit) == 1
        units = image.spec.write_shape
        # whole storage units and whole frames: an RGB frame may span several units
        self._cell = tuple(
            min(lcm(unit, frame), axis.size or lcm(unit, frame))
            for unit, frame, axis in zip(units, self._unit, image.axes, strict=False)
        )
        self.frames = prod(self._cell) // prod(self._unit)
        self.nbytes = prod(self._cell) * prod(image.shape[-2:]) * image.spec.frame_dtype.itemsize
        self._order = order if isinstance(order, GridOrder) and order.is_sparse else None

    def spot(self, index: tuple[int, ...]) -> Spot:
        """Return where the frame at an index of the image is."""
        if self.is_plain:
            both = [divmod(i, size) for i, size in zip(index, self._cell, strict=True)]
            return Spot(tuple([cell for cell, _ in both]), tuple([place for _, place in both]))
        cell, place = [], []
        for i, size, unit in zip(index, self._cell, self._unit, strict=True):
            number, rest = divmod(i, size)
            cell.append(number)
            place.append(rest // unit)
        return Spot(tuple(cell), tuple(place))

    def cell_of(self, axis: int, plane: int) -> int:
        """Return in which cell along an axis a frame is, frames counted along it from 0."""
        return plane * self._unit[axis] // self._cell[axis]

    def start(self, cell: tuple[int, ...]) -> tuple[int, ...]:
        """Return the first element of a cell, y and x left out."""
        return tuple(number * size for number, size in zip(cell, self._cell, strict=True))

    def places(self, cell: tuple[int, ...]) -> tuple[int, ...]:
        """Return the frames of a cell along each axis; less than others at the image's edge."""
        return tuple(
            (size if axis.size is None else min(size, axis.size - first)) // unit
            for first, size, unit, axis in zip(
                self.start(cell), self._cell, self._unit, self.image.axes, strict=False
            )
        )

    def elements(self, frames: tuple[int, ...]) -> tuple[int, ...]:
        """Return a number of frames along each axis as a number of elements."""
        if self.is_plain:
            return frames
        return tuple(count * unit for count, unit in zip(frames, self._unit, strict=True))

    def unplanned(self, cell: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the places of a cell that the plan leaves out, where it can say cheaply."""
        if self._order is None:
            return
        start = self.start(cell)
        for place in np.ndindex(*self.places(cell)):
            elements = zip(start, self.elements(place), strict=True)
            if not self._order.is_planned(self._event_index([a + b for a, b in elements])):
                yield place

    def _event_index(self, index: list[int]) -> dict[str, int]:
        """Return the t, c and z of an element: each is the slowest loop of its axis."""
        return {
            stride.name: index[stride.axis] // stride.step
            for stride in self.image.spec.axis_strides
            if stride.name in ("t", "c", "z")
        }


def boxes(mask: NDArray[Any]) -> Iterator[tuple[slice, ...]]:
    """Yield boxes that hold every true place of a mask once, and no other.

    Neighbours along the first axis are joined where they are alike.
    """
    if mask.ndim == 0:
        if mask:
            yield ()
        return
    first = 0
    for number in range(1, len(mask) + 1):
        if number == len(mask) or not np.array_equal(mask[number], mask[first]):
            for rest in boxes(mask[first]):
                yield (slice(first, number), *rest)
            first = number
