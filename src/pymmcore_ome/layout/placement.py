"""`Placement`: gives every frame a place of its own. `TakenPlanes`: which planes have a frame.

It refuses a place that is taken, a place outside the plan, and one frame too many; what it
refuses leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pymmcore_ome.errors import (
    OutOfOrderError,
    OutsidePlanError,
    PlanFullError,
    RepeatedFrameError,
)

from .array_spec import ArraySpec, FrameAddress, index_name
from .layout import Layout
from .router import FoundPlace, FrameRouter, GrowingRouter
from .sequential import arrival_order

SKIPPED: Final = 0xFFFF_FFFE  # the frame number of a plane whose frame will not be acquired


class Placement:
    """Places frames one after the other. One thread at a time.

    Parameters
    ----------
    layout : Layout
    in_order : bool
        Also refuse a place before the last one that was taken in its image.
    reorders : bool
        Before is meant in the order of the loops (`arrival_order`), instead of that of storage.

    Attributes
    ----------
    placed, skipped : int
        Frames that have a place; places of the plan that were skipped.
    """

    def __init__(self, layout: Layout, in_order: bool = False, reorders: bool = False) -> None:
        self.placed = self.skipped = 0
        self._layout = layout
        self._in_order = in_order
        self._reorders = reorders
        self._planned = layout.frame_count
        self._router = GrowingRouter(layout) if layout.schema.grows else FrameRouter(layout)
        self._taken: dict[int, TakenPlanes] = {}
        self._upcoming: Iterator[tuple[dict[str, int], FrameAddress]] | None = None
        self._next: FoundPlace | None = None
        self._passed = 0  # places of the plan that were taken or skipped in order
        self._resumed = False
        self._stored = 0  # frames that were there before
        self.first_number = 0  # added to the frame numbers of a store that is resumed

    def resume(self, stored: Sequence[tuple[int, tuple[int, ...]]], first_number: int) -> None:
        """Take the places of frames that are in the store already.

        Parameters
        ----------
        stored : sequence of (image number, index)
        first_number : int
            The number of the next frame, in order of arrival.
        """
        for number, (image, index) in enumerate(stored):
            spec = self._layout.images[image].spec
            taken = self._taken.get(image)
            if taken is None:
                taken = self._taken[image] = TakenPlanes(spec)
            taken.take(spec.plane_index(index), number)
        self.placed += len(stored)
        self._stored = len(stored)
        self.first_number = max(0, first_number - self.placed)
        self._resumed = True

    def holds(self, at: Mapping[str, int], repeat: int = 0) -> bool:
        """Whether the place of an index has a frame; of an index that repeats, the given one."""
        if not self._router.has_repeats:
            address = self._router.find({str(key): value for key, value in at.items()}).address
            return address is not None and self._frame_number(address) is not None
        places = self._router.places(at)
        return bool(places) and self._frame_number(places[min(repeat, len(places) - 1)]) is not None

    def held_before(self, at: Mapping[str, int]) -> bool:
        """Whether the place of an index has had its frame since before the store was resumed."""
        if not self._stored:
            return False
        address = self._router.find({str(key): value for key, value in at.items()}).address
        number = None if address is None else self._frame_number(address)
        return number is not None and number < self._stored

    @property
    def growing(self) -> GrowingRouter | None:
        """The router that makes images, for a store that grows."""
        return self._router if isinstance(self._router, GrowingRouter) else None

    def find(self, at: Mapping[str, int] | None) -> FoundPlace:
        """Return where the next frame goes. Nothing is taken yet.

        Parameters
        ----------
        at : mapping of str to int, or None
            The frame's acquisition index; None: the next place of the plan.

        Raises
        ------
        PlacementError
        """
        if at is None:
            found = self._next_place()
        elif type(at) is dict or isinstance(at, Mapping):
            found = self._router.find({str(key): value for key, value in at.items()})
            if found.spec.repeats > 1:
                found = self._first_free(found)
        else:
            raise OutsidePlanError(f"at= must be a mapping such as event.index, got {at!r:.80}.")
        address = found.address
        taken = None if address is None else self._taken.get(address.image_number)
        if taken is not None and address is not None:
            plane = found.spec.plane_index(address.index)
            is_late = self._in_order and self._is_late(found.spec, plane, taken.last)
            if is_late or taken.frame_number(plane) is not None:
                raise self._refusal(found, address, taken)
        return found

    def _is_late(self, spec: ArraySpec, plane: tuple[int, ...], last: tuple[int, ...]) -> bool:
        if not self._reorders or not last:
            return plane <= last
        order = arrival_order(self._layout, spec)
        return [plane[axis] for axis in order] <= [last[axis] for axis in order]

    def take(self, found: FoundPlace, about: Mapping[str, Any]) -> FrameAddress:
        """Take the place that was found last, and return its address.

        Parameters
        ----------
        found : FoundPlace
        about : mapping
            The frame's metadata, which describes an image that is made for it.
        """
        address = self._router.take(found, about)
        if found is self._next:
            self._next = None
            self._passed += 1
        taken = self._taken.get(address.image_number)
        if taken is None:
            taken = self._taken[address.image_number] = TakenPlanes(found.spec)
        taken.take(found.spec.plane_index(address.index), self.placed)
        self.placed += 1
        return address

    def give_back(self, address: FrameAddress) -> None:
        """Free the place of a frame that was not accepted, so that it may be appended again.

        By its index; the next place of the plan is the one after it.
        """
        taken = self._taken[address.image_number]
        taken.release(taken.spec.plane_index(address.index))

    def skip(self, frames: int) -> list[FrameAddress]:
        """Leave the next places of the plan empty; return them.

        Raises
        ------
        PlanFullError
            When the plan has fewer left.
        """
        if type(frames) is not int:
            raise OutsidePlanError(f"skip needs a whole number of frames, got {frames!r:.80}.")
        if frames < 0 or (self._planned is not None and self._passed + frames > self._planned):
            left = "any number" if self._planned is None else self._planned - self._passed
            raise PlanFullError(f"Cannot skip {frames} frames: {left} are left in the plan.")
        skipped = []
        if self._layout.order is not None:
            for _ in range(frames):
                address = self._next_place().address
                assert address is not None
                skipped.append(address)
                self._next = None
        self._passed += frames
        self.skipped += frames
        return skipped

    def skip_at(self, at: Mapping[str, int]) -> list[FrameAddress]:
        """Note that the frame of an index will not be acquired; return its place, if any.

        Where the plan repeats the index, its next place is left empty, so that the later frames
        keep theirs. A frame without a place is only counted.
        """
        try:
            addresses = self._router.places(at)
        except OutsidePlanError:
            addresses = []
        for address in addresses:
            if self._frame_number(address) is None:
                self.skipped += 1
                if len(addresses) > 1:
                    self._skip(address)
                return [address]
        self.skipped += not addresses
        return []  # it has no place, or its frame was acquired

    def _next_place(self) -> FoundPlace:
        """Return the next place of the plan, without moving on."""
        if self._upcoming is None:
            self._upcoming = self._router.frames()
        if self._next is None:
            upcoming = next(self._upcoming, None)
            while upcoming is not None and self._resumed and self._is_taken(upcoming[1]):
                self._passed += 1
                upcoming = next(self._upcoming, None)
            if upcoming is not None:
                index, address = upcoming
                spec = self._layout.images[address.image_number].spec
                self._next = FoundPlace(index, address, spec)
        if self._next is None or (self._planned is not None and self.placed >= self._planned):
            raise PlanFullError(
                f"Frame {self.placed}: the plan has {self._planned} frames, and all of them are "
                "placed. Check the sizes of the schema's dimensions."
            )
        return self._next

    def _is_taken(self, address: FrameAddress) -> bool:
        return self._frame_number(address) not in (None, SKIPPED)

    def _first_free(self, found: FoundPlace) -> FoundPlace:
        """Return the first free place of a repeated index; its first where all are taken."""
        for address in self._router.places(found.at):
            if self._frame_number(address) is None:
                return found._replace(address=address)
        return found

    def _frame_number(self, address: FrameAddress) -> int | None:
        taken = self._taken.get(address.image_number)
        if taken is None:
            return None
        return taken.frame_number(taken.spec.plane_index(address.index))

    def _skip(self, address: FrameAddress) -> None:
        taken = self._taken.get(address.image_number)
        if taken is None:
            spec = self._layout.images[address.image_number].spec
            taken = self._taken[address.image_number] = TakenPlanes(spec)
        taken.skip(taken.spec.plane_index(address.index))

    def _refusal(
        self, found: FoundPlace, address: FrameAddress, taken: TakenPlanes
    ) -> RepeatedFrameError | OutOfOrderError:
        """Return why a frame cannot have the place that was found."""
        shown = ", ".join(f"{key}: {value}" for key, value in found.at.items())
        what = f"Frame {self.placed} at {{{shown}}}: {self._layout.name_of(address)}"
        holder = self._frame_number(address)
        if holder is not None:
            held = "was skipped" if holder == SKIPPED else f"already holds frame {holder}"
            return RepeatedFrameError(
                f"{what} {held}. The new frame was rejected; use a unique index."
            )
        last = index_name(self._layout.images[address.image_number], taken.last_index)
        return OutOfOrderError(
            f"{what} does not follow {last}, which is already written, and this backend writes "
            "the frames of an image in storage order only. The new frame was rejected; acquire in "
            "storage order, or use the backend tensorstore."
        )


_FREE: Final = 0
_MAX_PLANES: Final = 100_000_000  # beyond, and for far jumps on an axis that grows, a dict
_MAX_JUMP: Final = 1_000_000


class TakenPlanes:
    """Which planes of an image have a frame, and which frame. One thread at a time.

    Parameters
    ----------
    spec : ArraySpec
    dtype : data type
        Of a frame number plus 1. A single byte is enough where all frames have the number 0.

    Attributes
    ----------
    last : tuple of int
        The latest plane; empty before the first.
    """

    def __init__(self, spec: ArraySpec, dtype: DTypeLike = np.uint32) -> None:
        self.spec = spec
        self.last: tuple[int, ...] = ()
        self._grows = [axis.size is None for axis in spec.axes[:-2]]
        near = [size or 1 for size in spec.plane_shape()]
        self._can_grow = prod(near) <= _MAX_PLANES
        self._near = np.zeros(near if self._can_grow else [0] * len(near), dtype)
        self._entries = self._near.data  # one plane at a time, twice as fast as numpy
        self._far: dict[tuple[int, ...], int] = {}

    @property
    def last_index(self) -> tuple[int, ...]:
        """The index of the latest plane."""
        return self.spec.plane_start(self.last)

    def frame_number(self, plane: tuple[int, ...]) -> int | None:
        """Return which frame a plane has, `SKIPPED` for a hole; None when it is free."""
        try:
            entry: int = self._entries[plane]
        except IndexError:
            entry = _FREE
        if entry == _FREE and self._far:
            entry = self._far.get(plane, _FREE)
        return None if entry == _FREE else entry - 1

    def take(self, plane: tuple[int, ...], frame_number: int = 0) -> None:
        """Give a plane to a frame."""
        self.last = plane
        self._enter(plane, frame_number + 1)

    def skip(self, plane: tuple[int, ...]) -> None:
        """Note that the frame of a plane will not be acquired."""
        self._enter(plane, SKIPPED + 1)

    def release(self, plane: tuple[int, ...]) -> None:
        """Note that a plane has no frame any more."""
        self._far.pop(plane, None)
        if self._reaches(plane):
            self._near[plane] = _FREE

    def __contains__(self, plane: tuple[int, ...]) -> bool:
        return self.frame_number(plane) is not None

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        for plane in np.argwhere(self._near).tolist():
            yield tuple(plane)
        yield from list(self._far)

    def mask(self, picks: Sequence[NDArray[np.intp]]) -> NDArray[np.bool_]:
        """Return which planes of an open mesh are taken; the picks of an axis rise."""
        taken = np.zeros([len(pick) for pick in picks], bool)
        inside = [
            int(np.searchsorted(pick, size))
            for pick, size in zip(picks, self._near.shape, strict=True)
        ]
        if all(inside) or not picks:
            mesh = np.ix_(*(pick[:n] for pick, n in zip(picks, inside, strict=True)))
            taken[tuple(slice(n) for n in inside)] = self._near[mesh] != _FREE
        for plane in self._far:
            offsets = [int(np.searchsorted(p, n)) for p, n in zip(picks, plane, strict=True)]
            if all(
                offset < len(pick) and pick[offset] == n
                for offset, pick, n in zip(offsets, picks, plane, strict=True)
            ):
                taken[tuple(offsets)] = True
        return taken

    def _enter(self, plane: tuple[int, ...], entry: int) -> None:
        try:
            self._entries[plane] = entry
        except IndexError:
            if self._grow_to(plane):
                self._entries[plane] = entry
            else:
                self._far[plane] = entry

    def _reaches(self, plane: tuple[int, ...]) -> bool:
        return all(n < size for n, size in zip(plane, self._near.shape, strict=True))

    def _grow_to(self, plane: tuple[int, ...]) -> bool:
        """Reach to a plane, unless that takes much more memory than there are frames."""
        if not self._can_grow:
            return False
        larger = [
            size if n < size else max(n + 1, 2 * size)
            for n, size in zip(plane, self._near.shape, strict=True)
        ]
        most = min(_MAX_PLANES, max(_MAX_JUMP, 4 * self._near.size))
        if prod(larger) > most or not all(
            grows or size == old
            for grows, size, old in zip(self._grows, larger, self._near.shape, strict=True)
        ):
            return False
        grown = np.zeros(larger, self._near.dtype)
        grown[tuple(slice(size) for size in self._near.shape)] = self._near
        self._near, self._entries = grown, grown.data
        return True
