"""`FramesInFlight`: which places have a frame, and the frames that cannot be read from disk yet.

It holds references to arrays that the buffer or the chunk assembly holds anyway, and copies
none. It reads no disk.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import Picks
from pymmcore_ome.layout import ImageLayout, PlaneSet

from .block import Block, frame_pixels
from .buffer import Parcel

Plane = tuple[int, ...]  # an index in storage order, without y and x, counted in frames


class Snapshot(NamedTuple):
    """What was known of some planes of an image, all at one moment.

    Attributes
    ----------
    acquired : array of bool
        For each plane of the mesh: whether its frame was taken.
    frames : dict
        The pixels of planes of the mesh that are in memory, as blocks of the image.
    """

    acquired: NDArray[np.bool_]
    frames: dict[Plane, NDArray[Any]]


class _Image:
    """What is known of one image."""

    __slots__ = ("extent", "frames", "is_plain", "newest", "planes", "taken", "unit")

    def __init__(self, layout: ImageLayout) -> None:
        self.unit = layout.block_shape[:-2]
        self.is_plain = all(step == 1 for step in self.unit)  # which saves much, once a frame
        sizes = [
            None if axis.size is None else axis.size // unit
            for axis, unit in zip(layout.axes, self.unit, strict=False)
        ]
        self.planes = PlaneSet(sizes)
        self.frames: dict[Plane, NDArray[Any]] = {}
        self.extent = [0] * len(self.unit)
        self.taken = 0
        self.newest: tuple[int, ...] | None = None

    def plane(self, index: Sequence[int]) -> Plane:
        if self.is_plain:
            return tuple(index)
        return tuple(i // unit for i, unit in zip(index, self.unit, strict=True))

    def index(self, plane: Plane) -> tuple[int, ...]:
        if self.is_plain:
            return plane
        return tuple(n * unit for n, unit in zip(plane, self.unit, strict=True))


class FramesInFlight:
    """Frames from the moment that the buffer takes them until their pixels are down.

    Any thread may ask; none waits for a disk.

    Parameters
    ----------
    images : sequence of ImageLayout
        Of the layout; it may grow.
    keeps : bool
        Frames that are down cannot be read from disk at once: the newest ones are kept in
        what the buffer's budget leaves free, and always the last one.
    """

    def __init__(self, images: Sequence[ImageLayout], keeps: bool = False) -> None:
        self.on_news: Callable[[], None] | None = None  # who watches; it must return at once
        self.version = 0  # rises when an image grows or is added
        self._layouts = images
        self._keeps = keeps
        self._lock = threading.Lock()
        self._newest: tuple[int, int | None, tuple[int, ...]] = (0, None, ())
        self._images: dict[int, _Image] = {}
        self._kept: OrderedDict[tuple[int, Plane], int] = OrderedDict()  # oldest first: bytes
        self._kept_bytes = 0

    def take(self, parcel: Parcel, room_bytes: int) -> None:
        """A frame was taken; from now on it has its place.

        Parameters
        ----------
        parcel : Parcel
        room_bytes : int
            What the budget leaves free, this frame counted.
        """
        number, index = parcel.address.image_number, parcel.address.index
        layout = self._layouts[number]
        pixels = frame_pixels(parcel.frame, layout)
        with self._lock:
            image = self._image(number)
            plane = image.plane(index)
            image.frames[plane] = pixels
            image.planes.add(plane)
            image.taken += 1
            image.newest = index
            self._newest = (self._newest[0] + 1, number, index)
            for axis in layout.unbounded_axes:
                end = index[axis] + image.unit[axis]
                if end > image.extent[axis]:
                    image.extent[axis] = end
                    self.version += 1
            self._let_go(room_bytes)
        if self.on_news is not None:
            self.on_news()

    def move(self, number: int, index: Sequence[int], pixels: NDArray[Any]) -> None:
        """The pixels of a frame in flight are somewhere else now, where they stay."""
        with self._lock:
            image = self._image(number)
            plane = image.plane(index)
            if plane in image.frames:
                image.frames[plane] = pixels

    def settle(self, blocks: Iterable[Block], room_bytes: int) -> None:
        """The frames of these blocks are down."""
        keeps = self._keeps and self.on_news is not None
        with self._lock:
            for block in blocks:
                image = self._image(block.image)
                for record in block.records:
                    plane = image.plane(record.index)
                    if not keeps:
                        image.frames.pop(plane, None)
                    elif plane in image.frames:
                        nbytes = image.frames[plane].nbytes
                        self._kept[block.image, plane] = nbytes
                        self._kept_bytes += nbytes
            self._let_go(room_bytes)

    def end(self, proven: Container[tuple[int, tuple[int, ...]]] | None = None) -> None:
        """No frame is written any more: those that are not down are lost.

        Parameters
        ----------
        proven : container of (image number, index), optional
            The frames that are down, where it is not enough that their write ended.
        """
        with self._lock:
            for number, image in self._images.items():
                kept = {plane for where, plane in self._kept if where == number}
                lost = set(image.frames) - kept
                if proven is not None:
                    lost = {
                        plane
                        for plane in image.planes
                        if (number, image.index(plane)) not in proven
                    }
                for plane in lost:
                    image.planes.remove(plane)
                image.frames.clear()
                if lost:
                    reach = [max(axis, default=-1) + 1 for axis in zip(*image.planes, strict=True)]
                    ends = zip(reach or [0] * len(image.unit), image.unit, strict=True)
                    image.extent = [planes * unit for planes, unit in ends]
                    self.version += 1
            self._kept.clear()
            self._kept_bytes = 0

    def snapshot(self, number: int, planes: Picks) -> Snapshot:
        """Return what is known of a mesh of planes."""
        with self._lock:
            image = self._images.get(number)
            if image is None:
                return Snapshot(np.zeros([len(pick) for pick in planes], bool), {})
            acquired = image.planes.mask(planes)
            if not image.frames:
                return Snapshot(acquired, {})
            if prod(len(pick) for pick in planes) < len(image.frames):
                wanted = product(*(pick.tolist() for pick in planes))
                frames = {plane: image.frames[plane] for plane in wanted if plane in image.frames}
                return Snapshot(acquired, frames)
            frames = image.frames.copy()
        sought = [set(pick.tolist()) for pick in planes]
        return Snapshot(
            acquired,
            {
                plane: pixels
                for plane, pixels in frames.items()
                if all(n in pick for n, pick in zip(plane, sought, strict=True))
            },
        )

    def is_taken(self, number: int, index: Sequence[int]) -> bool:
        """Whether a frame was taken for this place."""
        with self._lock:
            image = self._images.get(number)
            return image is not None and image.plane(index) in image.planes

    def shape(self, number: int) -> tuple[int, ...]:
        """Shape of an image, to the last frame that was taken where it grows."""
        layout = self._layouts[number]
        image = self._images.get(number)
        if image is None or not layout.unbounded_axes:
            return layout.shape
        return tuple(
            extent if axis.size is None else axis.size
            for axis, extent in zip(layout.axes, (*image.extent, 0, 0), strict=True)
        )

    def newest(self, number: int) -> tuple[int, tuple[int, ...] | None]:
        """Return how many frames an image has, and the index of the one that came last."""
        with self._lock:
            image = self._images.get(number)
            return (0, None) if image is None else (image.taken, image.newest)

    def newest_of_all(self) -> tuple[int, int | None, tuple[int, ...]]:
        """Return how many frames came, and the image and index of the one that came last."""
        with self._lock:
            return self._newest

    def _image(self, number: int) -> _Image:
        image = self._images.get(number)
        if image is None:
            image = self._images[number] = _Image(self._layouts[number])
            self.version += 1
        return image

    def _let_go(self, room_bytes: int) -> None:
        """Forget kept frames until what is left fits, oldest first; never the last one."""
        while self._kept_bytes > room_bytes and len(self._kept) > 1:
            (number, plane), nbytes = self._kept.popitem(last=False)
            self._kept_bytes -= nbytes
            self._images[number].frames.pop(plane, None)
