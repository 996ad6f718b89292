"""What is wrong with a frame table: frames without a place, doubled or missing ones. It only reads.

The table is read once, into plain arrays: there may be millions of frames.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.frames import read_table
from pymmcore_ome.layout import FrameRouter, ImageLayout

from .dataset import Dataset

_SHOWN: Final = 3


class _Listed:
    """The frames that the table lists for one image."""

    def __init__(self, layout: ImageLayout, planes: tuple[int, ...]) -> None:
        self.layout = layout
        self.planes = planes
        self.count = 0
        self.indices = array("q")
        self.places: NDArray[np.int64] = np.zeros(0, np.int64)  # of frames, each once, ascending
        self.doubled: dict[int, int] = {}  # from a place that several frames have to how many

    def take(self, index: tuple[int, ...]) -> bool:
        """Note a frame of the table; return whether its index can be one of this image."""
        try:
            values = array("q", index)
        except (TypeError, OverflowError):
            return False
        if len(values) != len(self.planes):
            return False
        self.count += 1
        self.indices.extend(values)
        return True

    def settle(self) -> list[int]:
        """Find the places; return which of the frames that were taken are outside."""
        indices = np.array(self.indices, np.int64).reshape(self.count, len(self.planes))
        is_inside = ((indices >= 0) & (indices < np.array(self.planes, np.int64))).all(axis=1)
        inside = indices[is_inside]
        at = np.zeros(len(inside), np.int64)
        if self.planes and len(inside):
            at = np.ravel_multi_index(tuple(inside.T), self.planes).astype(np.int64)
        self.places, counts = np.unique(at, return_counts=True)
        self.doubled = dict(
            zip(self.places[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True)
        )
        return [int(n) for n in np.flatnonzero(~is_inside)]

    def index(self, place: int) -> tuple[int, ...]:
        """Return the index of a place."""
        return tuple(int(i) for i in np.unravel_index(place, self.planes)) if self.planes else ()

    def place(self, index: tuple[int, ...]) -> int:
        """Return the place of an index."""
        return int(np.ravel_multi_index(index, self.planes)) if self.planes else 0


class TableCheck:
    """Reads the frame table of a dataset whose arrays are as they should be.

    Attributes
    ----------
    count : int
        Frames that it lists.
    problems : list of str
    """

    def __init__(self, dataset: Dataset) -> None:
        self._layout = dataset.layout
        self._images = {
            image.path: _Listed(image.layout, image.shape[:-2]) for image in dataset.images
        }
        self.count = 0
        bad_lines: list[int] = []
        misplaced = []
        for row in read_table(dataset.place.table, bad_lines):
            self.count += 1
            listed, index = self._images.get(row["image"]), row["index"]
            if listed is None:
                misplaced.append(
                    f"the frame table lists a frame in image {row['image']!r}, which the store "
                    "does not have"
                )
            elif not listed.take(index):
                misplaced.append(self._outside(index, listed))
        doubled = []
        for listed in self._images.values():
            rank = len(listed.planes)
            for n in listed.settle():
                index = tuple(listed.indices[n * rank : (n + 1) * rank])
                misplaced.append(self._outside(index, listed))
            doubled += [
                f"{times} frames claim the same place: {self._name(listed, listed.index(place))}"
                for place, times in listed.doubled.items()
            ]
        self.problems = [
            *(f"line {number} of the frame table cannot be read" for number in bad_lines),
            *misplaced,
            *doubled,
            *self._missing(dataset),
        ]

    def _missing(self, dataset: Dataset) -> Iterator[str]:
        planned = dataset.layout.frame_count
        found = sum(len(listed.places) for listed in self._images.values())
        if planned is None or planned == found:
            return
        missing: Iterator[tuple[str, tuple[int, ...]]]
        if dataset.layout.order is None:  # all places of all images, in no order of time
            missing = (
                (image.path, index)
                for image in dataset.layout.images
                for index in self._free(image)
            )
        else:
            missing = self._not_come(FrameRouter(dataset.layout))
        shown = [self._name(self._images[image], index) for image, index in islice(missing, _SHOWN)]
        more = ", …" if planned - found > len(shown) else ""
        yield (
            f"{planned - found} of {planned} planned frames are missing (they read as 0): "
            f"{', '.join(shown)}{more}"
        )

    def _free(self, image: ImageLayout) -> list[tuple[int, ...]]:
        """Return the first places of an image that no frame has."""
        listed = self._images[image.path]
        places = np.arange(int(np.prod(listed.planes, dtype=np.int64))).reshape(listed.planes)
        places = places[tuple(slice(None, None, step) for step in image.spec.frame_step)]
        free = np.setdiff1d(places.reshape(-1), listed.places, assume_unique=True)
        return [listed.index(place) for place in free[:_SHOWN].tolist()]

    def _not_come(self, router: FrameRouter) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the places of the plan that no frame has, in the order of the plan."""
        taken = {path: set(listed.places.tolist()) for path, listed in self._images.items()}
        for address in router:
            if self._images[address.image].place(address.index) not in taken[address.image]:
                yield address.image, address.index

    def _name(self, listed: _Listed, index: tuple[int, ...]) -> str:
        return self._layout.frame_name(listed.layout, index)

    def _outside(self, index: tuple[int, ...], listed: _Listed) -> str:
        """Say that a row of the table is about a place that its image does not have."""
        names = listed.layout.axis_names
        sizes = ", ".join(f"{a}: {n}" for a, n in zip(names, listed.planes, strict=False))
        is_whole = len(index) == len(listed.planes)
        where = self._name(listed, index) if is_whole else f"{listed.layout.path!r} {index}"
        return f"the frame table lists a frame at {where}, outside its image ({sizes})"


#: An image's path, and an index in storage order without y and x.
Where = tuple[str, tuple[int, ...]]


def missing_frames(dataset: Dataset, stored: Collection[Where]) -> Iterator[Where]:
    """Yield the planned places that hold no frame, in the order of the plan.

    Nothing where the number of frames was not planned. Places that the sequence leaves out
    (a channel at every second time point) are no holes.

    Parameters
    ----------
    dataset : Dataset
    stored : collection of (path, index)
        The places that the frame table lists.
    """
    planned = dataset.layout.frame_count
    if planned is None or planned == len(stored):
        return
    if dataset.layout.order is None:  # all places of all images, in no order of time
        expected: Iterator[Where] = (
            (image.path, index)
            for image in dataset.layout.images
            for index in map(image.spec.plane_start, np.ndindex(*image.spec.plane_shape()))
        )
    else:
        expected = ((at.image, at.index) for at in FrameRouter(dataset.layout))
    yield from (place for place in expected if place not in stored)
