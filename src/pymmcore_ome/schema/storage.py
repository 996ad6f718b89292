"""`StorageSchema`: what a store holds, declared before the first frame."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from .dimension import Dimension
from .model import Model
from .pixels import check_dtype
from .plate import Plate


class StorageSchema(Model):
    """The images, axes, sizes, channels and plate of one store.

    It says what exists, and by the order of its dimensions when each frame is expected. It
    knows no file, no backend and no acquisition library.

    Parameters
    ----------
    dimensions : sequence of Dimension
        In order of acquisition, slowest first, ending in ``y`` and ``x``.
    dtype : str
        numpy name of the pixel type.
    storage_order : ``"ome"`` | ``"acquisition"`` | sequence of str
        Order of the axes on disk: OME's (t, c, z, y, x), that of the acquisition, or the
        names in order (``y`` and ``x`` may be left out).
    plate : Plate | None
        The plate whose wells the positions name.
    compression : str | None
        Name, or ``"name:level"``. None: no compression.
    significant_bits : int | None
        Bits that carry signal. None: all bits of the dtype.

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
    significant_bits: int | None = None

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
        for number, dim in enumerate(self.dimensions):
            if dim.size is not None:
                continue
            if number > 0 or dim.kind in ("position", "camera"):
                raise ValueError(
                    f"dimension {dim.name!r} has no size; only the first dimension may be "
                    "unbounded, and neither positions nor cameras"
                )
            if dim.name in ("y", "x"):
                raise ValueError("y and x need a size")
        self._check_order()
        self._check_wells()
        return self

    def _check_order(self) -> None:
        if isinstance(self.storage_order, str):
            return
        asked = [name for name in self.storage_order if name not in ("y", "x")]
        tail = [name for name in self.storage_order if name in ("y", "x")]
        have = [d.name for d in self.dimensions[:-2] if d.kind not in ("position", "camera")]
        if sorted(asked) != sorted(have) or tail not in ([], ["y", "x"]):
            raise ValueError(
                f"storage_order {list(self.storage_order)} must name each of {have} once, "
                "then optionally y and x"
            )
        if tail and list(self.storage_order[-2:]) != tail:
            raise ValueError("storage_order must end in y and x: frames stay whole")

    def _check_wells(self) -> None:
        if self.plate is None:
            return
        positions = [p for dim in self.dimensions for p in dim.positions]
        if not any(p.plate_row for p in positions):
            raise ValueError("a plate is given, but no position names a well of it")
        rows, columns = set(self.plate.rows), set(self.plate.columns)
        for dim in self.dimensions:
            wells = [p for p in dim.positions if p.plate_row is not None]
            if wells and len(wells) < len(dim.positions):
                raise ValueError("a plate is given, but not every position names a well")
            for p in wells:
                if p.plate_row not in rows or p.plate_column not in columns:
                    raise ValueError(
                        f"position {p.name!r} is in well {p.plate_row}{p.plate_column}, "
                        f"which plate {self.plate.name!r} does not have"
                    )

    @property
    def height(self) -> int:
        """Rows of pixels in a frame."""
        return self.dimensions[-2].size or 0

    @property
    def width(self) -> int:
        """Pixels in a row of a frame."""
        return self.dimensions[-1].size or 0

    @property
    def frame_dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions that count frames: all but y and x, in acquisition order."""
        return self.dimensions[:-2]
