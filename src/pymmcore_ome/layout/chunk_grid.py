"""`ChunkGrid`: how the frames of an image fall into the chunks in which they are written.

What is written as a whole is a shard, or a chunk where there are no shards; here both are
called chunks. Pure arithmetic: it holds no pixels and knows no frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import lcm, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .acquisition_order import FrameOrder, GridOrder
from .array_spec import ArraySpec


class ChunkOffset(NamedTuple):
    """Where a frame is: in which chunk, and where in it, both counted in storage order."""

    chunk_index: tuple[int, ...]
    offset: tuple[int, ...]  # in frames


class ChunkGrid:
    """Cuts an array into chunks along all axes but y and x, which a frame covers.

    Parameters
    ----------
    spec : ArraySpec
    order : FrameOrder or None
        Where it is a loop nest, the places that it leaves out need not be waited for.

    Attributes
    ----------
    frames, nbytes : int
        Of a chunk that the edge of the array does not cut.
    is_plain : bool
        A frame is one element along every axis.
    """

    def __init__(self, spec: ArraySpec, order: FrameOrder | None) -> None:
        self.spec = spec
        self.is_plain = spec.samples == 1
        # whole storage chunks and whole frames: an RGB frame may span several chunks
        self._chunk_shape = tuple(
            min(lcm(size, step), axis.size or lcm(size, step))
            for size, step, axis in zip(spec.write_shape, spec.frame_step, spec.axes, strict=False)
        )
        self.frames = prod(self._chunk_shape) // spec.samples
        self.nbytes = self.frames * spec.nbytes
        self._order = order if isinstance(order, GridOrder) and order.is_sparse else None

    def locate(self, index: tuple[int, ...]) -> ChunkOffset:
        """Return in which chunk the frame of an index is, and where in it."""
        sizes = self._chunk_shape
        if self.is_plain:
            both = [divmod(n, size) for n, size in zip(index, sizes, strict=True)]
            return ChunkOffset(tuple([n for n, _ in both]), tuple([rest for _, rest in both]))
        chunk_index, offset = [], []
        for n, size, step in zip(index, sizes, self.spec.frame_step, strict=True):
            number, rest = divmod(n, size)
            chunk_index.append(number)
            offset.append(rest // step)
        return ChunkOffset(tuple(chunk_index), tuple(offset))

    def chunk_along(self, axis: int, plane: int) -> int:
        """Return in which chunk along an axis a plane is, both counted along it from 0."""
        return plane * self.spec.frame_step[axis] // self._chunk_shape[axis]

    def start(self, chunk_index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the first element of a chunk, y and x left out."""
        return tuple(n * size for n, size in zip(chunk_index, self._chunk_shape, strict=True))

    def frame_counts(self, chunk_index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the frames of a chunk along each axis; less than others at the array's edge."""
        return tuple(
            (size if axis.size is None else min(size, axis.size - first)) // step
            for first, size, step, axis in zip(
                self.start(chunk_index),
                self._chunk_shape,
                self.spec.frame_step,
                self.spec.axes,
                strict=False,
            )
        )

    def unplanned(self, chunk_index: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the offsets in a chunk that the plan leaves out, where it is a loop nest."""
        if self._order is None:
            return
        start = self.start(chunk_index)
        for offset in np.ndindex(*self.frame_counts(chunk_index)):
            elements = zip(start, self.spec.plane_start(offset), strict=True)
            if not self._order.is_planned(self._event_index([a + b for a, b in elements])):
                yield offset

    def _event_index(self, index: list[int]) -> dict[str, int]:
        """Return the t, c and z of an element: each is the slowest loop of its axis."""
        return {
            stride.name: index[stride.axis] // stride.step
            for stride in self.spec.axis_strides
            if stride.name in ("t", "c", "z")
        }


def boxes(mask: NDArray[Any]) -> Iterator[tuple[slice, ...]]:
    """Yield boxes that hold every true element of a mask once, and no other.

    Neighbors along the first axis are joined where they are alike.
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
