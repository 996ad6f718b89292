"""`Image`: one image of a dataset, read numpy-style and lazily. It never writes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.layout import ImageLayout, LevelPlan
from pymmcore_ome.metadata import axis_origin, stage_coordinates
from pymmcore_ome.schema import Channel, Position

from .stored import Array, Stored


class Image:
    """One image of a dataset: numpy-style reading, and what its axes mean.

    Examples
    --------
    ``dataset.images[0][3, 1]`` reads time 3, channel 1 of an image with axes t, c, y, x.
    """

    def __init__(
        self,
        stored: Stored,
        layout: ImageLayout,
        levels: LevelPlan | None = None,
        level: int = 0,
    ) -> None:
        self._stored = stored
        self._levels, self._level = levels, level
        self.layout = layout

    @property
    def name(self) -> str:
        """The image's unique name."""
        return self.layout.name

    @property
    def label(self) -> str:
        """The user's own text for it."""
        return self.layout.label

    @property
    def path(self) -> str:
        """Path of the image's group, ``""`` for the root; in a TIFF, the image's name."""
        return self.layout.path

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes in storage order."""
        return self.layout.axis_names

    @property
    def position(self) -> Position:
        """Its stage position."""
        return self.layout.position

    @property
    def channels(self) -> tuple[Channel, ...]:
        """One an index of the channel axis; empty without one."""
        return self.layout.channels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in storage order, as it is on disk now."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixel type."""
        return self.array.dtype

    @cached_property
    def array(self) -> Array:
        """The array on disk."""
        return self._stored.array(self.layout, self._level)

    @cached_property
    def levels(self) -> list[Image]:
        """The resolution levels as images: this one first, each of the others half as large.

        Each has its own shape, coordinates and units, and reads its pixels when it is indexed.
        Only this one where the store has no levels, or they are not complete yet.
        """
        plan = self._levels
        if plan is None or self._level:
            return [self]
        smaller = range(1, plan.count_of(self.layout.spec))
        return [
            self,
            *(Image(self._stored, plan.level(self.layout, n), plan, n) for n in smaller),
        ]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @property
    def dims(self) -> tuple[str, ...]:
        """The axes' names, as xarray calls them."""
        return self.axes

    @property
    def sizes(self) -> dict[str, int]:
        """Size of each axis, by name."""
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def coords(self) -> dict[str, NDArray[Any]]:
        """Coordinates of each axis, by name, in `units`; an axis without any is left out.

        Space is the axis' own origin and the stage position together, as in the NGFF
        transformations. Channels are names. Made for
        ``xarray.DataArray(image[...], coords=image.coords, dims=image.dims)``.
        """
        return axis_coords(self.layout, self.shape)

    @property
    def units(self) -> dict[str, str]:
        """Unit of each axis that has one, by name, in NGFF's words."""
        return {axis.name: axis.unit for axis in self.layout.axes if axis.unit is not None}

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Elements that are read together, as ``dask.array.from_array`` wants them."""
        return tuple(
            min(chunk, size) or 1
            for chunk, size in zip(self.layout.spec.chunk_shape, self.shape, strict=True)
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self.array[key]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{a}: {n}" for a, n in zip(self.axes, self.shape, strict=True))
        return f"<Image {self.name!r} ({sizes}) {self.dtype}>"


def axis_coords(
    image: ImageLayout, shape: tuple[int, ...], *, has_stage: bool = True
) -> dict[str, NDArray[Any]]:
    """Return the coordinates of each axis of an image, by name, if they are known.

    Parameters
    ----------
    image : ImageLayout
    shape : tuple of int
        What it has now.
    has_stage : bool
        False: without the stage position, for several images together.
    """
    found: dict[str, NDArray[Any]] = {}
    for axis, size in zip(image.axes, shape, strict=True):
        if axis.kind == "channel" and image.channels:
            names = [channel.name for channel in image.channels[:size]]
            found[axis.name] = np.array(names, dtype=str)
        elif axis.scale is not None:
            origin = axis_origin(image, axis) if has_stage else axis.origin or 0.0
            found[axis.name] = origin + axis.scale * np.arange(size)
        elif axis.coords:
            known = stage_coordinates(image, axis) if has_stage else axis.coords
            found[axis.name] = np.array(known)
    sizes = dict(zip(image.axis_names, shape, strict=True))
    return {name: values for name, values in found.items() if len(values) == sizes[name]}
