"""`TableCheck`: which frames a frame table lists, which planned ones are missing. It only reads.

The table is read once, into plain arrays: there may be millions of frames.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from itertools import islice
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.frames import frame_checksum, read_table
from pymmcore_ome.layout import FrameRouter

from .dataset import Dataset
from .image import Image

_SHOWN: Final = 3
_MOST_WALKED: Final = 10**7  # planned frames: the walk of a longer plan would take minutes
_SHOWN_FRAMES: Final = 10
Index = tuple[int, ...]


class _Listed:
    """The frames that the table lists for one image; a frame is a plane number, in C order.

    An axis that grows is as long as it is on disk, every other one as long as planned.
    """

    def __init__(self, image: Image) -> None:
        self.layout = image.layout
        spec = image.layout.spec
        self.planes = spec.plane_shape(image.shape if spec.unbounded_axes else None)
        self.plane_count = prod(self.planes)
        self._steps = tuple(prod(self.planes[n + 1 :]) for n in range(len(self.planes)))
        self._indices = array("q")
        self._count = 0
        self.numbers: NDArray[np.int64] = np.zeros(0, np.int64)  # each once, ascending
        self.doubled: dict[int, int] = {}  # planes that several frames have, and how many

    def add(self, index: Index) -> bool:
        """Add a frame of the table; return whether its index has the form of this image's."""
        try:
            values = array("q", index)
        except (TypeError, OverflowError):
            return False
        if len(values) != len(self.planes):
            return False
        self._count += 1
        self._indices.extend(values)
        return True

    def count_planes(self) -> list[Index]:
        """Count the frames of each plane; return the indices that are not of this image."""
        indices = np.array(self._indices, np.int64).reshape(self._count, len(self.planes))
        step = np.array(self.layout.spec.frame_step, np.int64)
        planes = indices // step
        is_inside = (planes >= 0) & (planes < np.array(self.planes, np.int64))
        is_inside &= planes * step == indices
        is_valid = is_inside.all(axis=1)
        every = planes[is_valid] @ np.array(self._steps, np.int64)
        self.numbers, counts = np.unique(every.astype(np.int64), return_counts=True)
        is_doubled = counts > 1
        self.doubled = dict(
            zip(self.numbers[is_doubled].tolist(), counts[is_doubled].tolist(), strict=True)
        )
        return [tuple(index) for index in indices[~is_valid].tolist()]

    def missing_numbers(self) -> Iterator[int]:
        """Yield the planes that no frame has, in C order."""
        expected = 0
        for number in self.numbers.tolist():
            yield from range(expected, number)
            expected = number + 1
        yield from range(expected, self.plane_count)

    def index(self, number: int) -> Index:
        """Return the index of a plane."""
        spec = self.layout.spec
        return spec.plane_start(
            [number // step % size for step, size in zip(self._steps, self.planes, strict=True)]
        )

    def number(self, index: Index) -> int:
        """Return the number of the plane of an index."""
        planes = self.layout.spec.plane_index(index)
        return sum(n * step for n, step in zip(planes, self._steps, strict=True))


class TableCheck:
    """Reads the frame table of a dataset; it does not look at pixels.

    Parameters
    ----------
    dataset : Dataset
    end : int, optional
        Bytes of the table to read; a writer may be adding frames.

    Attributes
    ----------
    row_count : int
        Frames that the table lists, whatever is wrong with them.
    planned : int | None
        Frames that were planned; None when unbounded.
    problems : list of str
        Rows that cannot be read, that are not of this store, or that several frames share.
    """

    def __init__(self, dataset: Dataset, end: int | None = None) -> None:
        self._layout = dataset.layout
        self._images = {image.path: _Listed(image) for image in dataset.images}
        self.planned = dataset.layout.frame_count
        self.row_count = 0
        bad_lines: list[int] = []
        misplaced = []
        for row in read_table(dataset.location.table, bad_lines, end=end):
            self.row_count += 1
            listed = self._images.get(row["image"])
            if listed is None:
                misplaced.append(
                    f"the frame table lists a frame in image {row['image']!r}, which the store "
                    "does not have"
                )
            elif not listed.add(row["index"]):
                misplaced.append(self._outside(row["index"], listed))
        doubled = []
        for listed in self._images.values():
            misplaced += [self._outside(index, listed) for index in listed.count_planes()]
            doubled += [
                f"the frame table lists {count} frames at "
                f"{self._name(listed, listed.index(number))}"
                for number, count in listed.doubled.items()
            ]
        self.problems = [
            *(f"line {number} of the frame table cannot be read" for number in bad_lines),
            *misplaced,
            *doubled,
        ]

    @property
    def stored(self) -> dict[str, int]:
        """The number of planes with a frame, by the path of their image."""
        return {path: len(listed.numbers) for path, listed in self._images.items()}

    def missing(self) -> Iterator[tuple[str, Index]]:
        """Yield path and index of each planned frame that the table does not list.

        In the order of the plan, or of storage where frames are placed by index only. What a
        sequence leaves out (a channel at every second time point) was not planned. Yields
        nothing when the number of frames is unbounded.
        """
        if self.planned is None or self._has_all_planes():
            return
        if self._layout.order is None:
            for path, listed in self._images.items():
                yield from ((path, listed.index(number)) for number in listed.missing_numbers())
            return
        stored = {path: set(listed.numbers.tolist()) for path, listed in self._images.items()}
        for address in FrameRouter(self._layout):
            if self._images[address.image].number(address.index) not in stored[address.image]:
                yield address.image, address.index

    def missing_by_image(self, shown: int) -> tuple[dict[str, int], dict[str, list[Index]]]:
        """Return how many frames are missing, and the first few, by the path of their image.

        The first in order of the plan; of a plan of more than 10 million frames, of storage.
        """
        counts: dict[str, int] = {}
        first: dict[str, list[Index]] = {}
        if self._is_full_plan() and (self.planned or 0) > _MOST_WALKED:
            for path, listed in self._images.items():
                if missing := listed.plane_count - len(listed.numbers):
                    counts[path] = missing
                    numbers = islice(listed.missing_numbers(), shown)
                    first[path] = [listed.index(number) for number in numbers]
            return counts, first
        for path, index in self.missing():
            counts[path] = counts.get(path, 0) + 1
            if counts[path] <= shown:
                first.setdefault(path, []).append(index)
        return counts, first

    def missing_count(self) -> int:
        """Return the number of planned frames that the table does not list."""
        if self.planned is None:
            return 0
        if self._is_full_plan():
            return self.planned - sum(self.stored.values())
        return sum(1 for _ in self.missing())

    def missing_problem(self) -> str | None:
        """Return how many planned frames are missing, and which first; None when none is."""
        count = self.missing_count()
        if not count:
            return None
        shown = [
            self._name(self._images[path], index) for path, index in islice(self.missing(), _SHOWN)
        ]
        more = ", …" if count > len(shown) else ""
        return (
            f"{count} of {self.planned} planned frames are missing (they read as 0): "
            f"{', '.join(shown)}{more}"
        )

    def _is_full_plan(self) -> bool:
        """Whether every plane of every image was planned."""
        return self.planned == sum(listed.plane_count for listed in self._images.values())

    def _has_all_planes(self) -> bool:
        return all(len(listed.numbers) == listed.plane_count for listed in self._images.values())

    def _name(self, listed: _Listed, index: Index) -> str:
        return self._layout.frame_name(listed.layout, index)

    def _outside(self, index: Index, listed: _Listed) -> str:
        """Return the problem of a row whose index its image does not have."""
        names = listed.layout.axis_names
        sizes = ", ".join(f"{a}: {n}" for a, n in zip(names, listed.planes, strict=False))
        is_whole = len(index) == len(listed.planes)
        where = self._name(listed, index) if is_whole else f"{listed.layout.path!r} {index}"
        return f"the frame table lists a frame at {where}, outside its image ({sizes})"


def pixel_problems(dataset: Dataset, end: int | None = None) -> Iterator[str]:
    """Yield every frame of the frame table whose pixels do not match its checksum.

    `end`: the bytes of the table to read.
    """
    images = {image.path: image for image in dataset.images}
    wrong = unchecked = 0
    for row in read_table(dataset.location.table, end=end):
        image = images.get(row["image"])
        if image is None or "checksum" not in row:
            unchecked += 1
            continue
        problem = frame_problem(image, row)
        if problem is not None:
            wrong += 1
            if wrong <= _SHOWN_FRAMES:
                name = dataset.layout.frame_name(image.layout, row["index"])
                yield f"the frame at {name}: {problem}"
    if wrong > _SHOWN_FRAMES:
        yield f"{wrong - _SHOWN_FRAMES} more frames do not match their checksums"
    if unchecked:
        yield f"{unchecked} frames have no checksum, so their pixels cannot be checked"


def frame_problem(image: Image, row: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the pixels of a frame, or None when they match its checksum."""
    try:
        found = frame_checksum(stored_frame(image, row["index"]))
    except Exception as error:  # whatever a damaged chunk or strip makes a library raise
        return f"cannot be read: {error}"
    if found != row["checksum"]:
        return f"checksum mismatch, found {found}, expected {row['checksum']}"
    return None


def stored_frame(image: Image, index: tuple[int, ...]) -> NDArray[Any]:
    """Return a frame as it was appended: (height, width), or (height, width, 3) for RGB."""
    spec = image.layout.spec
    return spec.block_to_frame(image[spec.block_key(index)])
