"""Array-likes for napari: combined parts of a store that are read when they are sliced.

They never write, hold no pixels, and depend neither on napari nor on files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import split_selection
from pymmcore_ome.dataset import Image


class LazyArray(ABC):
    """The array interface that napari needs. Read-only."""

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read any numpy-style selection; only its frames are read."""
        near, within, then = _boxed(key, self.shape)
        return np.asarray(self.read(near)[within][then])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.shape} {self.dtype}>"

    @abstractmethod
    def read(self, near: tuple[slice, ...]) -> NDArray[Any]:
        """Return a block; every slice is within the shape and has no step."""


def _boxed(
    key: Any, shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Return the box around a selection, the selection in it, and the remaining numpy key."""
    picked = split_selection(key, shape)
    ends = [np.arange(s.start, s.stop, s.step or 1) for s in (picked.rows, picked.columns)]
    picks = [*picked.picks, *ends]
    near = tuple(slice(int(p[0]), int(p[-1]) + 1) if len(p) else slice(0, 0) for p in picks)
    if all(len(p) == part.stop - part.start for p, part in zip(picks, near, strict=True)):
        return near, (), picked.then
    return near, np.ix_(*(p - part.start for p, part in zip(picks, near, strict=True))), picked.then


class ChannelView(LazyArray):
    """One channel of an image, without its channel axis; of an RGB image three, as the last axis.

    Parameters
    ----------
    image : Image
    channel : int
        Index on the channel axis, the first of three for RGB; 0 without such an axis.
    samples : int
        1, or 3 for RGB.
    upward : bool
        Read z from the lowest plane up, regardless of the order of acquisition.
    """

    def __init__(self, image: Image, channel: int, samples: int = 1, upward: bool = False) -> None:
        self._image, self._samples = image, samples
        self._first = channel
        self._channel_axis = image.layout.spec.channel_axis
        axes = [axis for axis in image.axes if axis != "c"]
        self._upward_axis = axes.index("z") if upward else None
        shape = [image.sizes[axis] for axis in axes]
        super().__init__(shape if samples == 1 else [*shape, samples], image.dtype)

    def read(self, near: tuple[slice, ...]) -> NDArray[Any]:
        samples = near[-1] if self._samples > 1 else slice(0, 1)
        planes = list(near[:-1] if self._samples > 1 else near)
        at = self._upward_axis
        if at is not None:
            planes[at] = slice(self.shape[at] - planes[at].stop, self.shape[at] - planes[at].start)
        if self._channel_axis is not None:
            wanted = slice(self._first + samples.start, self._first + samples.stop)
            planes.insert(self._channel_axis, wanted)
        block = self._image[tuple(planes)]
        if self._channel_axis is not None:
            block = np.moveaxis(block, self._channel_axis, -1)
            block = block[..., 0] if self._samples == 1 else block
        return block if at is None else np.flip(block, at)


class Stack(LazyArray):
    """Arrays with equally many axes, stacked on a new first axis.

    A smaller array is padded with 0, like a missing frame.
    """

    def __init__(self, parts: Sequence[LazyArray]) -> None:
        self._parts = parts
        largest = (max(sizes) for sizes in zip(*(part.shape for part in parts), strict=True))
        super().__init__([len(parts), *largest], parts[0].dtype)

    def read(self, near: tuple[slice, ...]) -> NDArray[Any]:
        block = np.zeros([part.stop - part.start for part in near], self.dtype)
        for number, part in enumerate(self._parts[near[0]]):
            ends = [min(s.stop, size) for s, size in zip(near[1:], part.shape, strict=True)]
            inside = [slice(s.start, max(e, s.start)) for s, e in zip(near[1:], ends, strict=True)]
            if all(s.stop > s.start for s in inside):
                there = tuple(slice(0, s.stop - s.start) for s in inside)
                block[number][there] = part[tuple(inside)]
        return block


class Tile(NamedTuple):
    """An array and the position of its first pixel in a mosaic, in pixels."""

    y: int
    x: int
    array: LazyArray


class Mosaic(LazyArray):
    """Tiles side by side on one plane. A later tile covers an earlier one.

    Parameters
    ----------
    tiles : sequence of Tile
    plane : (height, width) in pixels
    step : int
        Every n-th row and column only: a smaller level of the same picture.
    samples : int
        1, or 3 if the last axis of the arrays is RGB.
    """

    def __init__(
        self, tiles: Sequence[Tile], plane: tuple[int, int], step: int = 1, samples: int = 1
    ) -> None:
        self._tiles, self._step = tiles, step
        self._y = tiles[0].array.ndim - (2 if samples == 1 else 3)
        shapes = zip(*(tile.array.shape for tile in tiles), strict=True)
        shape = [max(sizes) for sizes in shapes]
        shape[self._y : self._y + 2] = [-(-size // step) for size in plane]
        super().__init__(shape, tiles[0].array.dtype)

    def read(self, near: tuple[slice, ...]) -> NDArray[Any]:
        block = np.zeros([part.stop - part.start for part in near], self.dtype)
        for tile in self._tiles:
            from_tile: list[slice] = []
            into_block: list[slice] = []
            for axis, wanted in enumerate(near):
                start, step = 0, 1
                if axis >= self._y and axis < self._y + 2:
                    start, step = (tile.y, tile.x)[axis - self._y], self._step
                size = tile.array.shape[axis]
                first = max(wanted.start, -(-start // step))
                end = max(first, min(wanted.stop, -(-(start + size) // step)))
                into_block.append(slice(first - wanted.start, end - wanted.start))
                from_tile.append(slice(first * step - start, max(0, end * step - start), step))
            if all(part.stop > part.start for part in into_block):
                block[tuple(into_block)] = tile.array[tuple(from_tile)]
        return block
