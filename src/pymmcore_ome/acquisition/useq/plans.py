"""useq's plans, one axis at a time, as dimensions of ours.

Each plan is listed by itself, never their product. What useq itself cannot list is refused
here, with the plan's name and how to write it instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, TypeVar

import useq

from pymmcore_ome.errors import SequenceError
from pymmcore_ome.schema import (
    Camera,
    Channel,
    Dimension,
    EventOrder,
    ImageSchema,
    Plate,
    Position,
    safe_name,
)

#: What useq raises while it iterates a sequence that it accepted.
USEQ_FAILURES: Final = (LookupError, ArithmeticError, ValueError, TypeError)
_TOLERANCE: Final = 1e-6
T = TypeVar("T")


def time_dimension(plan: Any) -> Dimension | None:
    """Return the time dimension in seconds, or None when the plan has no time point."""
    if not isinstance(plan, useq.MultiPhaseTimePlan):
        interval, loops = listed("time_plan", lambda: (plan.interval, plan.loops))
        if loops < 1:
            return None
        return Dimension(
            name="t", size=loops, scale=interval.total_seconds() or None, unit="second"
        )
    return even_dimension(
        "t", listed("time_plan", lambda: [float(t) for t in plan]), "second", None
    )


def z_dimension(plan: Any, channels: Sequence[useq.Channel] = ()) -> Dimension | None:
    """Return the z dimension in micrometers, or None when the plan has no plane.

    Its origin is the first plane, relative to the position for a relative plan, plus the
    offset of the first channel. Each channel also keeps its own offset.
    """
    offset = (channels[0].z_offset or 0.0) if channels else 0.0
    planes = listed("z_plan", lambda: [float(z) + offset for z in plan])
    return even_dimension("z", planes, "micrometer", getattr(plan, "step", None))


def channel_dimension(channels: Sequence[useq.Channel]) -> Dimension:
    """Return the channel dimension."""
    return Dimension(
        name="c",
        coords=[
            Channel(
                name=channel.config or f"Channel {number}",
                group=channel.group if channel.group != "Channel" else None,
                exposure_ms=channel.exposure,
                z_offset_um=channel.z_offset or 0.0,
            )
            for number, channel in enumerate(channels)
        ],
    )


def position_of(position: Any, *, keep_xy: bool = True, keep_z: bool = True) -> Position:
    """Return a useq position as ours; the user's own name goes to the label if it is unsafe."""
    name = safe_name(position.name) if position.name else None
    row, column = position.plate_row, position.plate_col
    return Position(
        name=name,
        label=position.name if position.name != name else None,
        x_um=position.x if keep_xy else None,
        y_um=position.y if keep_xy else None,
        z_um=position.z if keep_z else None,
        plate_row=None if row is None or column is None else row_name(row),
        plate_column=None if row is None or column is None else str(column + 1),
        grid_row=None if position.grid_col is None else position.grid_row,
        grid_column=None if position.grid_row is None else position.grid_col,
    )


def plate_of(positions: Any) -> Plate | None:
    """Return the plate that every position is a field of, or None.

    A well-plate plan has its own; plain positions form one when each names its well.
    """
    if isinstance(positions, useq.WellPlatePlan):
        plate = positions.plate
        rows, columns = plate.rows, plate.columns
        name = plate.name or None
    else:
        wells = [(p.plate_row, p.plate_col) for p in positions]
        if not wells or any(row is None or column is None for row, column in wells):
            return None
        rows = max(row for row, _ in wells) + 1
        columns = max(column for _, column in wells) + 1
        name = "Plate"  # readers show one
    return Plate(
        name,
        rows=[row_name(n) for n in range(rows)],
        columns=[str(n + 1) for n in range(columns)],
    )


def row_name(number: int) -> str:
    """Return a plate row's letters: 0 is A, 25 is Z, 26 is AA."""
    letters = ""
    number += 1
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def listed(plan: str, read: Callable[[], T]) -> T:
    """Read a plan, turning useq's own failures into ours.

    Raises
    ------
    SequenceError
    """
    try:
        return read()
    except ZeroDivisionError as error:
        raise SequenceError(
            f"{plan} divides by zero in useq: an interval of 0 with a duration, or a duration "
            "with one loop. Give an interval and a number of loops instead."
        ) from error
    except USEQ_FAILURES as error:
        raise SequenceError(f"{plan} cannot be listed by useq: {error!r}.") from error


def even_dimension(
    name: str, values: list[float], unit: str, step: float | None
) -> Dimension | None:
    """Return a dimension with a scale where steps are even, else with its coordinates.

    Planes that are all in one place have coordinates, too: a scale cannot be 0. Times that
    do (as fast as possible) have neither.
    """
    if not values:
        return None
    steps = [b - a for a, b in pairwise(values)]
    if steps:
        step = steps[0]
    uneven = any(abs(s - steps[0]) > _TOLERANCE * max(1.0, abs(steps[0])) for s in steps)
    if uneven or (steps and step == 0 and name == "z"):
        return Dimension(name=name, coords=values, origin=values[0] or None, unit=unit)
    return Dimension(
        name=name, size=len(values), scale=step or None, origin=values[0] or None, unit=unit
    )


@dataclass(frozen=True)
class Parts:
    """Either a loop nest (`dimensions`), or images of their own and their order."""

    dimensions: tuple[Dimension, ...] = ()
    plate: Plate | None = None
    images: tuple[ImageSchema, ...] | None = None
    order: EventOrder | None = None

    def with_channels(self, change: Callable[[Dimension], Dimension]) -> Parts:
        """Return the parts with other channel dimensions."""

        def changed(dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
            return tuple(change(d) if d.kind == "channel" else d for d in dimensions)

        images = self.images
        if images is not None:
            images = tuple(image.replace(dimensions=changed(image.dimensions)) for image in images)
        return replace(self, dimensions=changed(self.dimensions), images=images)

    def with_cameras(self, cameras: Sequence[Camera]) -> Parts:
        """Return the parts with one frame a camera for every event, cameras innermost.

        Cameras of one kind fold into the channels; others have images of their own.
        """
        dimension = camera_dimension(cameras)
        if self.images is None or self.order is None:
            return replace(self, dimensions=(*self.dimensions, dimension))
        if dimension.makes_images:
            images = [
                of_camera(image, number, camera)
                for image in self.images
                for number, camera in enumerate(cameras)
            ]
        else:
            images = [
                image.replace(dimensions=(*image.dimensions, dimension)) for image in self.images
            ]
        return replace(
            self,
            images=tuple(images),
            order=EventOrder(
                axes=(*self.order.axes, "cam"),
                rows=tuple((*row, n) for row in self.order.rows for n in range(len(cameras))),
            ),
        )


def camera_dimension(cameras: Sequence[Camera]) -> Dimension:
    """Return the dimension of several cameras; by their names where they are of one kind."""
    of_one_kind = len({camera.kind for camera in cameras}) == 1
    return Dimension(name="cam", coords=[c.name if of_one_kind else c for c in cameras])


def of_camera(plan: ImageSchema, number: int, camera: Camera) -> ImageSchema:
    """Return the image that one of several cameras has of what a plan describes."""
    return plan.replace(at={**plan.at, "cam": number}, camera=camera)
