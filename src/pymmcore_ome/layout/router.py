"""`FrameRouter`: the one place that knows both the acquisition's order and the storage's.

It answers where a frame goes, by its index or by its number of arrival. It keeps no state
about frames and refuses every index outside the plan: nothing wraps, nothing is clipped.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from itertools import count

from pymmcore_ome.errors import OutsidePlanError, PlanFullError
from pymmcore_ome.schema import StorageSchema

from .address import FrameAddress
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
        self.layout = schema if isinstance(schema, Layout) else layout_of(schema)
        self._loops = self.layout.loops
        self._names = frozenset(loop.name for loop in self._loops)
        self._paths = tuple(image.path for image in self.layout.images)
        self._rank = len(self.layout.images[0].axes) - 2
        self._count = self.layout.frame_count

    def __len__(self) -> int:
        """Number of planned frames; TypeError for an unbounded plan, as for any iterator."""
        if self._count is None:
            raise TypeError("an unbounded plan has no length")
        return self._count

    def __iter__(self) -> Iterator[FrameAddress]:
        """Yield the address of every frame, in acquisition order; endless when unbounded."""
        numbers = count() if self._count is None else range(self._count)
        return (self.by_arrival(number) for number in numbers)

    def by_index(self, at: Mapping[str, int]) -> FrameAddress:
        """Return the place of an index such as `event.index`; missing axes are 0.

        Raises
        ------
        OutsidePlanError
            When a value is negative, no whole number, or beyond its axis.
        """
        image = matched = 0
        index = [0] * self._rank
        for name, size, image_step, axis, axis_step in self._loops:
            if name not in at:
                continue
            matched += 1
            try:
                value = operator.index(at[name])
            except TypeError:
                raise self._outside(at, f"{name} is {at[name]!r}, not a whole number") from None
            if value < 0 or (size is not None and value >= size):
                last = "" if size is None else f" to {size - 1}"
                raise self._outside(at, f"{name} runs from 0{last}")
            if axis < 0:
                image += value * image_step
            else:
                index[axis] += value * axis_step
        if matched != len(at):
            self._check_unknown(at)
        return FrameAddress(self._paths[image], tuple(index), image)

    def by_arrival(self, number: int) -> FrameAddress:
        """Return the place of the frame that arrives as `number`, counted from 0.

        Raises
        ------
        PlanFullError
            When the plan has fewer frames.
        """
        return self.by_index(self.index_of(number))

    def index_of(self, number: int) -> dict[str, int]:
        """Return the acquisition index of the frame that arrives as `number`."""
        if number < 0 or (self._count is not None and number >= self._count):
            raise PlanFullError(
                f"Frame {number}: the plan has {self._count} frames, counted from 0. Check "
                "the sizes of the schema's dimensions, or place frames with at=."
            )
        index: dict[str, int] = {}
        for name, size, *_ in reversed(self._loops):
            number, index[name] = (0, number) if size is None else divmod(number, size)
        return dict(reversed(index.items()))

    def _check_unknown(self, at: Mapping[str, int]) -> None:
        for key, value in at.items():
            if str(key) not in self._names and operator.index(value) != 0:
                raise self._outside(at, f"the plan has no axis {str(key)!r}")
        strange = [key for key in at if str(key) in self._names and key not in self._names]
        if strange:
            raise self._outside(at, f"axis names must be text, got {strange!r}")

    def _outside(self, at: Mapping[str, int], why: str) -> OutsidePlanError:
        shown = ", ".join(f"{key!s}: {value}" for key, value in at.items())
        plan = ", ".join(
            f"{loop.name}: {'unbounded' if loop.size is None else loop.size}"
            for loop in self._loops
        )
        return OutsidePlanError(
            f"Frame at {{{shown}}}: {why}. The plan is {{{plan}}}. Check event.index, or the "
            "schema's dimensions."
        )
