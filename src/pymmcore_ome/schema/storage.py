"""`StorageSchema`: what a store holds, declared before the first frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from .dimension import Dimension
from .event_order import EventOrder
from .image_plan import ImagePlan
from .instrument import Instrument
from .model import Model
from .pixels import check_bits, check_dtype
from .plate import Plate
from .position import Position


class StorageSchema(Model):
    """The images, axes, sizes, channels and plate of one store.

    It says what exists, and when each frame is expected. It knows no file, no backend and no
    acquisition library. Two forms:

    - **a loop nest**: `dimensions` in order of acquisition; every image has the same axes.
    - **images of their own**: `images` lists them, each with its own dimensions, `dimensions`
      is y and x alone, and `order` says when frames come.

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
    images : sequence of ImagePlan | None
        In order of first visit.
    order : EventOrder | None
        With `images`. None: frames can only be placed by index.
    grows : bool
        Nobody knows how many frames come: every dimension may lack a size, an image is made
        when its first frame comes, and frames are placed by index. `images` then is what
        came, written at the end.

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
    images: tuple[ImagePlan, ...] | None = None
    order: EventOrder | None = None
    grows: bool = False

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

    def _check_images(self) -> None:
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
