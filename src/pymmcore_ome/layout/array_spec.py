"""`ArraySpec`: the array of an image, its axes and planes. `ImageLayout`: one image of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.schema import Camera, Channel, Dimension, Kind, Position, StorageSchema

from .storage_order import in_storage_order

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


@dataclass(frozen=True, eq=False)
class ArraySpec:
    """The array of an image: axes, pixel type, and where frames are in it.

    All images that are alike share one object, which is equal to itself alone: it is the key of
    everything that is made once for a thousand fields of a plate.

    An *index* counts elements of the array in storage order, y and x left out. A *plane* is
    one frame, counted the same way: the samples of an RGB pixel are three elements of the
    channel axis and one plane.

    Attributes
    ----------
    axes : tuple of Axis
        Storage order, ending in y and x.
    dtype : str
    plane_channels : tuple of Channel
        One channel a plane. Empty without a channel axis.
    axis_strides : tuple of AxisStride
        How an acquisition index moves along the axes.
    camera : int | None
        Number of the camera that the images belong to, where each has images of its own.
    significant_bits : int | None
        Bits of a pixel that carry signal. None: all.
    samples : int
        Samples of a pixel, which are next to each other on the channel axis (3 for RGB).
    repeat_axis, repeat_step : int
        Axis along which repeats of an index are laid (-1: none), and how far apart.
    """

    axes: tuple[Axis, ...]
    dtype: str
    plane_channels: tuple[Channel, ...] = ()
    axis_strides: tuple[AxisStride, ...] = ()
    camera: int | None = None
    significant_bits: int | None = None
    samples: int = 1
    repeat_axis: int = -1
    repeat_step: int = 1

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
    def rank(self) -> int:
        """Number of axes but y and x."""
        return len(self.axes) - 2

    @cached_property
    def unbounded_axes(self) -> tuple[int, ...]:
        """Numbers of the axes that grow."""
        return tuple(n for n, axis in enumerate(self.axes) if axis.size is None)

    @cached_property
    def channel_axis(self) -> int | None:
        """Number of the channel axis, or None."""
        return self.axis_names.index("c") if "c" in self.axis_names else None

    @cached_property
    def repeats(self) -> int:
        """How many frames may have the same acquisition index."""
        if self.repeat_axis < 0:
            return 1
        size = self.axes[self.repeat_axis].size
        return 1 if size is None else size // self.repeat_step

    # -- one frame

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
    def nbytes(self) -> int:
        """Bytes of one frame."""
        return prod(self.frame_shape) * self.frame_dtype.itemsize

    @cached_property
    def block_shape(self) -> tuple[int, ...]:
        """Shape of one frame as a block of the array, all axes in storage order."""
        return (*self.frame_step, *self.shape[-2:])

    def frame_to_block(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Return a frame as the camera delivers it with all axes of the array; a view."""
        if self.samples > 1:
            frame = np.moveaxis(frame, -1, 0)
        return frame.reshape(self.block_shape)

    def block_to_frame(self, block: NDArray[Any]) -> NDArray[Any]:
        """Return a block of one frame as the camera delivers it; a view."""
        if self.samples > 1:
            block = np.moveaxis(block, self.channel_axis or 0, -1)
        return block.reshape(self.frame_shape)

    def block_key(self, index: Sequence[int]) -> tuple[slice, ...]:
        """Return what selects the block of the frame of an index from the array."""
        return tuple(slice(n, n + step) for n, step in zip(index, self.frame_step, strict=True))

    # -- indices and planes

    @cached_property
    def frame_step(self) -> tuple[int, ...]:
        """Elements of one frame along each axis but y and x: 1, or the samples of a pixel."""
        return tuple(
            self.samples if number == self.channel_axis else 1 for number in range(self.rank)
        )

    def plane_index(self, index: Sequence[int]) -> tuple[int, ...]:
        """Return the plane of an index."""
        if self.samples == 1:
            return tuple(index)
        return tuple([n // step for n, step in zip(index, self.frame_step, strict=True)])

    def plane_indices(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the planes of many indices, one a row."""
        return indices if self.samples == 1 else indices // np.array(self.frame_step)

    def plane_start(self, plane: Sequence[int]) -> tuple[int, ...]:
        """Return the index of the first element of a plane."""
        if self.samples == 1:
            return tuple(plane)
        return tuple([n * step for n, step in zip(plane, self.frame_step, strict=True)])

    def plane_shape(self, shape: Sequence[int] | None = None) -> tuple[int, ...]:
        """Return the planes along each axis of an array of this shape, y and x left out.

        A plane counts whose first sample is in the array. None: the planned shape.
        """
        sizes = zip(self.shape if shape is None else shape, self.frame_step, strict=False)
        return tuple([-(-size // step) for size, step in sizes])

    def array_shape(self, planes: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of an array of so many planes along each axis, y and x included."""
        return (*self.plane_start(planes), *self.shape[-2:])

    # -- slices, the (y, x) arrays that it consists of: an RGB frame has three

    @cached_property
    def slice_steps(self) -> tuple[int, ...]:
        """How many slices one step along each axis (y and x left out) moves in storage."""
        sizes = [axis.size or 1 for axis in self.axes[:-2]]
        return tuple(prod(sizes[number + 1 :]) for number in range(len(sizes)))

    @cached_property
    def slice_count(self) -> int | None:
        """Slices of the array; None when an axis grows."""
        return None if self.unbounded_axes else prod(self.shape[:-2])

    # -- chunks

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

    @property
    def gathered_axes(self) -> tuple[str, ...]:
        """Names of the axes along which a chunk has pixels of several frames."""
        return tuple(
            name
            for name, chunk, step in zip(
                self.axis_names, self.chunk_shape, self.frame_step, strict=False
            )
            if step % chunk
        )

    @property
    def write_shape(self) -> tuple[int, ...]:
        """Elements of what is written as a whole: a shard, or a chunk where there are none."""
        return self.shard_shape or self.chunk_shape


@dataclass(frozen=True)
class ImageLayout:
    """One image: its place in the store, its name, and its array.

    The properties of the array that are used most are properties of the image as well; all
    others are in `spec`.

    Attributes
    ----------
    spec : ArraySpec
        Shared by all images that are alike.
    number : int
        In order of first visit.
    path : str
        Group inside the store, ``""`` for the root.
    name, label : str
        The unique safe name, and the user's own text.
    position : Position
        Sum of the positions that select this image.
    well, field : (row, column) names and the field's number in the well, or None.
    """

    spec: ArraySpec
    number: int
    path: str
    name: str
    label: str
    position: Position = field(default_factory=Position)
    well: tuple[str, str] | None = None
    field: int | None = None

    def with_spec(self, spec: ArraySpec) -> ImageLayout:
        """Return the image with another array; there may be thousands of them."""
        place = self.position, self.well, self.field
        return ImageLayout(spec, self.number, self.path, self.name, self.label, *place)

    @property
    def shown_name(self) -> str:
        """What people call the image: its path, and the user's own text where that differs."""
        is_in_path = self.label == self.path or self.well is not None
        return self.path if is_in_path else f"{self.path} ({self.label})".lstrip()

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Storage order, ending in y and x."""
        return self.spec.axes

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Axis names in storage order."""
        return self.spec.axis_names

    @property
    def shape(self) -> tuple[int, ...]:
        """Planned shape in storage order; an unbounded axis counts 0 before it grows."""
        return self.spec.shape

    @property
    def dtype(self) -> str:
        """The pixel type."""
        return self.spec.dtype

    @property
    def channels(self) -> tuple[Channel, ...]:
        """One channel an index of the channel axis; empty without one."""
        return self.spec.channels


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


def _resized(dim: Dimension, size: int, pixel_size_um: float | None) -> Dimension:
    scale = dim.scale if pixel_size_um is None else pixel_size_um
    unit = dim.unit if pixel_size_um is None else "micrometer"
    return dim.replace(size=size, coords=None, scale=scale, unit=unit)


def array_spec(
    schema: StorageSchema,
    dims: Sequence[Dimension],
    repeats: int = 1,
    camera: Camera | None = None,
    camera_number: int | None = None,
) -> ArraySpec:
    """Return the array of an image with these loops; those that make images are left out.

    Parameters
    ----------
    schema : StorageSchema
    dims : sequence of Dimension
        Slowest first, y and x left out.
    repeats : int
        The time axis is that many times as long; one is added where there is none.
    camera, camera_number
        What delivers the frames. None: as the schema declares.
    """
    y, x = schema.dimensions[-2:]
    dtype, samples, bits = schema.dtype, schema.samples, schema.significant_bits
    if camera is not None:
        y = _resized(y, camera.height, camera.pixel_size_um)
        x = _resized(x, camera.width, camera.pixel_size_um)
        dtype, samples, bits = camera.dtype, 3 if camera.rgb else 1, camera.significant_bits
    dims = [d for d in dims if not d.makes_images]
    cameras = [d for d in dims if d.kind == "camera"]
    stored = [d for d in dims if d.kind != "camera"]
    if (cameras or samples > 1) and not any(d.kind == "channel" for d in stored):
        stored.append(Dimension(name="c", size=1))
    if repeats > 1 and not any(d.kind == "time" for d in stored):
        stored.insert(0, Dimension(name="t", size=1))
    ordered = in_storage_order(schema, stored)
    channels: tuple[Channel, ...] = ()
    axes = []
    for dim in (*ordered, y, x):
        axis = _axis(dim)
        if dim.kind == "channel":
            channels = _fold_cameras(dim, cameras)
            size = None if dim.size is None else len(channels) * samples
            axis = replace(axis, size=size, coords=None)
        elif dim.kind == "time" and repeats > 1:
            axis = replace(axis, size=(dim.size or 1) * repeats, scale=None, coords=None)
        axes.append(axis)
    time = next((n for n, d in enumerate(ordered) if d.kind == "time"), -1)
    return ArraySpec(
        axes=tuple(axes),
        dtype=dtype,
        plane_channels=channels,
        axis_strides=_axis_strides(dims, ordered, cameras, samples),
        camera=camera_number,
        significant_bits=bits,
        samples=samples,
        repeat_axis=time,
        repeat_step=(ordered[time].size or 1) if time >= 0 else 1,
    )


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


def _axis_strides(
    dims: Sequence[Dimension],
    ordered: Sequence[Dimension],
    cameras: Sequence[Dimension],
    samples: int,
) -> tuple[AxisStride, ...]:
    axis_of = {dim.name: n for n, dim in enumerate(ordered)}
    channel_axis = next((n for n, d in enumerate(ordered) if d.kind == "channel"), -1)
    camera_count = cameras[0].size or 1 if cameras else 1
    strides = []
    for dim in dims:
        if dim.kind == "camera":
            strides.append(AxisStride(dim.name, dim.size, channel_axis, samples))
        else:
            step = camera_count * samples if dim.kind == "channel" else 1
            strides.append(AxisStride(dim.name, dim.size, axis_of[dim.name], step))
    return tuple(strides)
