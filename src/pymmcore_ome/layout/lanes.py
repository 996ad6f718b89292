"""From an image's loops to its axes, and to the lanes that lead along them.

Shared by every kind of layout: cameras fold into the channels here, and the order of
storage is applied here, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from pymmcore_ome.schema import Camera, Channel, Dimension, StorageSchema

from .frame_kind import FrameKind
from .image import Axis, Lane

_OME_RANK: Final = {"time": 0, "channel": 1, "other": 1, "space": 2}


class ImageAxes(NamedTuple):
    """The axes of an image in storage order, its channels, its lanes, and its kind of frame."""

    axes: tuple[Axis, ...]
    channels: tuple[Channel, ...]  # one a plane: the samples of a pixel are one channel
    lanes: tuple[Lane, ...]
    repeat_axis: int  # the axis along which repeats of an index are laid
    repeat_step: int
    kind: FrameKind


def image_axes(
    schema: StorageSchema, dims: Sequence[Dimension], repeats: int = 1, camera: Camera | None = None
) -> ImageAxes:
    """Return the axes of an image with these loops; those that make images are left out.

    With `repeats`, the time axis is that many times as long; one is added where there is
    none.
    """
    kind = FrameKind.of(schema, camera)
    dims = [d for d in dims if not d.makes_images]
    cameras = [d for d in dims if d.kind == "camera"]
    stored = [d for d in dims if d.kind != "camera"]
    if (cameras or kind.samples > 1) and not any(d.kind == "channel" for d in stored):
        stored.append(Dimension(name="c", size=1))
    if repeats > 1 and not any(d.kind == "time" for d in stored):
        stored.insert(0, Dimension(name="t", size=1))
    ordered = _storage_order(schema, stored)
    channels: tuple[Channel, ...] = ()
    axes = []
    for dim in (*ordered, kind.y, kind.x):
        axis = _axis(dim)
        if dim.kind == "channel":
            channels = _fold_cameras(dim, cameras)
            size = None if dim.size is None else len(channels) * kind.samples
            axis = replace(axis, size=size, coords=None)
        elif dim.kind == "time" and repeats > 1:
            axis = replace(axis, size=(dim.size or 1) * repeats, scale=None, coords=None)
        axes.append(axis)
    time = next((n for n, d in enumerate(ordered) if d.kind == "time"), -1)
    return ImageAxes(
        axes=tuple(axes),
        channels=channels,
        lanes=_lanes(dims, ordered, cameras, kind.samples),
        repeat_axis=time,
        repeat_step=(ordered[time].size or 1) if time >= 0 else 1,
        kind=kind,
    )


def _storage_order(schema: StorageSchema, stored: list[Dimension]) -> list[Dimension]:
    if schema.storage_order == "acquisition":
        return stored
    if schema.storage_order == "ome":
        return sorted(stored, key=lambda d: _OME_RANK[d.kind])
    rank = {name: n for n, name in enumerate(schema.storage_order)}
    return sorted(stored, key=lambda d: rank.get(d.name, -1))


def _axis(dim: Dimension) -> Axis:
    return Axis(
        name=dim.name,
        kind=dim.kind,
        size=dim.size,
        scale=dim.scale,
        origin=dim.origin,
        unit=dim.unit,
        coords=None if dim.kind == "channel" else dim.coords,  # type: ignore[arg-type]
        chunk_size=dim.chunk_size,
        shard_size=dim.shard_size,
    )


def _fold_cameras(dim: Dimension, cameras: Sequence[Dimension]) -> tuple[Channel, ...]:
    """Return one channel a camera and channel, cameras fastest."""
    channels = dim.channels
    for camera in cameras:
        names = [c.name for c in camera.cameras] or camera.coords
        names = names or [f"Camera {n}" for n in range(camera.size or 0)]
        bare = dim.coords is None
        channels = tuple(
            channel.replace(
                name=str(name) if bare else f"{channel.name} {name}", color=None, camera=str(name)
            )
            for channel in channels
            for name in names
        )
    return channels


def _lanes(
    dims: Sequence[Dimension],
    ordered: Sequence[Dimension],
    cameras: Sequence[Dimension],
    samples: int,
) -> tuple[Lane, ...]:
    axis_of = {dim.name: n for n, dim in enumerate(ordered)}
    channel_axis = next((n for n, d in enumerate(ordered) if d.kind == "channel"), -1)
    camera_count = cameras[0].size or 1 if cameras else 1
    lanes = []
    for dim in dims:
        if dim.kind == "camera":
            lanes.append(Lane(dim.name, dim.size, channel_axis, samples))
        else:
            step = camera_count * samples if dim.kind == "channel" else 1
            lanes.append(Lane(dim.name, dim.size, axis_of[dim.name], step))
    return tuple(lanes)
