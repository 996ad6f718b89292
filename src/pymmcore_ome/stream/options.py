"""`StreamOptions`: how a stream treats its producer and the disk. Checked when it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from pymmcore_ome.errors import OptionError

WhenFull = Literal["block", "raise"]
Durability = Literal["process", "power"]

CHECKPOINT_S: Final = 5.0
STALL_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What `open_stream` was asked, beside what is stored.

    Raises
    ------
    OptionError
        On a value that is none of those listed with `open_stream`.
    """

    buffer_bytes: int
    when_full: WhenFull = "block"
    durability: Durability = "process"
    checkpoint_s: float = CHECKPOINT_S
    stall_s: float = STALL_S
    checksums: bool = True

    def __post_init__(self) -> None:
        _one_of("when_full", self.when_full, get_args(WhenFull))
        _one_of("durability", self.durability, get_args(Durability))
        _one_of("checksums", self.checksums, (True, False))
        if type(self.buffer_bytes) is not int or self.buffer_bytes < 1:
            raise OptionError(
                f"buffer_bytes must be a whole number from 1, got {self.buffer_bytes!r:.80}."
            )
        for name in ("checkpoint_s", "stall_s"):
            value = getattr(self, name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not 0 < value < math.inf:
                raise OptionError(f"{name} must be seconds above 0, got {value!r:.80}.")


def _one_of(name: str, value: Any, known: tuple[Any, ...]) -> None:
    if not any(type(value) is type(choice) and value == choice for choice in known):
        shown = ", ".join(repr(choice) for choice in known)
        raise OptionError(f"{name} must be one of {shown}, got {value!r:.80}.")
