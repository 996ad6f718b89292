"""`Placer`: gives every frame a place of its own, and remembers which are taken.

It refuses a place that is taken, a place outside the plan, and one frame too many; what it
refuses leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pymmcore_ome.errors import OutsidePlanError, PlanFullError, RepeatedFrameError

from .address import FrameAddress
from .arrival import InOrder
from .growing import GrowingRouter, Growth
from .layout import Layout
from .occupancy import SKIPPED, Occupancy
from .router import FrameRouter


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


class Placer:
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
            kind = growth.kind
            return Found(index, address, kind.shape, np.dtype(kind.dtype), False, growth)
        assert address is not None
        image = self._layout.images[address.image_number]
        return Found(index, address, image.frame_shape, image.frame_dtype, at is None, None)

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
