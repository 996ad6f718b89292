"""`Camera`: what one camera delivers, so that a frame can be checked against it."""

from __future__ import annotations

import math
from typing import Final, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from .model import Model


class Camera(Model):
    """One camera and the frames it delivers.

    Parameters
    ----------
    name : str
        The device label.
    height, width : int
        Pixels of one frame, ROI and binning applied.
    dtype : str
        numpy name, e.g. ``"uint16"``.
    rgb : bool
        Frames are (height, width, 3).
    significant_bits : int | None
        Bits that carry signal (12 in a 16-bit pixel). None: all of them.
    pixel_size_um : float | None
        Micrometers a pixel of this camera. None: as the acquisition has it.
    """

    name: str = Field(min_length=1)
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    dtype: str
    rgb: bool = False
    significant_bits: int | None = Field(default=None, ge=1, le=64)
    pixel_size_um: float | None = Field(default=None, gt=0, lt=math.inf)

    def __init__(
        self,
        name: str,
        height: int,
        width: int,
        dtype: object,
        rgb: bool = False,
        **fields: object,
    ) -> None:
        super().__init__(name=name, height=height, width=width, dtype=dtype, rgb=rgb, **fields)

    @field_validator("dtype", mode="before")
    @classmethod
    def _dtype_is_known(cls, value: object) -> str:
        return check_dtype(value)

    @model_validator(mode="after")
    def _bits_fit(self) -> Self:
        check_bits(self.significant_bits, self.dtype)
        return self

    @property
    def kind(self) -> tuple[int, int, str, bool, float | None]:
        """What frames must have in common to be planes of one image."""
        return self.height, self.width, self.dtype, self.rgb, self.pixel_size_um


#: The numpy dtypes that OME-XML's PixelType can name (2016-06 schema), complex and bit aside.
PIXEL_DTYPES: Final = (
    "uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64",
)  # fmt: skip


def check_dtype(value: object) -> str:
    """Return the dtype's plain numpy name, or raise ValueError when it cannot be stored."""
    try:
        name = "" if value is None else np.dtype(value).name  # type: ignore[call-overload]
    except (TypeError, ValueError, SyntaxError):
        name = ""
    if name not in PIXEL_DTYPES:
        raise ValueError(f"expected one of {', '.join(PIXEL_DTYPES)}")
    return str(name)


def check_bits(significant_bits: int | None, dtype: str) -> None:
    """Raise ValueError when a pixel has fewer bits than the declared significant bits."""
    bits = np.dtype(dtype).itemsize * 8
    if significant_bits is not None and significant_bits > bits:
        raise ValueError(f"significant_bits is {significant_bits}, {dtype} has {bits}")
