"""`Camera`: what one camera delivers, so that a frame can be checked against it."""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, field_validator, model_validator

from .model import Model
from .pixels import check_bits, check_dtype


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
        Micrometres a pixel of this camera. None: as the acquisition has it.
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
