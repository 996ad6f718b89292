"""`ArrayView`: what numpy, xarray, ndv and pymmcore-gui ask of an array, over live pixels.

Subclasses say what the axes are and read a block; this class knows no frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from pymmcore_ome.backends import Picks, split_selection
from pymmcore_ome.errors import OptionError

Index = Sequence[int] | Mapping[str, int]


class ArrayView(ABC):
    """An array that can be read while it is being acquired. From any thread; never writes.

    Reading returns a new array, of one moment: places whose frame was not acquired when it
    was asked read as 0 (`is_acquired` tells them from black frames). An axis that grows has
    the size of what came, and 1 before the first frame, so that a viewer has a plane to show.

    Attributes
    ----------
    coords_changed : psygnal signal
        Without arguments: the shape has grown.
    data_changed : psygnal signal
        With the index of a frame, without y and x: it is there, and others before it may be.
        Frames that come faster than slots return are told together.

    Signals are emitted in a thread of their own, never by `append`; a slot that is to run in
    the main thread is connected by ``connect(slot, thread="main")``, or bridged to Qt.
    """

    coords_changed = Signal()
    data_changed = Signal(tuple)

    _told_shape: tuple[int, ...] = ()
    _told_frames = 0

    @property
    @abstractmethod
    def dims(self) -> tuple[str, ...]:
        """Names of the axes, ending in y and x."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The pixel type."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape now."""

    @property
    @abstractmethod
    def coords(self) -> dict[str, Sequence[Any]]:
        """Coordinates of each axis, by name; a `range` where none are known."""

    @abstractmethod
    def read(self, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a block; see `PlaneReader`."""

    @abstractmethod
    def _is_acquired(self, index: tuple[int, ...]) -> bool: ...

    @abstractmethod
    def _newest(self) -> tuple[int, tuple[int, ...] | None]:
        """Return how many frames came, and the index of the last."""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.dims)

    @property
    def size(self) -> int:
        """Number of elements now."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, in memory or not."""
        return self.size * self.dtype.itemsize

    @property
    def sizes(self) -> dict[str, int]:
        """Size of each axis, by name."""
        return dict(zip(self.dims, self.shape, strict=True))

    def is_acquired(self, index: Index) -> bool:
        """Whether the frame of a place was acquired, and not lost since.

        Parameters
        ----------
        index : sequence of int, or mapping of axis name to int
            Without y and x: all axes in order, or some by name, the others being 0. An axis
            that the view does not have must be 0.

        Raises
        ------
        IndexError
            When it lies outside the view.
        """
        names = self.dims[:-2]
        if isinstance(index, Mapping):
            named = {str(name): value for name, value in index.items()}
            if any(value for name, value in named.items() if name not in names):
                raise IndexError(f"{named} is no place of a view with axes {', '.join(names)}.")
            index = [named.get(name, 0) for name in names]
        if len(index) != len(names):
            raise IndexError(f"{tuple(index)}: expected an index for each of {names}.")
        place = []
        for name, size, value in zip(names, self.shape, index, strict=False):
            number = int(value)
            if not -size <= number < size:
                raise IndexError(f"{tuple(index)}: {name} runs from 0 to {size - 1}.")
            place.append(number + size if number < 0 else number)
        return self._is_acquired(tuple(place))

    def tell(self) -> None:
        """Emit the signals for what came since the last time."""
        shape, (frames, newest) = self.shape, self._newest()
        if shape != self._told_shape:
            self.coords_changed.emit()
        if frames != self._told_frames and newest is not None:
            self.data_changed.emit(newest)
        self._told_shape, self._told_frames = shape, frames

    def _begin(self) -> None:
        """Take what is there now for told."""
        self._told_shape, self._told_frames = self.shape, self._newest()[0]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read any numpy-style selection: whole numbers, slices, lists, an Ellipsis.

        Only what is asked for is read: planes, and of planes on disk the chunks (in a TIFF
        without compression, the rows).

        Raises
        ------
        IndexError
            As numpy.
        UnreadableFrameError
            When a frame was acquired, and its backend lets nobody read it yet.
        NotAStoreError
            When the store was deleted, moved or replaced.
        """
        picks, rows, columns, then = split_selection(key, self.shape)
        return np.asarray(self.read(picks, rows, columns)[then])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a live view cannot be made an array without a copy")
        return np.asarray(self[...], dtype=dtype)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {size}" for name, size in self.sizes.items())
        return f"<{type(self).__name__} ({sizes}) {self.dtype}>"


def checked_image(image: Any, count: int) -> int:
    """Return the number of an image, or raise OptionError where there is none."""
    if type(image) is not int or not 0 <= image < count:
        raise OptionError(
            f"view(image={image!r:.80}): this stream has {count} images, numbered from 0; "
            "image=None views all of them."
        )
    return image
