"""`PlaneTable`: times, exposures and stage coordinates of stored frames, one image at a time.

Numbers in plain arrays, 64 bytes a frame, because documents want them image by image and
the frame table has them in the order in which they came down.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: The numbers that are kept of every frame, in this order.
PLANE_COLUMNS: Final = ("delta_t_s", "exposure_ms", "x_um", "y_um", "z_um")
_NAN: Final = float("nan")


class PlaneTable:
    """What the frame table knows of the planes of each image."""

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._indices: dict[str, array[int]] = {}
        self._values: dict[str, array[float]] = {}
        for row in rows:
            path = row["image"]
            if path not in self._values:
                self._indices[path], self._values[path] = array("q"), array("d")
            self._indices[path].extend(row["index"])
            values = tuple(map(row.get, PLANE_COLUMNS))
            self._values[path].extend(_NAN if v is None else v for v in values)

    def of(self, image: str, rank: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the frames of an image, in the order of the frame table.

        Parameters
        ----------
        image : str
            Path of the image in the store.
        rank : int
            Axes of its index, Y and X left out.

        Returns
        -------
        indices : int array, (frames, rank)
            Storage order.
        values : float array, (frames, 5)
            `PLANE_COLUMNS`; NaN where nothing is known.
        """
        values = np.array(self._values.get(image, ()), dtype=float).reshape(-1, len(PLANE_COLUMNS))
        indices = np.array(self._indices.get(image, ()), dtype=np.int64)
        return indices.reshape(len(values), rank), values
