"""`PageTable`: which page of a file holds each plane, for formats with a page a plane.

Pages are numbered as they are added: image after image, plane after plane in storage order.
An image that grows gets more pages, at the end. Numbers never change; it does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .array_spec import ArraySpec, ImageLayout


class Run(NamedTuple):
    """Neighboring planes on neighboring pages."""

    page: int  # page of the first plane
    first: tuple[int, ...]  # index of the first plane, storage order
    planes: int


class PageTable:
    """Numbers the pages of one file.

    A plane is what one page holds: one frame, all samples of an RGB pixel together.

    Parameters
    ----------
    apart : bool
        Every image has a file of its own, whose pages are counted from 0.
    """

    def __init__(self, apart: bool = False) -> None:
        self._counts = [0]
        self._apart = apart
        self._numbers: list[NDArray[np.uint32]] = []
        self._in_order: list[bool] = []  # the planes of an image are on neighboring pages
        self._specs: list[ArraySpec] = []

    @property
    def image_count(self) -> int:
        """Images that have pages."""
        return len(self._numbers)

    def add(self, image: ImageLayout, shape: Sequence[int]) -> int:
        """Give pages to every plane of an image; return how many.

        Parameters
        ----------
        image : ImageLayout
            The next image of the file.
        shape : sequence of int
            Its shape in storage order, Y and X included.
        """
        if self._apart and self._specs:
            self._counts.append(0)
        self._specs.append(image.spec)
        planes = image.spec.plane_shape(shape)
        count = prod(planes)
        self._in_order.append(True)
        self._numbers.append(self._new_pages(-1, count).reshape(planes))
        return count

    def load(
        self, image: ImageLayout, planes: Sequence[int], runs: Sequence[Sequence[int]]
    ) -> None:
        """Read the pages of an image from the record of a store.

        Parameters
        ----------
        image : ImageLayout
            The next image of the file.
        planes : sequence of int
            Its planes along each axis, as `shape` returns them.
        runs : sequence of sequence of int
            ``[page, *first, planes]`` each, as `runs` returns them.

        Raises
        ------
        ValueError
            When a plane has no page.
        """
        numbers = np.full(prod(planes), -1, np.int64)
        for page, *first, count in runs:
            start = int(np.ravel_multi_index(tuple(first), tuple(planes))) if first else 0
            numbers[start : start + count] = np.arange(page, page + count)
        if (numbers < 0).any():
            raise ValueError("some planes have no page")
        self._specs.append(image.spec)
        self._in_order.append(False)  # perhaps it is, which makes no difference to a reader
        self._numbers.append(numbers.reshape(tuple(planes)).astype(np.uint32))

    def grow(self, image: int, shape: Sequence[int]) -> int:
        """Give pages to the planes of a larger image that has none yet; return how many."""
        old = self._numbers[image]
        self._in_order[image] = False
        planes = self._specs[image].plane_shape(shape)
        larger = np.zeros(planes, np.uint32)
        is_new = np.ones(planes, bool)
        before = tuple(slice(size) for size in old.shape)
        larger[before] = old
        is_new[before] = False
        count = int(is_new.sum())
        larger[is_new] = self._new_pages(image if self._apart else 0, count)
        self._numbers[image] = larger
        return count

    def shape(self, image: int) -> tuple[int, ...]:
        """Planes of an image along each axis, Y and X left out; samples are one plane."""
        return self._numbers[image].shape

    def pages(self, image: int) -> NDArray[np.uint32]:
        """Return the page of every plane of an image, in the shape of its planes."""
        return self._numbers[image]

    def page(self, image: int, index: Sequence[int]) -> int:
        """Return the page of the plane at an index in storage order, without Y and X."""
        return int(self._numbers[image][self._specs[image].plane_index(index)])

    def runs(self, image: int, planes: Sequence[int]) -> list[Run]:
        """Return the pages of an image's first planes along each axis, neighbors together."""
        numbers = self._numbers[image]
        count, is_whole = prod(planes), tuple(planes[1:]) == numbers.shape[1:]
        if self._in_order[image] and is_whole and 0 < count <= numbers.size:
            first = (0,) * numbers.ndim
            return [Run(int(numbers[first]), first, count)]
        region = numbers[tuple(slice(size) for size in planes)]
        flat = region.reshape(-1).astype(np.int64)
        if not flat.size:
            return []
        starts = np.flatnonzero(np.diff(flat, prepend=flat[0] - 2) != 1)
        ends = np.append(starts[1:], flat.size)
        return [
            Run(
                int(flat[start]),
                tuple(int(i) for i in np.unravel_index(start, region.shape)) if region.ndim else (),
                int(end - start),
            )
            for start, end in zip(starts, ends, strict=True)
        ]

    def single(self, image: int, planes: Sequence[int]) -> Iterator[Run]:
        """Yield the page of each of an image's first planes along each axis."""
        for index in np.ndindex(*planes):
            yield Run(int(self._numbers[image][index]), index, 1)

    def _new_pages(self, file: int, count: int) -> NDArray[np.uint32]:
        first = self._counts[file]
        self._counts[file] += count
        return np.arange(first, first + count, dtype=np.uint32)
