"""`Channel`: one entry of the channel axis, and the color it is shown in."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from .model import Model


class Channel(Model):
    """One channel.

    Parameters
    ----------
    name : str
        Any text. It is written to the documents only, never used as a path.
    color : str | None
        ``"#RRGGBB"`` or ``"RRGGBB"``. None: chosen from the name, else by order.
    group : str | None
        The Micro-Manager configuration group that the preset belongs to.
    exposure_ms : float | None
        Exposure in milliseconds.
    excitation_nm, emission_nm : float | None
        Wavelengths in nanometers.
    fluorophore : str | None
        Name of the dye.
    z_offset_um : float
        Micrometers by which its planes are above those of the z axis.
    every : int
        Acquired at every n-th time point only, beginning with the first.
    plane : int | None
        Acquired at this z index only. None: at all.
    camera : str | None
        Name of the camera that takes it. None: not known, or the only one.
    """

    name: str = Field(min_length=1)
    color: str | None = None
    group: str | None = None
    exposure_ms: float | None = Field(default=None, ge=0)
    excitation_nm: float | None = Field(default=None, gt=0)
    emission_nm: float | None = Field(default=None, gt=0)
    fluorophore: str | None = None
    z_offset_um: float = 0.0
    every: int = Field(default=1, ge=1)
    plane: int | None = Field(default=None, ge=0)
    camera: str | None = None

    @field_validator("color")
    @classmethod
    def _color_is_hex(cls, value: str | None) -> str | None:
        if value is None:
            return None
        digits = value.removeprefix("#").upper()
        if not re.fullmatch("[0-9A-F]{6}", digits):
            raise ValueError("expected six hexadecimal digits such as '#00FF00'")
        return f"#{digits}"

    @classmethod
    def of(cls, value: Any) -> Channel:
        """Make a channel from a name, a mapping of fields, or a channel."""
        if isinstance(value, Channel):
            return value
        return cls.of_fields(value) if isinstance(value, dict) else cls(name=value)
