"""`Occupancy`: which places are taken, so that no frame ever overwrites another.

One 4-byte number a place, made when an image's first frame comes; a dict where several axes
grow. Nothing is stored on disk.
"""

from __future__ import annotations

from array import array
from math import prod

from .address import FrameAddress
from .layout import Layout

_FREE = 0
SKIPPED = 0xFFFF_FFFE  # holds a place whose frame will not come
_MAX_PLACES = 100_000_000  # beyond, and for far jumps on an axis that grows, a dict
_MAX_JUMP = 1_000_000


class Occupancy:
    """Remembers for every place which frame took it."""

    def __init__(self, layout: Layout) -> None:
        self._images = layout.images
        self._taken: dict[int, array[int]] = {}
        self._steps: dict[int, tuple[int, ...]] = {}
        self._scattered: dict[FrameAddress, int] = {}

    def holder(self, address: FrameAddress) -> int | None:
        """Return the number of the frame that has this place, or None when it is free."""
        places = self._taken.get(address.image_number)
        if places is None:
            return self._scattered.get(address)
        place = self._place(address)
        if place < len(places) and places[place] != _FREE:
            return places[place] - 1
        return self._scattered.get(address)

    def take(self, address: FrameAddress, frame_number: int) -> None:
        """Give the place to a frame."""
        places = self._taken.get(address.image_number)
        if places is None:
            image = self._images[address.image_number]
            count = prod(image.shape[:-2])
            if len(image.unbounded_axes) > 1 or count > _MAX_PLACES:
                self._scattered[address] = frame_number
                return
            places = array("I", bytes(4 * count))
            self._taken[address.image_number] = places
        place = self._place(address)
        if place > len(places) + _MAX_JUMP:
            self._scattered[address] = frame_number
            return
        if place >= len(places):
            larger = max(place + 1, 2 * len(places))
            places.extend(array("I", bytes(4 * (larger - len(places)))))
        places[place] = frame_number + 1

    def _place(self, address: FrameAddress) -> int:
        steps = self._steps.get(address.image_number)
        if steps is None:
            steps = self._steps[address.image_number] = self._make_steps(address.image_number)
        place = 0
        for value, step in zip(address.index, steps, strict=True):
            place += value * step
        return place

    def _make_steps(self, image_number: int) -> tuple[int, ...]:
        """Return the step of each axis, the unbounded one slowest so that it may grow."""
        image = self._images[image_number]
        order = sorted(range(len(image.axes) - 2), key=lambda n: (n not in image.unbounded_axes, n))
        steps = [0] * len(order)
        step = 1
        for axis in reversed(order):
            steps[axis] = step
            step *= image.axes[axis].size or 1
        return tuple(steps)
