"""`Placement`: gives every frame a place of its own, and remembers which are taken.

It refuses a place that is taken, a place outside the plan, and one frame too many; what it
refuses leaves it as it was.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.errors import OutsidePlanError, PlanFullError, RepeatedFrameError

from .array_spec import FrameAddress
from .layout import Layout
from .router import FrameRouter, GrowingRouter, Growth
from .sequential import InOrder


class Found(NamedTuple):
    """The place of a frame that was not taken yet.

    Attributes
    ----------
    at : dict
        The frame's acquisition index.
    address : FrameAddress | None
        None: in an image that is made when the place is taken.
    shape, dtype
        Of a frame of that image, as its camera delivers it.
    is_next : bool
        It is the next place of the plan.
    growth : Growth | None
        In a store that grows.
    """

    at: dict[str, int]
    address: FrameAddress | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_next: bool
    growth: Growth | None


class Placement:
    """Places frames one after the other. One thread at a time.

    Parameters
    ----------
    layout : Layout
    in_order : bool
        Refuse also a place that lies before another of its image that is taken.

    Attributes
    ----------
    placed, skipped : int
        Frames that have a place; places of the plan that were skipped.
    """

    def __init__(self, layout: Layout, in_order: bool = False) -> None:
        self.placed = self.skipped = 0
        self._layout = layout
        self._growing = GrowingRouter(layout) if layout.schema.grows else None
        self._router = FrameRouter(layout)
        self._occupancy = Occupancy(layout)
        self._in_order = InOrder(layout) if in_order else None
        self._arrivals = self._router.frames()
        self._arrived = 0
        self._next: tuple[dict[str, int], FrameAddress] | None = None

    @property
    def growing(self) -> GrowingRouter | None:
        """The router that makes images, for a store that grows."""
        return self._growing

    def find(self, at: Mapping[str, int] | None) -> Found:
        """Return where the next frame goes, and what kind of frame is kept there. Take nothing.

        Parameters
        ----------
        at : mapping of str to int, or None
            The frame's acquisition index; None: the next place of the plan.

        Raises
        ------
        PlacementError
        """
        if at is not None and not isinstance(at, Mapping):
            raise OutsidePlanError(f"at= must be a mapping such as event.index, got {at!r:.80}.")
        growth = None
        address: FrameAddress | None
        if at is None:
            index, address = self._next_place()
            self._check_free(address, index)
        else:
            index = {str(key): value for key, value in at.items()}
            if self._growing is None:
                address = self._free_place(index)
            else:
                growth = self._growing.find(index)
                address = self._growing.address(growth)
                if address is not None:
                    self._check_free(address, index)
        if self._in_order is not None and address is not None:
            self._in_order.check(address, self._shown(index))
        if growth is not None:
            spec = growth.spec
        else:
            assert address is not None
            spec = self._layout.images[address.image_number].spec
        return Found(index, address, spec.frame_shape, spec.frame_dtype, at is None, growth)

    def take(self, found: Found, about: Mapping[str, Any]) -> FrameAddress:
        """Take the place that was found last, and return its address.

        Parameters
        ----------
        found : Found
        about : mapping
            The frame's metadata, which describes an image that is made for it.
        """
        address = found.address
        if found.growth is not None and self._growing is not None:
            address = self._growing.take(found.growth, about)
        assert address is not None
        if found.is_next:
            self._next = None
            self._arrived += 1
        self._occupancy.take(address, self.placed)
        if self._in_order is not None:
            self._in_order.take(address)
        self.placed += 1
        return address

    def skip(self, frames: int) -> list[FrameAddress]:
        """Leave the next places of the plan empty; return them.

        Raises
        ------
        PlanFullError
            When the plan has fewer left.
        """
        if type(frames) is not int:
            raise OutsidePlanError(f"skip takes a whole number of frames, got {frames!r:.80}.")
        planned = self._layout.frame_count
        if frames < 0 or (planned is not None and self._arrived + frames > planned):
            left = "any number" if planned is None else planned - self._arrived
            raise PlanFullError(f"Cannot skip {frames} frames: {left} are left in the plan.")
        places = []
        if self._layout.order is not None:
            for _ in range(frames):
                places.append(self._next_place()[1])
                self._next = None
        self._arrived += frames
        self.skipped += frames
        return places

    def skip_at(self, at: Mapping[str, int]) -> list[FrameAddress]:
        """Note that the frame of an index will not come; return its place, if it has one.

        Where the index comes several times, its next place is left empty, so that the later
        ones keep theirs. What has no place is only counted.
        """
        if self._growing is not None:
            self.skipped += 1
            return []
        try:
            address = self._router.by_index(at)
        except OutsidePlanError:
            self.skipped += 1
            return []
        for repeat in range(self._router.repeats(address)):
            place = self._router.repeated(address, repeat)
            if self._occupancy.holder(place) is None:
                self.skipped += 1
                if self._router.repeats(address) > 1:
                    self._occupancy.take(place, SKIPPED)
                return [place]
        return []  # its frame has come

    def _next_place(self) -> tuple[dict[str, int], FrameAddress]:
        """Return the next place of the plan, without moving on."""
        planned = self._layout.frame_count
        if self._next is None:
            self._next = next(self._arrivals, None)
        if self._next is None or (planned is not None and self.placed >= planned):
            raise PlanFullError(
                f"Frame {self.placed}: the plan has {planned} frames, and "
                "each has its place. Check the sizes of the schema's dimensions."
            )
        return self._next

    def _free_place(self, index: Mapping[str, int]) -> FrameAddress:
        """Return the first free place of an index; most come once, some several times."""
        address = self._router.by_index(index)
        repeats = self._router.repeats(address)
        for repeat in range(repeats if repeats > 1 else 0):
            place = self._router.repeated(address, repeat)
            if self._occupancy.holder(place) is None:
                return place
        self._check_free(address, index)
        return address

    def _check_free(self, address: FrameAddress, index: Mapping[str, int]) -> None:
        holder = self._occupancy.holder(address)
        if holder is not None:
            held = "was skipped" if holder == SKIPPED else f"already holds frame {holder}"
            place = self._layout.name_of(address)
            raise RepeatedFrameError(
                f"{self._shown(index)}: its place, {place}, {held}. It was not taken, so that "
                "neither is lost; give it an index of its own."
            )

    def _shown(self, index: Mapping[str, int]) -> str:
        """Return what messages call the frame that is being placed."""
        at = ", ".join(f"{key}: {value}" for key, value in index.items())
        return f"Frame {self.placed} at {{{at}}}"


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
            if len(image.spec.unbounded_axes) > 1 or count > _MAX_PLACES:
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
        order = sorted(
            range(len(image.axes) - 2), key=lambda n: (n not in image.spec.unbounded_axes, n)
        )
        steps = [0] * len(order)
        step = 1
        for axis in reversed(order):
            steps[axis] = step
            step *= image.axes[axis].size or 1
        return tuple(steps)


_MAX_PLANES = 1 << 26  # beyond, and for far jumps on an axis that grows, a set of tuples


class PlaneSet:
    """Planes by their index in storage order, without y and x.

    Parameters
    ----------
    sizes : sequence of int or None
        Planes along each axis; None: it grows.
    """

    def __init__(self, sizes: Sequence[int | None]) -> None:
        self._grows = [size is None for size in sizes]
        near = [1 if size is None else size for size in sizes]
        is_small = prod(near) <= _MAX_PLANES
        self._near = np.zeros(near if is_small else [0] * len(near), bool)
        self._can_grow = is_small
        self._far: set[tuple[int, ...]] = set()

    def add(self, plane: tuple[int, ...]) -> None:
        """Add a plane."""
        try:
            self._near[plane] = True
        except IndexError:
            if self._grow_to(plane):
                self._near[plane] = True
            else:
                self._far.add(plane)

    def remove(self, plane: tuple[int, ...]) -> None:
        """Take a plane out."""
        self._far.discard(plane)
        if self._reaches(plane):
            self._near[plane] = False

    def __contains__(self, plane: tuple[int, ...]) -> bool:
        return plane in self._far or (self._reaches(plane) and bool(self._near[plane]))

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        for found in np.argwhere(self._near).tolist():
            yield tuple(found)
        yield from list(self._far)

    def mask(self, picks: Sequence[NDArray[np.intp]]) -> NDArray[np.bool_]:
        """Return which planes of an open mesh are in the set; the picks of an axis rise."""
        found = np.zeros([len(pick) for pick in picks], bool)
        inside = [
            int(np.searchsorted(pick, size))
            for pick, size in zip(picks, self._near.shape, strict=True)
        ]
        if all(inside) or not picks:
            mesh = np.ix_(*(pick[:n] for pick, n in zip(picks, inside, strict=True)))
            found[tuple(slice(n) for n in inside)] = self._near[mesh]
        for plane in self._far:
            spots = [int(np.searchsorted(p, n)) for p, n in zip(picks, plane, strict=True)]
            if all(
                spot < len(pick) and pick[spot] == n
                for spot, pick, n in zip(spots, picks, plane, strict=True)
            ):
                found[tuple(spots)] = True
        return found

    def _reaches(self, plane: tuple[int, ...]) -> bool:
        return all(n < size for n, size in zip(plane, self._near.shape, strict=True))

    def _grow_to(self, plane: tuple[int, ...]) -> bool:
        if not self._can_grow:
            return False
        larger = [
            size if n < size else max(n + 1, 2 * size)
            for n, size in zip(plane, self._near.shape, strict=True)
        ]
        if prod(larger) > _MAX_PLANES or not all(
            grows or size == old
            for grows, size, old in zip(self._grows, larger, self._near.shape, strict=True)
        ):
            return False
        grown = np.zeros(larger, bool)
        grown[tuple(slice(size) for size in self._near.shape)] = self._near
        self._near = grown
        return True
