"""`View`: one image of a stream as a live array. It is made by `Stream.view`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import Picks
from pymmcore_ome.dataset import axis_coords
from pymmcore_ome.layout import ImageLayout

from .array_view import ArrayView
from .live_pixels import LivePixels


class View(ArrayView):
    """One image, while it is acquired and after: axes as they are stored.

    It refuses nothing that numpy's basic indexing takes, and no writing at all.
    """

    def __init__(self, live: LivePixels, number: int) -> None:
        self._live = live
        self._number = number
        self._begin()
        live.watch(self)

    @property
    def image(self) -> ImageLayout:
        """The image: its name, path, position and channels."""
        return self._live.images[self._number]

    @property
    def name(self) -> str:
        """The image's unique name."""
        return self.image.name

    @property
    def dims(self) -> tuple[str, ...]:
        return self.image.axis_names

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.image.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(max(1, size) for size in self._live.frames.shape(self._number))

    @property
    def coords(self) -> dict[str, Sequence[Any]]:
        shape = self.shape
        known = axis_coords(self.image, shape)
        return {
            name: known.get(name, range(size))  # type: ignore[misc]
            for name, size in zip(self.dims, shape, strict=True)
        }

    @property
    def units(self) -> dict[str, str]:
        """Unit of each axis that has one, by name, in NGFF's words."""
        return {axis.name: axis.unit for axis in self.image.axes if axis.unit is not None}

    def read(self, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        return self._live.read(self._number, picks, rows, columns)

    def _is_acquired(self, index: tuple[int, ...]) -> bool:
        return self._live.frames.is_taken(self._number, index)

    def _newest(self) -> tuple[int, tuple[int, ...] | None]:
        return self._live.frames.newest(self._number)
