"""`StorageSchema`: what a store holds, declared before the first frame."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, Final, Literal, Self

from pydantic import Field, field_serializer, field_validator, model_validator

from .camera import Camera, check_bits, check_dtype
from .dimension import Dimension
from .instrument import Instrument
from .model import Model
from .position import Plate, Position

#: A hundred times the fields of the largest plates; each takes a group and documents of its own.
_MAX_IMAGES: Final = 1_000_000
#: The pixels of an image are counted in 64 bits; no file system holds as many.
_MAX_PIXELS: Final = 1 << 62


class StorageSchema(Model):
    """The images, axes, sizes, channels and plate of one store.

    It describes what exists, and when each frame is expected. It knows no file, no backend and no
    acquisition library. Two forms:

    - **a loop nest**: `dimensions` in order of acquisition; every image has the same axes.
    - **images of their own**: `images` lists them, each with its own dimensions, `dimensions`
      is y and x alone, and `order` is the order of arrival.

    Parameters
    ----------
    dimensions : sequence of Dimension
        In order of acquisition, slowest first, ending in ``y`` and ``x``.
    dtype : str
        numpy name of the pixel type. Like the sizes of ``y`` and ``x``, `rgb` and
        `significant_bits`, it is that of every frame whose image has no camera of its own.
    storage_order : ``"ome"`` | ``"acquisition"`` | sequence of str
        Order of the axes on disk: OME's (t, c, z, y, x), that of the acquisition, or the
        names in order (``y`` and ``x`` may be left out).
    plate : Plate | None
        The plate whose wells the positions name.
    compression : str | None
        Name, or ``"name:level"``. None: no compression.
    significant_bits : int | None
        Bits that carry signal. None: all bits of the dtype.
    rgb : bool
        Frames are (height, width, 3): red, green and blue of every pixel. They are three
        channels of the image.
    instrument : Instrument | None
        The microscope, as far as it is known.
    images : sequence of ImageSchema | None
        In order of first visit.
    order : EventOrder | None
        With `images`. None: frames can only be placed by index.
    grows : bool
        The number of frames is unknown: every dimension may lack a size, an image is made
        when its first frame arrives, and frames are placed by index. `images` then lists
        what arrived, and is written at the end.
    variants : sequence of Camera
        In a store that grows: cameras, or settings of them, that were not known before. Their
        frames have images of their own, selected by ``cam``, which counts on from the cameras
        that are declared.

    Raises
    ------
    SchemaError
        When the parts do not fit together.
    """

    dimensions: tuple[Dimension, ...]
    dtype: str
    storage_order: Literal["ome", "acquisition"] | tuple[str, ...] = "ome"
    plate: Plate | None = None
    compression: str | None = None
    significant_bits: int | None = Field(default=None, ge=1, le=64)
    rgb: bool = False
    instrument: Instrument | None = None
    images: tuple[ImageSchema, ...] | None = None
    order: EventOrder | None = None
    grows: bool = False
    variants: tuple[Camera, ...] = ()

    @field_validator("dtype", mode="before")
    @classmethod
    def _dtype_is_known(cls, value: Any) -> str:
        return check_dtype(value)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        names = [dim.name for dim in self.dimensions]
        if names[-2:] != ["y", "x"]:
            raise ValueError(f"dimensions must end in y and x, got {names}")
        if len(set(names)) < len(names):
            raise ValueError(f"dimension names repeat: {names}")
        check_bits(self.significant_bits, self.dtype)
        self._check_sizes()
        self._check_images()
        self._check_order()
        if self.plate is not None:
            _check_wells(self.plate, self._position_groups())
        return self

    def _check_sizes(self) -> None:
        for number, dim in enumerate(self.dimensions):
            if dim.size is not None:
                continue
            if dim.name in ("y", "x"):
                raise ValueError("y and x need a size")
            if self.grows and dim.kind not in ("position", "camera"):
                continue
            if number > 0 or dim.kind in ("position", "camera"):
                raise ValueError(
                    f"dimension {dim.name!r} has no size; only the first dimension may be "
                    "unbounded, and neither positions nor cameras"
                )

        count = prod(dim.size or 1 for dim in self.dimensions if dim.makes_images)
        if count > _MAX_IMAGES:
            raise ValueError(f"{count} images are more than {_MAX_IMAGES}, the most in a store")
        _check_pixels(self.dimensions)

    def _check_images(self) -> None:
        if self.variants and not self.grows:
            raise ValueError("variants are of a store that grows")
        if self.images is None:
            if self.order is not None:
                raise ValueError("order goes with images; a loop nest has its own order")
            return
        if self.grows:
            return
        if len(self.dimensions) > 2:
            raise ValueError("with images, dimensions are y and x alone")
        if not self.images:
            raise ValueError("images must not be empty")
        places = {tuple(sorted((k, v) for k, v in i.at.items() if v)) for i in self.images}
        if len(places) < len(self.images):
            raise ValueError("two images have the same index in at=")

    def _check_order(self) -> None:
        if isinstance(self.storage_order, str):
            return
        asked = [name for name in self.storage_order if name not in ("y", "x")]
        tail = [name for name in self.storage_order if name in ("y", "x")]
        loops: Iterable[Dimension] = self.frame_dimensions
        if self.images is not None:
            loops = (dim for image in self.images for dim in image.dimensions)
        have = {d.name for d in loops if d.kind not in ("position", "camera")}
        if sorted(asked) != sorted(have) or tail not in ([], ["y", "x"]):
            raise ValueError(
                f"storage_order {list(self.storage_order)} must name each of {sorted(have)} "
                "once, then optionally y and x"
            )
        if tail and list(self.storage_order[-2:]) != tail:
            raise ValueError("storage_order must end in y and x: frames stay whole")

    def _position_groups(self) -> list[tuple[Position, ...]]:
        if self.images is not None:
            return [tuple(image.position for image in self.images)]
        return [dim.positions for dim in self.dimensions if dim.kind == "position"]

    @property
    def height(self) -> int:
        """Rows of pixels in a frame."""
        return self.dimensions[-2].size or 0

    @property
    def width(self) -> int:
        """Pixels in a row of a frame."""
        return self.dimensions[-1].size or 0

    @property
    def samples(self) -> int:
        """Samples of a pixel: 3 for RGB, else 1."""
        return 3 if self.rgb else 1

    @property
    def frame_dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions that count frames: all but y and x, in acquisition order."""
        return self.dimensions[:-2]


def _check_wells(plate: Plate, groups: list[tuple[Position, ...]]) -> None:
    if not any(position.plate_row for group in groups for position in group):
        raise ValueError("a plate is given, but no position names a well of it")
    rows, columns = set(plate.rows), set(plate.columns)
    for group in groups:
        wells = [position for position in group if position.plate_row is not None]
        if wells and len(wells) < len(group):
            raise ValueError("a plate is given, but not every position names a well")
        for position in wells:
            if position.plate_row not in rows or position.plate_column not in columns:
                raise ValueError(
                    f"position {position.name!r} is in well "
                    f"{position.plate_row}{position.plate_column}, which plate {plate.name!r} "
                    "does not have"
                )


class EventOrder(Model):
    """The acquisition indices of all frames, in order of acquisition.

    Parameters
    ----------
    axes : sequence of str
        Names of the columns.
    rows : sequence of sequences of int
        One row a frame; -1 where the frame's index has no such axis. In JSON and YAML the
        rows are one text, ``"0 0 1,0 0 2"``.
    """

    axes: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]

    @field_validator("rows", mode="before")
    @classmethod
    def _rows_from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(tuple(map(int, row.split())) for row in value.split(",") if row)
        return value

    @field_serializer("rows", when_used="json")
    def _rows_to_text(self, rows: tuple[tuple[int, ...], ...]) -> str:
        return ",".join(" ".join(map(str, row)) for row in rows)

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        width = len(self.axes)
        if not width and self.rows:
            raise ValueError("rows need at least one axis")
        if any(len(row) != width for row in self.rows):
            raise ValueError(f"every row needs {width} values, one for each of {self.axes}")
        return self


class ImageSchema(Model):
    """One image, and which acquisition index leads to it.

    Parameters
    ----------
    at : mapping of str to int
        The part of the index that selects the image, such as ``{"p": 1, "g": 2}``.
    position : Position
        Where it is taken; its name and label are the image's.
    dimensions : sequence of Dimension
        Its own loops, positions and y, x left out. ``cam`` folds into the channels.
    camera : Camera | None
        What delivers its frames. None: frames are as the schema declares.
    repeats : int
        How often an index may be repeated at most. The k-th repeat goes to time ``t + k * T``, T
        being the size of ``t`` (1 without one): a frame never overwrites another.
    """

    at: dict[str, int] = Field(default_factory=dict)
    position: Position = Position()
    dimensions: tuple[Dimension, ...] = ()
    camera: Camera | None = None
    repeats: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _dimensions_are_axes(self) -> Self:
        _check_pixels(self.dimensions)
        names = [dim.name for dim in self.dimensions]
        if len(set(names)) < len(names):
            raise ValueError(f"dimension names repeat: {names}")
        for dim in self.dimensions:
            if dim.makes_images or dim.name in ("y", "x"):
                raise ValueError(f"dimension {dim.name!r} belongs to the schema, not to an image")
            if dim.size is None:
                raise ValueError(f"dimension {dim.name!r} of an image needs a size")
        return self


def _check_pixels(dimensions: Iterable[Dimension]) -> None:
    pixels = prod(dim.size or 1 for dim in dimensions)
    if pixels > _MAX_PIXELS:
        raise ValueError(f"{pixels} pixels are more than {_MAX_PIXELS}, the most in a store")
