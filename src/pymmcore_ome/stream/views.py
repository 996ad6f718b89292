"""`ArrayView`: what numpy, xarray, ndv and pymmcore-gui ask of an array, over live pixels.

Subclasses define the axes and read a block; this class knows no frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from pymmcore_ome.backends import Picks, selected_shape, split_selection
from pymmcore_ome.dataset import axis_coords
from pymmcore_ome.errors import OptionError
from pymmcore_ome.layout import ArraySpec, ImageLayout, level_shape

from .live import LivePixels
from .progress import FrameCounts

Index = Sequence[int] | Mapping[str, int]


class ArrayView(ABC):
    """An array that can be read while it is being acquired. From any thread; never writes.

    Reading returns a new array, of one moment: places whose frame was not acquired when it
    was asked read as 0 (`is_acquired` distinguishes them from black frames). An axis that grows has
    the size of the frames so far, and 1 before the first frame, so that a viewer has a plane.

    Attributes
    ----------
    coords_changed : psygnal signal
        Without arguments: the shape has grown.
    data_changed : psygnal signal
        With the index of a frame, without y and x: it is there, and others before it may be.
        Frames that arrive faster than slots return are signaled together.

    Signals are emitted in a thread of their own, never by `append`; a slot that is to run in
    the main thread is connected by ``connect(slot, thread="main")``, or bridged to Qt.
    """

    coords_changed = Signal()
    data_changed = Signal(tuple)

    _emitted_shape: tuple[int, ...] = ()
    _emitted_frames = 0

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

    @property
    @abstractmethod
    def images(self) -> list[ImageLayout]:
        """The images of the store so far, in order of first visit."""

    @abstractmethod
    def frame_counts(self) -> FrameCounts:
        """Return how many frames each of `images` has. Reads no pixel."""

    @abstractmethod
    def read(self, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a block; see `PlaneReader`."""

    @abstractmethod
    def _is_acquired(self, index: tuple[int, ...]) -> bool: ...

    @abstractmethod
    def newest(self) -> tuple[int, tuple[int, ...] | None]:
        """Return how many frames were accepted, and the index of the latest; None: none was."""

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
            When it is outside the view.
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

    def emit_changes(self) -> None:
        """Emit the signals for the frames since the last time."""
        shape, (frames, newest) = self.shape, self.newest()
        if shape != self._emitted_shape:
            self.coords_changed.emit()
        if frames != self._emitted_frames and newest is not None:
            self.data_changed.emit(newest)
        self._emitted_shape, self._emitted_frames = shape, frames

    def _begin(self) -> None:
        """Emit nothing for the frames so far."""
        self._emitted_shape, self._emitted_frames = self.shape, self.newest()[0]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read any numpy-style selection: whole numbers, slices, lists, an Ellipsis.

        Only the requested part is read: planes, and of planes on disk the chunks (in a TIFF
        without compression, the rows).

        Raises
        ------
        IndexError
            As numpy.
        UnreadableFrameError
            When a frame was acquired, and its backend cannot read it yet.
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


def checked_level(level: Any, count: int) -> int:
    """Return the number of a resolution level, or raise OptionError where there is none."""
    if type(level) is not int or not 0 <= level < count:
        raise OptionError(
            f"view(level={level!r:.80}): this image has {count} resolution levels, numbered from "
            "0, the full resolution. Set levels when the stream is opened."
        )
    return level


class View(ArrayView):
    """One image, while it is acquired and after: axes as they are stored.

    It refuses nothing that numpy's basic indexing takes, and no writing at all.
    """

    def __init__(self, live: LivePixels, number: int, level: int = 0) -> None:
        self._live = live
        self._number = number
        self._level = level
        self._image = live.images[number]
        if level:
            assert live.levels is not None
            self._image = live.levels.levels.plan.level(self._image, level)
        self._begin()
        live.watch(self)

    @property
    def image(self) -> ImageLayout:
        """The image, or its level: its name, path, position and channels."""
        return self._image

    @property
    def images(self) -> list[ImageLayout]:
        return list(self._live.images)

    def frame_counts(self) -> FrameCounts:
        return self._live.frames.counts()

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
        shape = tuple(max(1, size) for size in self._live.frames.shape(self._number))
        return level_shape(shape, self._level)

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
        if self._level:
            return self._live.read_level(
                self._number, self._image, self._level, picks, rows, columns
            )
        return self._live.read(self._number, picks, rows, columns)

    def _is_acquired(self, index: tuple[int, ...]) -> bool:
        return self._live.frames.is_accepted(self._number, index)

    def newest(self) -> tuple[int, tuple[int, ...] | None]:
        return self._live.frames.newest(self._number)


IMAGES: Final = "p"
_FIRST: Final = ("t", "c", "z")


class JoinedView(ArrayView):
    """All images along a leading axis ``p``, in order of first visit.

    The other axes are those of any image. Images of different dtypes are read as the least
    dtype that holds them all.

    Parameters
    ----------
    dims : sequence of str
        Axes other than `p`, ending in y and x.
    dtype : numpy dtype
    frame_shape : tuple of int
        Height and width, until images are known.
    """

    def __init__(
        self, dims: Sequence[str], dtype: np.dtype[Any], frame_shape: tuple[int, int]
    ) -> None:
        self._dims = tuple(dims)
        self._dtype = dtype
        self._frame_shape = frame_shape
        self._live: LivePixels | None = None
        self._known: tuple[int, tuple[int, ...]] | None = None
        self._labels: tuple[Any, dict[str, Sequence[Any]]] | None = None
        self._begin()

    def attach(self, live: LivePixels) -> None:
        """Show the images of a stream from now on; `coords_changed` is emitted if they differ."""
        self._live = live
        live.watch(self)

    @property
    def images(self) -> list[ImageLayout]:
        return [] if self._live is None else list(self._live.images)

    def frame_counts(self) -> FrameCounts:
        if self._live is None:
            none = np.zeros(0, np.int64)
            return FrameCounts(none, none, none, None)
        return self._live.frames.counts()

    @property
    def names(self) -> list[str]:
        """The images' unique names."""
        return [image.name for image in self.images]

    @property
    def dims(self) -> tuple[str, ...]:
        return (IMAGES, *self._dims)

    @property
    def dtype(self) -> np.dtype[Any]:
        live = self._live
        if live is None:
            return self._dtype
        known = {image.spec.frame_dtype for image in list(live.images)}
        return np.result_type(self._dtype, *known)

    @property
    def shape(self) -> tuple[int, ...]:
        live = self._live
        if live is None:
            return (*(1 for _ in self.dims[:-2]), *self._frame_shape)
        version = live.frames.version
        if self._known is None or self._known[0] != version:
            images = list(live.images)
            sizes = dict.fromkeys(self._dims, 1)
            sizes |= dict(zip(self._dims[-2:], self._frame_shape, strict=True))
            for image in images:
                shape = live.frames.shape(image.number)
                for name, size in zip(image.axis_names, shape, strict=True):
                    sizes[name] = max(sizes[name], size)
            self._known = version, (max(1, len(images)), *(sizes[name] for name in self._dims))
        return self._known[1]

    @property
    def coords(self) -> dict[str, Sequence[Any]]:
        """Coordinates; of an axis that several images have, those of the first that is as long.

        Along `p`, the names of the images. Stage positions are not in them: they differ.
        """
        sizes, live = self.sizes, self._live
        if self._labels is None or self._labels[0] != (live, sizes):  # viewers ask all the time
            found: dict[str, Sequence[Any]] = {}
            for image in self.images:
                assert live is not None
                shape = live.frames.shape(image.number)
                for name, values in axis_coords(image, shape, has_stage=False).items():
                    if len(values) == sizes[name]:
                        found.setdefault(name, values)  # type: ignore[arg-type]
                if len(found) == len(self._dims):
                    break
            if len(names := self.names) == sizes[IMAGES]:
                found[IMAGES] = tuple(names)
            labels = {name: found.get(name, range(size)) for name, size in sizes.items()}
            self._labels = (live, sizes), labels
        return dict(self._labels[1])

    def read(self, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        block = np.zeros(selected_shape(picks, rows, columns), self.dtype)
        live = self._live
        if live is None:
            return block
        by_name = dict(zip(self._dims, picks[1:], strict=False))
        for n, number in enumerate(picks[0].tolist()):
            if number < len(live.images):
                self._read_image(live, number, by_name, rows, columns, block[n])
        return block

    def _read_image(
        self,
        live: LivePixels,
        number: int,
        picks: dict[str, NDArray[np.intp]],
        rows: slice,
        columns: slice,
        block: NDArray[Any],
    ) -> None:
        image = live.images[number]
        sizes = dict(zip(image.axis_names, live.frames.shape(number), strict=True))
        wanted, spots = [], []
        for name, pick in picks.items():
            inside = pick[: int(np.searchsorted(pick, sizes.get(name, 1)))]
            spots.append(slice(len(inside)))
            wanted.append(inside)
        if not all(map(len, wanted)):
            return
        near = [
            slice(part.start, min(part.stop, sizes[name]), part.step)
            for part, name in zip((rows, columns), self._dims[-2:], strict=True)
        ]
        order = [list(picks).index(name) for name in image.axis_names[:-2]]
        found = live.read(number, [wanted[n] for n in order], near[0], near[1])
        # from the image's own axes to those of the view: the others have one element here
        shape = (*(len(pick) for pick in wanted), *found.shape[-2:])
        axes = [*np.argsort(order).tolist(), found.ndim - 2, found.ndim - 1]
        found = found.transpose(axes).reshape(shape)
        block[(*spots, *(slice(size) for size in found.shape[-2:]))] = found

    def _is_acquired(self, index: tuple[int, ...]) -> bool:
        live, (number, *rest) = self._live, index
        if live is None or number >= len(live.images):
            return False
        image = live.images[number]
        values = dict(zip(self._dims, rest, strict=False))
        if any(value for name, value in values.items() if name not in image.axis_names):
            return False
        place = tuple(values[name] for name in image.axis_names[:-2])
        shape = live.frames.shape(number)
        is_inside = all(n < size for n, size in zip(place, shape, strict=False))
        return is_inside and live.frames.is_accepted(number, place)

    def newest(self) -> tuple[int, tuple[int, ...] | None]:
        if self._live is None:
            return 0, None
        count, number, index = self._live.frames.newest_of_all()
        if number is None:
            return 0, None
        values = dict(zip(self._live.images[number].axis_names, index, strict=False))
        return count, (number, *(values.get(name, 0) for name in self._dims[:-2]))


def joined(live: LivePixels, to_come: Sequence[ArraySpec]) -> JoinedView:
    """Return the view of all images of a stream.

    Parameters
    ----------
    live : LivePixels
    to_come : sequence of ArraySpec
        The arrays of images that may still be added.
    """
    names = [*(image.axis_names for image in live.images)]
    names += [spec.axis_names for spec in to_come]
    dtypes = [*(image.dtype for image in live.images), *(spec.dtype for spec in to_come)]
    frames = [spec.frame_shape[:2] for spec in to_come] or [(0, 0)]
    height, width = (max(sides) for sides in zip(*frames, strict=True))
    view = JoinedView(joined_dims(names), np.result_type(*dtypes), (height, width))
    view.attach(live)
    view._begin()
    return view


def joined_dims(axes: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the axes of all images, in an order that fits each; t, c and z first if free."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for names in dict.fromkeys(axes):
        for before, after in pairwise(names):
            sorter.add(after, before)
    sorter.prepare()
    dims: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted({*ready, *sorter.get_ready()}, key=_rank)
        dims.append(ready.pop(0))
        sorter.done(dims[-1])
    return dims


def _rank(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)
