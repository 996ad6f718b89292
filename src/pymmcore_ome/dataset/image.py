"""`Image`: one image of a dataset, read numpy-style and lazily. It never writes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.errors import OptionError, how_to_install
from pymmcore_ome.frames import PLANE_COLUMNS, read_table
from pymmcore_ome.layout import ArraySpec, ImageLayout, LevelPlan
from pymmcore_ome.metadata import axis_origin, channel_colors, stage_coordinates
from pymmcore_ome.schema import Channel, Position

from .stored import Array, Stored

if TYPE_CHECKING:
    import dask.array
    import xarray

_BLOCK_BYTES: Final = 64 << 20  # of pixels that a task of dask reads
_UNITS: Final = {
    "delta_t_s": "second", "exposure_ms": "millisecond",
    "x_um": "micrometer", "y_um": "micrometer", "z_um": "micrometer",
}  # fmt: skip


class Image:
    """One image of a dataset: numpy-style reading, and what its axes mean.

    Attributes
    ----------
    layout : ImageLayout
    level : int
        Its resolution level: 0 is the full resolution.

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
        self._levels, self.level = levels, level
        self.layout = layout

    @property
    def store(self) -> Path:
        """Path of the store that it belongs to."""
        return self._stored.location.path

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
        return self._stored.array(self.layout, self.level)

    @cached_property
    def levels(self) -> list[Image]:
        """The resolution levels as images: this one first, each of the others half as large.

        Each has its own shape, coordinates and units, and reads its pixels when it is indexed.
        Only this one where the store has no levels, or they are not complete yet.
        """
        plan = self._levels
        if plan is None or self.level:
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

    def dask(self, level: int = 0) -> dask.array.Array:
        """Return the image as a dask array, with the extra ``analysis``.

        Its blocks are whole shards, or up to 64 MiB of whole chunks. It can be computed in
        threads, in processes, and on a cluster whose workers see the store under the same path.
        Frames that are missing read as 0.

        Parameters
        ----------
        level : int
            A resolution level of the store; 0 is the full resolution.

        Raises
        ------
        OptionError
            When the store has no such level, or dask is not installed.
        """
        return dask_array(self._checked_level(level))

    def xarray(self, level: int = 0) -> xarray.DataArray:
        """Return the image as an xarray array, with the extra ``analysis``.

        The pixels are those of `dask`. Coordinates: those of `coords`, with ``units`` as an
        attribute; and for each frame ``acquired`` (bool: it is in the frame table) and what is
        known of ``delta_t_s``, ``exposure_ms``, ``x_um``, ``y_um``, and ``z_um`` (float, NaN
        where unknown); none of these where the frame table is lost. Attributes: the label, the
        position, and the colors of the channels.

        Parameters
        ----------
        level : int
            As in `dask`.

        Raises
        ------
        OptionError
            When the store has no such level, or xarray or dask is not installed.
        """
        table = self._stored.location.table
        rows = read_table(table) if table.exists() else None
        return data_array(self._checked_level(level), rows)

    def _checked_level(self, level: int) -> Image:
        levels = self.levels
        if not 0 <= level < len(levels):
            raise OptionError(
                f"level={level!r}: the resolution levels of image {self.name!r} are 0 to "
                f"{len(levels) - 1}. `po.build_levels` makes more."
            )
        return levels[level]

    def __getstate__(self) -> dict[str, Any]:
        """Return what makes the image again in another process, where its array is opened anew."""
        return {k: v for k, v in self.__dict__.items() if k not in ("array", "levels")}

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


def dask_array(image: Image) -> dask.array.Array:
    """Return an image as a dask array, of whole shards or up to 64 MiB a block."""
    try:
        import dask.array
        from dask.tokenize import tokenize
    except ImportError as error:
        raise missing_library("Dask arrays need dask", error) from error
    blocks = block_shape(image.layout.spec, image.shape, image.dtype.itemsize)
    token = tokenize(str(image.store), image.layout.number, image.level, image.shape)
    array: dask.array.Array = dask.array.from_array(  # type: ignore[no-untyped-call]
        image, chunks=blocks, name=f"pymmcore-ome-{token}", asarray=False
    )
    return array


def block_shape(spec: ArraySpec, shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Return the elements along each axis that a task should read together.

    Whole shards, or, where these are larger than 64 MiB, whole chunks that divide them; as many
    of either as fit into 64 MiB, along the axes that were stored together.
    """
    sizes = tuple(max(1, size) for size in shape)
    block = [min(chunk, size) for chunk, size in zip(spec.chunk_shape, sizes, strict=True)]
    room = _BLOCK_BYTES // itemsize
    for whole in (spec.write_shape, sizes):  # first up to a shard, then beyond it
        for axis in reversed(range(len(block))):
            most = min(whole[axis], sizes[axis])
            fit = max(1, room // math.prod(block))
            count = math.ceil(most / block[axis])
            if whole is not sizes and fit < count:  # no block in two shards
                fit = next(n for n in range(fit, 0, -1) if count % n == 0)
            block[axis] = min(most, block[axis] * min(fit, count))
            if block[axis] < most:
                return tuple(block)
    return tuple(block)


def data_array(image: Image, rows: Iterable[Mapping[str, Any]] | None) -> xarray.DataArray:
    """Return an image as an xarray array, its pixels as dask.

    Parameters
    ----------
    image : Image
    rows : iterable of mapping, or None
        Of the frame table; those of other images are left out. None: there is no table.
    """
    try:
        import xarray
    except ImportError as error:
        raise missing_library("Labeled arrays need xarray", error) from error
    coords: dict[str, Any] = {}
    for name, values in image.coords.items():
        unit = image.units.get(name)
        coords[name] = xarray.Variable((name,), values, {} if unit is None else {"units": unit})
    facts = {} if rows is None else _frame_facts(image, rows)
    for name, values in facts.items():
        unit = _UNITS.get(name)
        dims = image.axes[: values.ndim]
        coords[name] = xarray.Variable(dims, values, {} if unit is None else {"units": unit})
    position = image.position
    attrs: dict[str, Any] = {"label": image.label, "store": str(image.store)}
    for key in ("x_um", "y_um", "z_um", "plate_row", "plate_column"):
        if (value := getattr(position, key)) is not None:
            attrs[key] = value
    if image.channels:
        attrs["channel_colors"] = [f"#{color}" for color in channel_colors(image.channels)]
    return xarray.DataArray(dask_array(image), coords, dims=image.dims, name="image", attrs=attrs)


def _frame_facts(image: Image, rows: Iterable[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return what is known of each frame, along the axes that frames have.

    ``acquired`` is true where a frame is listed; the numbers are NaN where they are not known.
    """
    steps = image.layout.spec.frame_step
    shape = image.shape[: len(steps)]
    acquired = np.zeros(shape, bool)
    facts = {name: np.full(shape, np.nan) for name in PLANE_COLUMNS}
    for row in rows:
        if row["image"] != image.path or len(row["index"]) != len(steps):
            continue
        at = tuple(slice(n, n + step) for n, step in zip(row["index"], steps, strict=True))
        acquired[at] = True
        for name, values in facts.items():
            if (value := row.get(name)) is not None:
                values[at] = value
    known = {name: values for name, values in facts.items() if not np.isnan(values).all()}
    # a coordinate may not have the name of an axis
    return {"acquired": acquired, **{n: v for n, v in known.items() if n not in image.axes}}


def missing_library(what: str, error: ImportError) -> OptionError:
    """Return the error for a library of the extra ``analysis`` that is not installed."""
    how = how_to_install("analysis")
    return OptionError(f"{what}, which could not be loaded ({error}). Install it with  {how}")
