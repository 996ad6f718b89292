"""`Dimension`: one loop of the acquisition, with its coordinates and storage hints."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from .camera import Camera
from .channel import Channel
from .model import Model
from .position import Position
from .units import check_unit

Kind = Literal["time", "channel", "space", "position", "camera", "other"]

_KINDS: Final[dict[str, Kind]] = {
    "t": "time", "c": "channel", "z": "space", "y": "space", "x": "space",
    "p": "position", "g": "position", "cam": "camera",
}  # fmt: skip


class Dimension(Model):
    """One dimension of an acquisition.

    Parameters
    ----------
    name : str
        ``t``, ``c``, ``z``, ``y``, ``x``; ``p`` (stage positions) and ``g`` (grid tiles),
        which become images of their own; ``cam``, which folds into the channels, unless its
        cameras differ in frame size or dtype: then each has images of its own; or any other
        word for an axis of the user's.
    size : int | None
        Number of coordinates. Taken from `coords` where those are given. None without
        coords: unbounded, it grows as frames arrive (the first dimension only).
    coords : sequence | None
        For ``p`` and ``g`` names or `Position`; for ``c`` names or `Channel`; for ``cam``
        names or `Camera`; otherwise numbers in `unit` (times, z positions) where steps are
        not even.
    scale : float | None
        Distance between neighbors in `unit`. Negative where the coordinate falls as the
        index rises. None: not known, or not even.
    origin : float | None
        Coordinate of index 0 in `unit`; the image's position is added to it.
    unit : str | None
        NGFF unit name, e.g. ``"micrometer"`` or ``"second"``; short forms such as ``"um"``
        and ``"ms"`` are understood.
    chunk_size, shard_size : int | None
        In elements along this dimension. None: chosen by the package.
    """

    name: str
    size: int | None = Field(default=None, ge=1)
    coords: (
        tuple[Position, ...]
        | tuple[Channel, ...]
        | tuple[Camera, ...]
        | tuple[float, ...]
        | tuple[str, ...]
        | None
    ) = None
    scale: float | None = None
    origin: float | None = None
    unit: str | None = None
    chunk_size: int | None = Field(default=None, ge=1)
    shard_size: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        fields = dict(fields)
        coords = fields.get("coords")
        if coords is None:
            return fields
        if isinstance(coords, str) or not isinstance(coords, Iterable):
            raise ValueError("coords must be a sequence, not one text or number")
        coords = list(coords)
        kind = _KINDS.get(str(fields.get("name")))
        if kind == "position":
            coords = [Position.of(value) for value in coords]
        elif kind == "channel":
            coords = [Channel.of(value) for value in coords]
        elif kind == "camera" and not all(isinstance(value, str) for value in coords):
            coords = [_camera(value) for value in coords]
        elif kind in ("time", "space") or not all(isinstance(v, str) for v in coords):
            coords = [_number(value) for value in coords]
        if not coords:
            raise ValueError("coords must not be empty")
        size = fields.get("size")
        if size is not None and size != len(coords):
            raise ValueError(f"size is {size}, but there are {len(coords)} coords")
        return {**fields, "coords": tuple(coords), "size": len(coords)}

    @field_validator("name")
    @classmethod
    def _name_is_a_word(cls, value: str) -> str:
        if not re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,31}", value):
            raise ValueError("expected a word of letters, digits and '_'")
        return value

    @field_validator("scale")
    @classmethod
    def _scale_is_not_zero(cls, value: float | None) -> float | None:
        if value == 0:
            raise ValueError("a scale of 0 maps every index to one place; use None")
        return value

    @model_validator(mode="before")
    @classmethod
    def _unit_is_known(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and isinstance(fields.get("unit"), str):
            kind = _KINDS.get(str(fields.get("name")), "other")
            return {**fields, "unit": check_unit(kind, fields["unit"])}
        return fields

    @property
    def kind(self) -> Kind:
        """What the dimension stands for, by its name."""
        return _KINDS.get(self.name, "other")

    @property
    def makes_images(self) -> bool:
        """Whether each of its coordinates has images of its own."""
        return self.kind == "position" or len({camera.kind for camera in self.cameras}) > 1

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """The cameras along ``cam``, where more than their names is known."""
        return tuple(c for c in self.coords or () if isinstance(c, Camera))

    @property
    def positions(self) -> tuple[Position, ...]:
        """The positions along ``p`` or ``g``; unnamed ones where only a size was given."""
        if self.kind != "position":
            return ()
        found = tuple(c for c in self.coords or () if isinstance(c, Position))
        return found or tuple(Position() for _ in range(self.size or 0))

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels along ``c``; numbered ones where only a size was given."""
        if self.kind != "channel":
            return ()
        found = tuple(c for c in self.coords or () if isinstance(c, Channel))
        return found or tuple(Channel(name=f"Channel {n}") for n in range(self.size or 0))


def _camera(value: Any) -> Camera:
    return value if isinstance(value, Camera) else Camera.of_fields(value)


def _number(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, (str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"coordinate {value!r} is not a finite number")
    return number
