"""`ChunkGrid`: how the frames of one image fall into the chunks that are written at once.

A chunk is here what a writer writes at once: a shard, or a chunk where there are no shards.
Pure arithmetic: it holds no pixels and knows no frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import lcm, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .array_spec import ImageLayout
from .order import FrameOrder, GridOrder


class ChunkGrid:
    """Cuts an image into chunks along all axes but y and x, which a frame covers.

    A *chunk index* counts chunks along each axis, an *offset* frames within a chunk; both
    are in storage order.

    Parameters
    ----------
    image : ImageLayout
    order : FrameOrder or None
        Knows which frames are not planned, if it is a loop nest.

    Attributes
    ----------
    frames, nbytes : int
        Of a chunk that the edge of the image does not cut.
    is_plain : bool
        A frame is one element along every axis.
    """

    def __init__(self, image: ImageLayout, order: FrameOrder | None) -> None:
        self.image = image
        self._frame_step = image.spec.frame_step
        self.is_plain = prod(self._frame_step) == 1
        units = image.spec.write_shape
        # whole storage units and whole frames: an RGB frame may span several units
        self._sizes = tuple(
            min(lcm(unit, frame), axis.size or lcm(unit, frame))
            for unit, frame, axis in zip(units, self._frame_step, image.axes, strict=False)
        )
        self.frames = prod(self._sizes) // prod(self._frame_step)
        self.nbytes = prod(self._sizes) * prod(image.shape[-2:]) * image.spec.frame_dtype.itemsize
        self._order = order if isinstance(order, GridOrder) and order.is_sparse else None

    def locate(self, index: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the chunk index of the frame at an index of the image, and its offset."""
        both = [divmod(i, size) for i, size in zip(index, self._sizes, strict=True)]
        chunk_index, offset = tuple([a for a, _ in both]), tuple([b for _, b in both])
        if not self.is_plain:
            offset = tuple([n // step for n, step in zip(offset, self._frame_step, strict=True)])
        return chunk_index, offset

    def chunk_number(self, axis: int, plane: int) -> int:
        """Return the chunk along an axis of the plane with a number along that axis."""
        return plane * self._frame_step[axis] // self._sizes[axis]

    def start(self, chunk_index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the first element of a chunk, y and x left out."""
        return tuple(number * size for number, size in zip(chunk_index, self._sizes, strict=True))

    def frames_along(self, chunk_index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the frames of a chunk along each axis; fewer at the image's edge."""
        return tuple(
            (size if axis.size is None else min(size, axis.size - first)) // step
            for first, size, step, axis in zip(
                self.start(chunk_index), self._sizes, self._frame_step, self.image.axes,
                strict=False,
            )
        )  # fmt: skip

    def elements(self, frames: tuple[int, ...]) -> tuple[int, ...]:
        """Return a number of frames along each axis as a number of elements."""
        if self.is_plain:
            return frames
        return tuple(count * step for count, step in zip(frames, self._frame_step, strict=True))

    def unplanned(self, chunk_index: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the offsets in a chunk that the plan leaves out, where it can say cheaply."""
        if self._order is None:
            return
        start = self.start(chunk_index)
        for offset in np.ndindex(*self.frames_along(chunk_index)):
            elements = zip(start, self.elements(offset), strict=True)
            if not self._order.is_planned(self._event_index([a + b for a, b in elements])):
                yield offset

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
