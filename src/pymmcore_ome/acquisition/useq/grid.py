"""A sequence that is one loop nest, laid out by arithmetic: no event is ever walked.

A million events cost no more than ten. Channels that are left out at some times or planes
(`acquire_every`, `do_stack=False`) are part of the arithmetic.
"""

from __future__ import annotations

import useq

from pymmcore_ome.errors import SequenceError
from pymmcore_ome.schema import Dimension, EventOrder, ImageSchema

from .plans import (
    Parts,
    channel_dimension,
    listed,
    plate_of,
    position_of,
    time_dimension,
    z_dimension,
)


def is_loop_nest(sequence: useq.MDASequence) -> bool:
    """Whether the sequence is one loop nest, its points known from the plans."""
    axes = _axes(sequence)
    if "p" in axes and not isinstance(sequence.stage_positions, useq.WellPlatePlan):
        subs = [p.sequence for p in sequence.stage_positions if p.sequence is not None]
        if not all(_only_autofocus(sub) for sub in subs):
            return False
    grid = sequence.grid_plan
    # each listing of unseeded points gives others; only the events are cached
    return not ("g" in axes and isinstance(grid, useq.RandomPoints) and grid.random_seed is None)


def grid_parts(sequence: useq.MDASequence) -> Parts:
    """Return the dimensions of a loop nest, in acquisition order.

    Raises
    ------
    SequenceError
        When a plan cannot be listed, or a channel needs planes that there are none of.
    """
    planned = {str(axis): _dimension(str(axis), sequence) for axis in sequence.axis_order}
    dimensions = {axis: dim for axis, dim in planned.items() if dim is not None}
    if "c" in dimensions:
        dimensions["c"] = _with_rules(dimensions["c"], sequence, set(dimensions))
    if not dimensions:  # a sequence without a frame: one image that stays empty
        return Parts(images=(ImageSchema(),), order=EventOrder(axes=(), rows=()))
    return Parts(
        dimensions=tuple(dimensions.values()),
        plate=plate_of(sequence.stage_positions) if "p" in dimensions else None,
    )


def _only_autofocus(sub: useq.MDASequence) -> bool:
    """Whether a sub-sequence has an autofocus plan and no loop."""
    plans = (sub.time_plan, sub.z_plan, sub.grid_plan, sub.channels, sub.stage_positions)
    return sub.autofocus_plan is not None and not any(bool(plan) for plan in plans)


def _with_rules(dimension: Dimension, sequence: useq.MDASequence, axes: set[str]) -> Dimension:
    """Return the channels with the times and planes that each is acquired at."""
    channels = []
    for channel, planned in zip(dimension.channels, sequence.channels, strict=True):
        plane = None
        if not planned.do_stack and sequence.z_plan is not None:
            if "z" not in axes:
                raise SequenceError(
                    f"Channel {planned.config!r} has do_stack=False, but the z plan has no plane "
                    "or 'z' is not in axis_order, which useq cannot iterate. Leave the z plan or "
                    "do_stack=False out."
                )
            plane = listed("z_plan", sequence.z_plan.num_positions) // 2  # useq's own middle
        every = planned.acquire_every if "t" in axes else 1
        channels.append(channel.replace(every=every, plane=plane))
    return dimension.replace(coords=tuple(channels))


def _dimension(axis: str, sequence: useq.MDASequence) -> Dimension | None:
    match axis:
        case "t" if sequence.time_plan:
            return time_dimension(sequence.time_plan)
        case "z" if sequence.z_plan:
            return z_dimension(sequence.z_plan, sequence.channels if "c" in _axes(sequence) else ())
        case "c" if sequence.channels:
            return channel_dimension(sequence.channels)
        case "g" if sequence.grid_plan:
            return _tiles(sequence)
        case "p" if sequence.stage_positions:
            return _positions(sequence)
        case _:
            return None


def _axes(sequence: useq.MDASequence) -> set[str]:
    return {str(axis) for axis in sequence.axis_order}


def _tiles(sequence: useq.MDASequence) -> Dimension | None:
    tiles = listed("grid_plan", lambda: list(sequence.grid_plan or ()))
    coords = [position_of(tile, keep_z=False) for tile in tiles]
    return Dimension(name="g", coords=coords) if coords else None


def _positions(sequence: useq.MDASequence) -> Dimension | None:
    axes = _axes(sequence)
    grid, z = sequence.grid_plan, sequence.z_plan
    on_absolute_grid = "g" in axes and grid is not None and not grid.is_relative
    on_absolute_z = "z" in axes and z is not None and not z.is_relative
    coords = [
        position_of(position, keep_xy=not on_absolute_grid, keep_z=not on_absolute_z)
        for position in listed("stage_positions", lambda: list(sequence.stage_positions))
    ]
    return Dimension(name="p", coords=coords) if coords else None
