"""`ImageLayout` and `Axis`: one image as it is stored, with its own shape and axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np

from pymmcore_ome.schema import Camera, Channel, Dimension, Kind, Position, StorageSchema

_RGB: Final = (("Red", "#FF0000"), ("Green", "#00FF00"), ("Blue", "#0000FF"))


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a stored array.

    `size` None: unbounded. `scale` None: not known or not even; `coords` then holds the
    coordinates where they are known, in `unit`.
    """

    name: str
    kind: Kind
    size: int | None
    scale: float | None = None
    origin: float | None = None
    unit: str | None = None
    coords: tuple[float, ...] | tuple[str, ...] | None = None
    chunk_size: int | None = None
    shard_size: int | None = None


class AxisStride(NamedTuple):
    """How far one step of an acquisition loop moves along a storage axis."""

    name: str
    size: int | None
    axis: int
    step: int


@dataclass(frozen=True)
class ImageLayout:
    """One image: a place in the store, a name, and an array with axes in storage order.

    Attributes
    ----------
    number : int
        In order of first visit.
    path : str
        Group inside the store, ``""`` for the root.
    name, label : str
        The unique safe name, and the user's own text.
    axes : tuple of Axis
        Storage order, ending in y and x.
    dtype : str
    position : Position
        Sum of the positions that select this image.
    plane_channels : tuple of Channel
        One a plane: the samples of a pixel count as one. Empty without a channel axis.
    well, field : (row, column) names and the field's number in the well, or None.
    lanes : tuple of Lane
        How an acquisition index moves along the axes.
    camera : int | None
        Number of the camera that the image belongs to, where each has images of its own.
    significant_bits : int | None
        Bits of a pixel that carry signal. None: all.
    samples : int
        Samples of a pixel, which lie next to each other on the channel axis (3 for RGB).
    repeat_axis, repeat_step : int
        Axis along which repeats of an index are laid (-1: none), and how far apart.
    """

    number: int
    path: str
    name: str
    label: str
    axes: tuple[Axis, ...]
    dtype: str
    position: Position = field(default_factory=Position)
    plane_channels: tuple[Channel, ...] = ()
    well: tuple[str, str] | None = None
    field: int | None = None
    axis_strides: tuple[AxisStride, ...] = ()
    camera: int | None = None
    significant_bits: int | None = None
    samples: int = 1
    repeat_axis: int = -1
    repeat_step: int = 1

    @property
    def likeness(self) -> tuple[object, ...]:
        """Equal for images of one layout that differ in name and place alone.

        Thousands of fields of a plate share their axes: to compare these takes longer than
        most of what is asked of an image. For as long as the layout exists.
        """
        return (
            id(self.axes), id(self.plane_channels), id(self.axis_strides), self.dtype, self.camera,
            self.significant_bits, self.samples, self.repeat_axis, self.repeat_step,
        )  # fmt: skip

    @property
    def shown_name(self) -> str:
        """What people call the image: its path, and the user's own text where that differs."""
        is_told = self.label == self.path or self.well is not None
        return self.path if is_told else f"{self.path} ({self.label})".lstrip()

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        """One channel an index of the channel axis; empty without one."""
        if self.samples == 1:
            return self.plane_channels
        alone = len(self.plane_channels) == 1
        return tuple(
            channel.replace(name=name if alone else f"{channel.name} {name}", color=color)
            for channel in self.plane_channels
            for name, color in _RGB
        )

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Planned shape in storage order; an unbounded axis counts 0 before it grows."""
        return tuple(axis.size or 0 for axis in self.axes)

    @cached_property
    def axis_names(self) -> tuple[str, ...]:
        """Axis names in storage order."""
        return tuple(axis.name for axis in self.axes)

    @cached_property
    def unbounded_axes(self) -> tuple[int, ...]:
        """Numbers of the axes that grow."""
        return tuple(n for n, axis in enumerate(self.axes) if axis.size is None)

    @cached_property
    def channel_axis(self) -> int | None:
        """Number of the channel axis, or None."""
        return self.axis_names.index("c") if "c" in self.axis_names else None

    @cached_property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame as the camera delivers it: (height, width), or with 3 samples."""
        plane = self.shape[-2:]
        return plane if self.samples == 1 else (*plane, self.samples)

    @cached_property
    def frame_dtype(self) -> np.dtype[Any]:
        """The pixel type of a frame, in native byte order."""
        return np.dtype(self.dtype)

    @cached_property
    def block_shape(self) -> tuple[int, ...]:
        """Shape of one frame as a block of the array, all axes in storage order."""
        return tuple(
            axis.size or 1
            if axis.name in ("y", "x")
            else self.samples
            if number == self.channel_axis
            else 1
            for number, axis in enumerate(self.axes)
        )

    @cached_property
    def chunk_shape(self) -> tuple[int, ...]:
        """Elements of one chunk: as declared, else one whole frame."""
        return tuple(
            min(axis.chunk_size, axis.size or axis.chunk_size)
            if axis.chunk_size
            else (axis.size or 1)
            if axis.name in ("y", "x")
            else 1
            for axis in self.axes
        )

    @cached_property
    def shard_shape(self) -> tuple[int, ...] | None:
        """Elements of one shard, or None when no axis asks for shards."""
        if not any(axis.shard_size for axis in self.axes):
            return None
        return tuple(
            axis.shard_size or chunk
            for axis, chunk in zip(self.axes, self.chunk_shape, strict=True)
        )


def index_name(image: ImageLayout, index: Sequence[int]) -> str:
    """Return an index by axis, as people read it: ``t 3 c 0``; empty without an axis."""
    return " ".join(f"{axis} {n}" for axis, n in zip(image.axis_names, index, strict=False))


class FrameAddress(NamedTuple):
    """Where one frame goes.

    Attributes
    ----------
    image : str
        Path of the image's group inside the store, ``""`` when the store is one image.
    index : tuple of int
        In storage order, without Y and X.
    image_number : int
        The image's number, in order of first visit.
    """

    image: str
    index: tuple[int, ...]  # type: ignore[assignment]  # the contract's word hides tuple.index
    image_number: int


class FrameKind(NamedTuple):
    """The pixels of a frame, by the schema or by a camera of its own.

    Attributes
    ----------
    y, x : Dimension
        With the frame's height and width in pixels.
    dtype : str
    samples : int
        Samples of a pixel: 3 for RGB, else 1.
    significant_bits : int | None
    """

    y: Dimension
    x: Dimension
    dtype: str
    samples: int
    significant_bits: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame as its camera delivers it: (height, width), or with 3 samples."""
        plane = self.y.size or 0, self.x.size or 0
        return plane if self.samples == 1 else (*plane, self.samples)

    @classmethod
    def of(cls, schema: StorageSchema, camera: Camera | None = None) -> FrameKind:
        """Return the kind of frame that a camera delivers; None: the one that the schema names."""
        y, x = schema.dimensions[-2:]
        if camera is None:
            return cls(y, x, schema.dtype, schema.samples, schema.significant_bits)
        return cls(
            _resized(y, camera.height, camera.pixel_size_um),
            _resized(x, camera.width, camera.pixel_size_um),
            camera.dtype,
            3 if camera.rgb else 1,
            camera.significant_bits,
        )


def _resized(dim: Dimension, size: int, pixel_size_um: float | None) -> Dimension:
    scale = dim.scale if pixel_size_um is None else pixel_size_um
    unit = dim.unit if pixel_size_um is None else "micrometer"
    return dim.replace(size=size, coords=None, scale=scale, unit=unit)


_OME_RANK: Final = {"time": 0, "channel": 1, "other": 1, "space": 2}


class ImageAxes(NamedTuple):
    """The axes of an image in storage order, its channels, its lanes, and its kind of frame."""

    axes: tuple[Axis, ...]
    channels: tuple[Channel, ...]  # one a plane: the samples of a pixel are one channel
    axis_strides: tuple[AxisStride, ...]
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
        axis_strides=_lanes(dims, ordered, cameras, kind.samples),
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
) -> tuple[AxisStride, ...]:
    axis_of = {dim.name: n for n, dim in enumerate(ordered)}
    channel_axis = next((n for n, d in enumerate(ordered) if d.kind == "channel"), -1)
    camera_count = cameras[0].size or 1 if cameras else 1
    axis_strides = []
    for dim in dims:
        if dim.kind == "camera":
            axis_strides.append(AxisStride(dim.name, dim.size, channel_axis, samples))
        else:
            step = camera_count * samples if dim.kind == "channel" else 1
            axis_strides.append(AxisStride(dim.name, dim.size, axis_of[dim.name], step))
    return tuple(axis_strides)
