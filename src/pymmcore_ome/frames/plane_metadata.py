"""`PlaneMetadata`: times, exposures and stage coordinates of stored frames, by image.

Numbers in plain arrays, 64 bytes a frame, because documents want them image by image and
the frame table has them in the order in which frames were written.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: The numbers that are kept of every frame, in this order.
PLANE_COLUMNS: Final = ("delta_t_s", "exposure_ms", "x_um", "y_um", "z_um")
_NAN: Final = float("nan")
_NONE: Final = array("q"), array("d")


class Planes(NamedTuple):
    """Frames of some images, in the order of the images, and of the frame table in each.

    Attributes
    ----------
    counts : list of int
        Frames of each image.
    indices : int array, (frames, rank)
        Storage order.
    values : float array, (frames, 5)
        `PLANE_COLUMNS`; NaN where nothing is known.
    """

    counts: list[int]
    indices: NDArray[np.int64]
    values: NDArray[np.float64]


class PlaneMetadata:
    """What the frame table knows of the planes of each image."""

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._planes: dict[str, tuple[array[int], array[float]]] = {}
        self.frames = 0
        for row in rows:
            numbers = [_NAN if v is None else v for v in map(row.get, PLANE_COLUMNS)]
            self.add(row["image"], row["index"], numbers)

    def add(self, image: str, index: Sequence[int], numbers: Sequence[float]) -> None:
        """Add a frame: the path of its image, its index, and its `PLANE_COLUMNS`."""
        planes = self._planes.get(image)
        if planes is None:
            planes = self._planes[image] = array("q"), array("d")
        planes[0].extend(index)
        planes[1].extend(numbers)
        self.frames += 1

    def of(self, images: Sequence[str], rank: int) -> Planes:
        """Return the frames of some images, one image after the other.

        Parameters
        ----------
        images : sequence of str
            Paths of the images in the store.
        rank : int
            Axes of their indices, Y and X left out; the same for all.
        """
        found = [self._planes.get(image, _NONE) for image in images]
        values = np.frombuffer(b"".join([values for _, values in found]), dtype=float)
        indices = np.frombuffer(b"".join([indices for indices, _ in found]), dtype=np.int64)
        values = values.reshape(-1, len(PLANE_COLUMNS))
        counts = [len(values) // len(PLANE_COLUMNS) for _, values in found]
        return Planes(counts, indices.reshape(len(values), rank), values)
