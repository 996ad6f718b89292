"""`JoinedView`: all images of a stream as one live array, for a viewer with a slider for them.

On disk they stay apart. Where they differ, it has the least shape that holds them all, and
what an image does not have reads as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import Picks, selected_shape
from pymmcore_ome.dataset import axis_coords
from pymmcore_ome.layout import ImageAxes, ImageLayout

from .array_view import ArrayView
from .live_pixels import LivePixels

IMAGES: Final = "p"
_FIRST: Final = ("t", "c", "z")


class JoinedView(ArrayView):
    """All images along a leading axis ``p``, in order of first visit.

    The other axes are those of any image. Images of different dtypes are read as the least
    dtype that holds them all.

    Parameters
    ----------
    dims : sequence of str
        Axes beside `p`, ending in y and x.
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
        """Show the images of a stream from now on; `coords_changed` tells if they differ."""
        self._live = live
        live.watch(self)

    @property
    def names(self) -> list[str]:
        """The images' unique names."""
        return [image.name for image in self._images]

    @property
    def dims(self) -> tuple[str, ...]:
        return (IMAGES, *self._dims)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

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
            for image in self._images:
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
        block = np.zeros(selected_shape(picks, rows, columns), self._dtype)
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
        return is_inside and live.frames.is_taken(number, place)

    def _newest(self) -> tuple[int, tuple[int, ...] | None]:
        if self._live is None:
            return 0, None
        count, number, index = self._live.frames.newest_of_all()
        if number is None:
            return 0, None
        values = dict(zip(self._live.images[number].axis_names, index, strict=False))
        return count, (number, *(values.get(name, 0) for name in self._dims[:-2]))

    @property
    def _images(self) -> list[ImageLayout]:
        return [] if self._live is None else list(self._live.images)


def joined(live: LivePixels, to_come: Sequence[ImageAxes]) -> JoinedView:
    """Return the view of all images of a stream.

    Parameters
    ----------
    live : LivePixels
    to_come : sequence of ImageAxes
        The axes of images that may still be added.
    """
    names = [*(image.axis_names for image in live.images)]
    names += [tuple(axis.name for axis in axes.axes) for axes in to_come]
    dtypes = [*(image.dtype for image in live.images), *(axes.kind.dtype for axes in to_come)]
    frames = [axes.kind.shape[:2] for axes in to_come] or [(0, 0)]
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
