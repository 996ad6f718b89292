"""`ImageLayout` and `Axis`: one image as it is stored, with its own shape and axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np

from pymmcore_ome.schema import Channel, Position
from pymmcore_ome.schema.dimension import Kind

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


class Lane(NamedTuple):
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
    lanes: tuple[Lane, ...] = ()
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
            id(self.axes), id(self.plane_channels), id(self.lanes), self.dtype, self.camera,
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
