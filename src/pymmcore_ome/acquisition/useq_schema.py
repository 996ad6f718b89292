"""`schema_from_useq`: from a useq sequence and its cameras to a storage schema.

Rectangular sequences only: what is not one loop nest is refused, never laid out wrongly.
The sequence's own object must have been set up by the engine before (see
docs/explanation/architecture.md, "the caching trap"); its plans are read, never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import useq

from pymmcore_ome.errors import SequenceError
from pymmcore_ome.schema import Camera, Dimension, Plate, StorageSchema

from .useq_plans import (
    channel_dimension,
    listed,
    plate_of,
    position_of,
    time_dimension,
    z_dimension,
)


def schema_from_useq(
    sequence: useq.MDASequence,
    *,
    cameras: Sequence[Camera],
    pixel_size_um: float | None = None,
    compression: str | None = None,
) -> StorageSchema:
    """Return the schema of what a sequence will deliver.

    Parameters
    ----------
    sequence : useq.MDASequence
        After the engine's `setup_sequence`, which sets the field of view of grids.
    cameras : sequence of Camera
        What delivers the frames. Several of one size and dtype fold into the channels.
    pixel_size_um : float, optional
        Micrometres a pixel. None or 0: not known.
    compression : str, optional
        As `StorageSchema`.

    Raises
    ------
    SequenceError
        When the sequence is not rectangular, with every reason; when it has no frame.
    """
    camera = _one_kind(cameras)
    if reasons := list(irregularities(sequence)):
        raise SequenceError(
            "This sequence is not rectangular, which is not supported yet: "
            f"{'; '.join(reasons)}. Run the parts as sequences of their own."
        )
    plans = {
        "t": sequence.time_plan,
        "p": sequence.stage_positions,
        "g": sequence.grid_plan,
        "c": sequence.channels,
        "z": sequence.z_plan,
    }
    dimensions: list[Dimension] = []
    for axis in map(str, sequence.axis_order):
        if plans[axis] and (found := _dimension(axis, sequence)) is not None:
            dimensions.append(found)
    if not dimensions:
        raise SequenceError(
            "The sequence has no frame: none of its axes has a plan. Give it channels, "
            "positions, a time plan, a z plan or a grid."
        )
    if len(cameras) > 1:
        dimensions.append(Dimension(name="cam", coords=[c.name for c in cameras]))
    scale = pixel_size_um or None
    dimensions += [
        Dimension(name="y", size=camera.height, scale=scale, unit=scale and "micrometer"),
        Dimension(name="x", size=camera.width, scale=scale, unit=scale and "micrometer"),
    ]
    return StorageSchema(
        dimensions=dimensions,
        dtype=camera.dtype,
        plate=_plate(sequence, dimensions),
        compression=compression,
        significant_bits=camera.significant_bits,
    )


def irregularities(sequence: useq.MDASequence) -> Iterator[str]:
    """Yield why a sequence is not one rectangular loop nest; nothing when it is."""
    axes = [str(axis) for axis in sequence.axis_order]
    if "p" in axes and not isinstance(sequence.stage_positions, useq.WellPlatePlan):
        for number, position in enumerate(sequence.stage_positions):
            if position.sequence is not None and not _only_autofocus(position.sequence):
                yield f"position {position.name or number} has a sequence of its own"
                break
    if "c" in axes:
        for channel in sequence.channels:
            if not channel.do_stack and sequence.z_plan:
                yield f"channel {channel.config} has do_stack=False"
            if channel.acquire_every > 1 and sequence.time_plan and "t" in axes:
                yield f"channel {channel.config} has acquire_every={channel.acquire_every}"
    grid = sequence.grid_plan
    if "g" in axes and isinstance(grid, useq.RandomPoints) and grid.random_seed is None:
        yield "the grid plan has random points without a random_seed"


def _only_autofocus(sub: useq.MDASequence) -> bool:
    plans = (sub.time_plan, sub.z_plan, sub.grid_plan, sub.channels, sub.stage_positions)
    return sub.autofocus_plan is not None and not any(bool(plan) for plan in plans)


def _one_kind(cameras: Sequence[Camera]) -> Camera:
    if not cameras:
        raise SequenceError("cameras must name at least one camera.")
    first = cameras[0]
    for camera in cameras:
        if camera.rgb:
            raise SequenceError(
                f"Camera {camera.name!r} delivers RGB frames, which are not supported yet. "
                "Set it to a monochrome pixel type."
            )
        if (camera.height, camera.width, camera.dtype) != (
            first.height,
            first.width,
            first.dtype,
        ):
            raise SequenceError(
                f"Cameras {first.name!r} and {camera.name!r} differ in size or dtype, which is "
                "not supported yet. Give them the same ROI, binning and bit depth."
            )
    return first


def _dimension(axis: str, sequence: useq.MDASequence) -> Dimension | None:
    match axis:
        case "t":
            return time_dimension(sequence.time_plan)
        case "z":
            return z_dimension(sequence.z_plan)
        case "c":
            return channel_dimension(sequence.channels)
        case "g":
            tiles: Any = listed("grid_plan", lambda: list(sequence.grid_plan or ()))
            coords = [position_of(tile, keep_z=False) for tile in tiles]
            return Dimension(name="g", coords=coords) if coords else None
        case _:
            return _positions(sequence)


def _positions(sequence: useq.MDASequence) -> Dimension | None:
    axes = {str(axis) for axis in sequence.axis_order}
    grid, z = sequence.grid_plan, sequence.z_plan
    on_absolute_grid = "g" in axes and grid is not None and not grid.is_relative
    on_absolute_z = "z" in axes and z is not None and not z.is_relative
    coords = [
        position_of(position, keep_xy=not on_absolute_grid, keep_z=not on_absolute_z)
        for position in listed("stage_positions", lambda: list(sequence.stage_positions))
    ]
    return Dimension(name="p", coords=coords) if coords else None


def _plate(sequence: useq.MDASequence, dimensions: list[Dimension]) -> Plate | None:
    if not any(dimension.name == "p" for dimension in dimensions):
        return None
    return plate_of(sequence.stage_positions)
