"""`FrameRouter`: the one place that knows both the acquisition's order and the storage's.

It answers where a frame goes, by its index or by its number of arrival. It keeps no state
about frames and refuses every index outside the plan: nothing wraps, nothing is clipped.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

from pymmcore_ome.errors import OutsidePlanError, PlanFullError, SchemaError
from pymmcore_ome.schema import StorageSchema

from .address import FrameAddress
from .image import ImageLayout
from .layout import Layout, layout_of


class FrameRouter:
    """Maps frames to their places in storage.

    Parameters
    ----------
    schema : StorageSchema or Layout
        What is stored.

    Examples
    --------
    >>> import pymmcore_ome as po
    >>> schema = po.StorageSchema(
    ...     dimensions=[
    ...         po.Dimension(name="t", size=2),
    ...         po.Dimension(name="p", coords=["left", "right"]),
    ...         po.Dimension(name="y", size=4),
    ...         po.Dimension(name="x", size=4),
    ...     ],
    ...     dtype="uint8",
    ... )
    >>> [tuple(address)[:2] for address in po.FrameRouter(schema)]
    [('0', (0,)), ('1', (0,)), ('0', (1,)), ('1', (1,))]
    """

    def __init__(self, schema: StorageSchema | Layout) -> None:
        if not isinstance(schema, (StorageSchema, Layout)):
            raise SchemaError(f"FrameRouter takes a StorageSchema, got {schema!r:.80}.")
        self.layout = schema if isinstance(schema, Layout) else layout_of(schema)
        layout = self.layout
        self._order = layout.order
        self._numbers = layout.numbers
        self._selectors = tuple(
            zip(
                layout.selectors,
                layout.selector_sizes,
                layout.strides or (0,) * len(layout.selectors),
                strict=True,
            )
        )
        self._images = layout.images
        self._repeats = tuple(_repeats(image) for image in layout.images)
        self._has_repeats = any(count > 1 for count in self._repeats)

    def __len__(self) -> int:
        """Number of planned frames; TypeError for an unbounded plan, as for any iterator."""
        count = self.layout.frame_count
        if count is None:
            raise TypeError("an unbounded plan has no length")
        return count

    def __iter__(self) -> Iterator[FrameAddress]:
        """Yield the address of every frame, in acquisition order; endless when unbounded."""
        return (address for _, address in self.frames())

    def frames(self) -> Iterator[tuple[dict[str, int], FrameAddress]]:
        """Yield the acquisition index and the address of every frame, in acquisition order.

        Raises
        ------
        PlanFullError
            When the schema says what exists, but not in which order it comes.
        """
        if self._order is None:
            raise PlanFullError("The schema has no order of frames; place them with at=.")
        if not self._has_repeats:
            yield from ((index, self.by_index(index)) for index in self._order)
            return
        seen: dict[FrameAddress, int] = {}
        for index in self._order:
            address = self.by_index(index)
            if self.repeats(address) > 1:
                repeat = seen[address] = seen.get(address, -1) + 1
                address = self.repeated(address, repeat)
            yield index, address

    def by_index(self, at: Mapping[str, int]) -> FrameAddress:
        """Return the place of an index such as `event.index`; missing axes are 0.

        For an index that comes several times, the place of the first.

        Raises
        ------
        OutsidePlanError
            When a value is negative, no whole number, or beyond its axis.
        """
        matched = image = 0
        values = []
        for name, size, stride in self._selectors:
            value = 0
            if name in at:
                matched += 1
                value = at[name]
                if type(value) is not int:
                    value = _whole(value)
                if not 0 <= value < size:
                    raise self._outside(at, name, size)
            image += value * stride
            values.append(value)
        if self._numbers is not None:
            try:
                image = self._numbers[tuple(values)]
            except KeyError:
                raise self._outside(at, None, None) from None
        target = self._images[image]
        index = [0] * (len(target.axes) - 2)
        for name, lane_size, axis, step in target.lanes:
            if name in at:
                matched += 1
                value = at[name]
                if type(value) is not int:
                    value = _whole(value)
                if value < 0 or (lane_size is not None and value >= lane_size):
                    raise self._outside(at, name, lane_size)
                index[axis] += value * step
        if matched != len(at):
            self._check_unknown(at, image)
        return FrameAddress(target.path, tuple(index), image)

    def by_arrival(self, number: int) -> FrameAddress:
        """Return the place of the frame that arrives as `number`, counted from 0.

        For an index that comes several times, the place of the first; iterate for all.

        Raises
        ------
        PlanFullError
            When the plan has fewer frames.
        """
        return self.by_index(self.index_of(number))

    def index_of(self, number: int) -> dict[str, int]:
        """Return the acquisition index of the frame that arrives as `number`."""
        count = self.layout.frame_count
        if self._order is None or number < 0 or (count is not None and number >= count):
            raise PlanFullError(
                f"Frame {number}: the plan has {count} frames in order, counted from 0. Check "
                "the sizes of the schema's dimensions, or place frames with at=."
            )
        return self._order.index_of(number)

    def repeats(self, address: FrameAddress) -> int:
        """How often the index of this place may come."""
        return self._repeats[address.image_number]

    def repeated(self, address: FrameAddress, repeat: int) -> FrameAddress:
        """Return the place of a repeat of the index, 0 being the first.

        Raises
        ------
        OutsidePlanError
            When the index comes less often.
        """
        if repeat == 0:
            return address
        if repeat >= self.repeats(address):
            raise OutsidePlanError(
                f"The frame at {self.layout.name_of(address)} comes {self.repeats(address)} times "
                "in the plan; this is one more."
            )
        image = self.layout.images[address.image_number]
        index = list(address.index)
        index[image.repeat_axis] += repeat * image.repeat_step
        return address._replace(index=tuple(index))

    def _check_unknown(self, at: Mapping[str, int], image: int) -> None:
        names = {name for name, *_ in (*self._selectors, *self._images[image].lanes)}
        for key, value in at.items():
            if str(key) not in names and _whole(value) != 0:
                raise self._outside(at, str(key), None)
            if str(key) in names and key not in names:
                raise OutsidePlanError(f"Axis names must be text, got {key!r} in {dict(at)}.")

    def _outside(
        self, at: Mapping[str, int], axis: str | None, size: int | None
    ) -> OutsidePlanError:
        shown = ", ".join(f"{key!s}: {value}" for key, value in at.items())
        if axis is None:
            why = "no image of the plan has this position"
        elif size is None and not isinstance(at.get(axis), int):
            why = f"{axis} is {at.get(axis)!r}, not a whole number"
        elif size is None:
            why = f"the plan has no axis {axis!r} here, or the value is negative"
        else:
            why = f"{axis} runs from 0 to {size - 1}"
        return OutsidePlanError(
            f"Frame at {{{shown}}}: {why}. The plan is {self._plan()}. Check event.index, or "
            "the schema's dimensions."
        )

    def _plan(self) -> str:
        if self._numbers is not None:
            return f"{len(self._images)} images of their own sizes"
        loops = [*((n, s) for n, s, _ in self._selectors), *((n, s) for n, s, *_ in self._lanes())]
        return "{" + ", ".join(f"{n}: {'unbounded' if s is None else s}" for n, s in loops) + "}"

    def _lanes(self) -> Any:
        return self._images[0].lanes


def _repeats(image: ImageLayout) -> int:
    """How often an index of this image may come."""
    if image.repeat_axis < 0:
        return 1
    size = image.axes[image.repeat_axis].size
    return 1 if size is None else size // image.repeat_step


def _whole(value: Any) -> int:
    """Return a whole number as int; anything else as -1, which no axis has."""
    try:
        return operator.index(value)
    except TypeError:
        return -1
