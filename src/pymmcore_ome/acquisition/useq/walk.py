"""A sequence of any shape, laid out by walking its events: what useq yields is the truth.

For sub-sequences of positions, repeated indices, random points without a seed, and sequences
without a frame. It takes about 70 µs an event, all of it useq's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import useq

from pymmcore_ome.errors import SequenceError
from pymmcore_ome.layout import image_name
from pymmcore_ome.schema import Channel, Dimension, EventOrder, ImageSchema, Position

from .plans import (
    USEQ_FAILURES,
    Parts,
    channel_dimension,
    even_dimension,
    listed,
    plate_of,
    position_of,
    time_dimension,
    z_dimension,
)


@dataclass
class _Image:
    """What the events show of one image: one distinct pair of position and tile."""

    at: dict[str, int]
    first: useq.MDAEvent
    sizes: dict[str, int] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: dict[tuple[int, ...], int] = field(default_factory=dict)
    planes: dict[int, float | None] = field(default_factory=dict)


def walked_parts(sequence: useq.MDASequence) -> Parts:
    """Return the images of a sequence, in order of first visit, and the order of its frames.

    Raises
    ------
    SequenceError
        When useq cannot iterate it, naming the plan at fault.
    """
    axes = tuple(str(axis) for axis in sequence.axis_order)
    axes += tuple(axis for axis in "tpgcz" if axis not in axes)
    images: dict[tuple[int, int], _Image] = {}
    rows = []
    for event in list(frames_of(sequence)):
        index = {str(axis): int(value) for axis, value in event.index.items()}
        image = images.setdefault(
            (index.get("p", 0), index.get("g", 0)),
            _Image({axis: value for axis, value in index.items() if axis in "pg"}, event),
        )
        _note(image, index, event)
        rows.append(tuple(index.get(axis, -1) for axis in axes))
    positions = listed("stage_positions", lambda: list(sequence.stage_positions))
    tiles = _Tiles()
    plans = [_plan(sequence, positions, axes, image, tiles) for image in images.values()]
    return Parts(
        images=tuple(plans) or (ImageSchema(),),
        order=EventOrder(axes=axes, rows=tuple(rows)),
        plate=_plate(sequence, plans),
    )


def frames_of(sequence: useq.MDASequence) -> Iterator[useq.MDAEvent]:
    """Yield the events that acquire a frame; turn useq's own failures into ours."""
    try:
        with autofocus_kept(sequence):
            for event in sequence:
                if isinstance(event.action, useq.AcquireImage):
                    yield event
    except USEQ_FAILURES as error:
        raise SequenceError(_fault(sequence, error)) from error


def _note(image: _Image, index: dict[str, int], event: useq.MDAEvent) -> None:
    place = []
    for axis, value in index.items():
        if axis not in "pg":
            image.sizes[axis] = max(image.sizes.get(axis, 0), value + 1)
            place.append(value)
    if "z" in index:
        image.planes.setdefault(index["z"], event.z_pos)
    key = tuple(place)
    image.counts[key] = image.counts.get(key, 0) + 1
    if event.channel is not None and "c" in index and index["c"] not in image.channels:
        group = event.channel.group
        image.channels[index["c"]] = Channel(
            name=event.channel.config or f"Channel {index['c']}",
            group=group if group != "Channel" else None,
        )


def _plan(
    sequence: useq.MDASequence,
    positions: Sequence[Any],
    axes: Sequence[str],
    image: _Image,
    tiles: _Tiles,
) -> ImageSchema:
    planned = positions[image.at["p"]] if "p" in image.at else None
    sub = planned.sequence if planned is not None else None
    dimensions = {
        axis: _dimension(axis, image, sequence, sub) for axis in axes if axis in image.sizes
    }
    position = _position(sequence, planned, image, _tile(sequence, sub, image, tiles))
    if sub is not None and "z" in dimensions:
        dimensions["z"] = _seen_planes(image, position.z_um or 0.0) or dimensions["z"]
    return ImageSchema(
        at=image.at,
        position=position,
        dimensions=tuple(dimensions.values()),
        repeats=max(image.counts.values()),
    )


def _dimension(
    axis: str, image: _Image, sequence: useq.MDASequence, sub: useq.MDASequence | None
) -> Dimension:
    """Return an axis of an image: the plan's where the events fill it, else what they filled.

    A position without a sub-sequence has the plan's full size, also where the last places
    are never visited; one with a sub-sequence has what its events need.
    """
    size = image.sizes[axis]
    for source in (sub, sequence):
        planned = None if source is None else _planned(axis, source)
        if planned is None or (planned.size or 0) < size:
            continue
        if sub is not None:
            coords = None if planned.coords is None else planned.coords[:size]
            planned = planned.replace(size=size, coords=coords)
        return planned if axis != "c" else _channels(planned, image)
    if axis == "c":
        return _channels(Dimension(name="c", size=size), image)
    return Dimension(name=axis, size=size)


def _seen_planes(image: _Image, base: float) -> Dimension | None:
    """Return the z axis as the events have it: a position's own plans meet the parent's."""
    planes = [image.planes.get(n) for n in range(image.sizes["z"])]
    heights = [plane - base for plane in planes if plane is not None]
    return even_dimension("z", heights, "micrometer", None) if len(heights) == len(planes) else None


def _planned(axis: str, source: useq.MDASequence) -> Dimension | None:
    if axis not in source.axis_order:
        return None  # useq never looks at a plan that axis_order leaves out
    match axis:
        case "t" if source.time_plan:
            return time_dimension(source.time_plan)
        case "z" if source.z_plan:
            return z_dimension(source.z_plan, source.channels if "c" in source.axis_order else ())
        case "c" if source.channels:
            return channel_dimension(source.channels)
        case _:
            return None


def _channels(planned: Dimension, image: _Image) -> Dimension:
    """Return the channels that the events named, filled up from the plan."""
    coords = []
    for number, channel in enumerate(planned.channels):
        seen = image.channels.get(number)
        same = seen is not None and (seen.name, seen.group) == (channel.name, channel.group)
        coords.append(channel if seen is None or same else seen)
    return Dimension(name="c", coords=coords)


def _position(sequence: useq.MDASequence, planned: Any, image: _Image, tile: Position) -> Position:
    """Return where an image is, as its first event has it; z as its plan where it has planes."""
    sub = planned.sequence if planned is not None else None
    parts = []
    if planned is not None:
        parts.append(("p", image.at["p"], position_of(planned)))
    if "g" in image.at:
        parts.append(("g", image.at["g"], tile))
    name, label = image_name(parts)
    at = parts[0][2] if planned is not None else Position()
    z_plan = (sub.z_plan if sub is not None else None) or sequence.z_plan
    absolute = "z" in image.sizes and z_plan is not None and not z_plan.is_relative
    return Position(
        name=name if parts else None,
        label=label if label != name else None,
        x_um=image.first.x_pos,
        y_um=image.first.y_pos,
        z_um=None if absolute else at.z_um if "z" in image.sizes else image.first.z_pos,
        plate_row=at.plate_row,
        plate_column=at.plate_column,
        grid_row=tile.grid_row if tile.grid_row is not None else at.grid_row,
        grid_column=tile.grid_column if tile.grid_column is not None else at.grid_column,
    )


def _tile(
    sequence: useq.MDASequence, sub: useq.MDASequence | None, image: _Image, tiles: _Tiles
) -> Position:
    if "g" not in image.at:
        return Position()
    own = sub is not None and sub.grid_plan is not None and "g" in sub.axis_order
    listed_tiles = tiles.of(sub.grid_plan if own and sub is not None else sequence.grid_plan)
    number = image.at["g"]
    return position_of(listed_tiles[number]) if number < len(listed_tiles) else Position()


class _Tiles:
    """The tiles of each grid plan, listed once."""

    def __init__(self) -> None:
        self._listed: dict[int, list[Any]] = {}

    def of(self, grid: Any) -> list[Any]:
        if id(grid) not in self._listed:
            self._listed[id(grid)] = listed("grid_plan", lambda: list(grid or ()))
        return self._listed[id(grid)]


def _plate(sequence: useq.MDASequence, plans: Sequence[ImageSchema]) -> Any:
    """Return the plate, when every image that is acquired names its well."""
    if not plans or any(plan.position.plate_row is None for plan in plans):
        return None
    return plate_of(sequence.stage_positions)


def _fault(sequence: useq.MDASequence, error: Exception) -> str:
    """Return which plan useq stumbled over, and how to write it instead."""
    named = [("", sequence)]
    if not isinstance(sequence.stage_positions, useq.WellPlatePlan):
        named += [
            (f"stage_positions[{n}].sequence.", position.sequence)
            for n, position in enumerate(sequence.stage_positions)
            if position.sequence is not None
        ]
    for prefix, part in named:
        for name in ("time_plan", "z_plan", "grid_plan"):
            plan: Any = getattr(part, name)
            try:
                listed(prefix + name, partial(list, plan or ()))
            except SequenceError as fault:
                return str(fault)
    if isinstance(error, KeyError) and sequence.keep_shutter_open_across:
        across = tuple(map(str, sequence.keep_shutter_open_across))
        return (
            f"keep_shutter_open_across={across} cannot be iterated by useq where positions have "
            "different axes. Leave it out, or give every position the same axes."
        )
    focused = [prefix for prefix, part in named if part.autofocus_plan is not None]
    if isinstance(error, IndexError) and focused:
        return (
            f"{focused[0]}autofocus_plan cannot be iterated by useq: a position's own z plan has "
            "more planes than the z_plan of the whole sequence, or that has none. Leave the "
            "z_plan of the whole sequence out, or give it as many planes."
        )
    for prefix, part in named:
        for channel in part.channels:
            if not channel.do_stack:
                return (
                    f"{prefix}channels: {channel.config!r} has do_stack=False, which useq cannot "
                    "iterate where there is no z axis. Leave do_stack=False out."
                )
    return f"useq cannot iterate this sequence: {error!r}. Simplify its plans one by one."


@contextmanager
def autofocus_kept(sequence: useq.MDASequence) -> Iterator[None]:
    """Leave every autofocus plan of a sequence as it was before the block."""
    before = [(plan, dict(plan._previous)) for plan in _plans(sequence)]
    try:
        yield
    finally:
        for plan, index in before:
            plan.should_autofocus(useq.MDAEvent(index=index))  # this is how it remembers


def _plans(sequence: useq.MDASequence) -> Iterable[useq.AxesBasedAF]:
    if sequence.autofocus_plan is not None:
        yield sequence.autofocus_plan
    if "p" in map(str, sequence.axis_order):
        for position in _positions(sequence):
            sub = position.sequence
            if sub is not None and sub.autofocus_plan is not None:
                yield sub.autofocus_plan


def _positions(sequence: useq.MDASequence) -> Iterable[Any]:
    """Return the positions that useq will really iterate, maybe an equal sequence's."""
    try:
        from useq._iter_sequence import _iter_axis
    except ImportError:  # pragma: no cover  # a version without that cache
        return sequence.stage_positions
    return _iter_axis(sequence, "p")
