"""`FrameRecord`: one line of the frame table, and JSON that never refuses."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray
from pydantic_core import to_json

#: Keys of a frame's metadata that have a column of their own; all other keys are kept as
#: they are, in the record's `metadata`.
COLUMNS: Final = ("delta_t_s", "exposure_ms", "x_um", "y_um", "z_um", "channel")
#: Where a frame's metadata says what was not as its event asked: a list of text.
NOT_AS_ASKED: Final = "not_as_asked"
_MAX_DEPTH: Final = 20


class FrameFacts(NamedTuple):
    """What is known of a frame beside its place, as it was when the frame was handed over.

    `metadata` is JSON already, so that nobody can change it afterwards and nothing in it can
    fail later.
    """

    columns: dict[str, float | str]
    event_index: dict[str, int] | None
    metadata: bytes

    @classmethod
    def of(cls, metadata: Mapping[str, Any] | None) -> FrameFacts:
        """Sort a frame's metadata into columns and the rest.

        A column's value that is no number (its own bad luck, not the frame's) stays in the
        rest, so that nothing is lost. ``event_index`` stands before the index that places
        the frame.
        """
        if not metadata:
            return cls({}, None, b"{}")
        rest = dict(metadata)
        columns: dict[str, float | str] = {}
        for key in COLUMNS:
            value = rest.get(key)
            if value is None:
                rest.pop(key, None)
            elif key == "channel":
                columns[key] = str(rest.pop(key))
            elif isinstance(value, (int, float, np.number)) and math.isfinite(
                number := _float(value)
            ):
                columns[key] = number
                del rest[key]
        index = rest.get("event_index")
        if isinstance(index, Mapping) and all(isinstance(v, int) for v in index.values()):
            index = {str(key): int(value) for key, value in rest.pop("event_index").items()}
        else:
            index = None
        return cls(columns, index, json_bytes(rest))


@dataclass(slots=True)
class FrameRecord:
    """One line of the frame table.

    Attributes
    ----------
    image : str
        Path of the image's group in the store.
    index : tuple of int
        Storage order, without Y and X.
    event_index : dict of str to int
        The index that the acquisition gave it.
    facts : FrameFacts
        Times, exposure, stage coordinates, channel, and whatever else the frame brought.
    arrival : int or None
        How many frames came before: lines are in the order in which chunks were down.
    checksum : str or None
        Of the pixels (`frame_checksum`), as they were handed over.
    """

    image: str
    index: tuple[int, ...]
    event_index: dict[str, int]
    facts: FrameFacts
    arrival: int | None = None
    checksum: str | None = None

    def to_line(self) -> bytes:
        """Return the record as one line of JSON, newline included."""
        row = {
            "image": self.image,
            "index": self.index,
            "event_index": self.event_index,
            **({} if self.arrival is None else {"arrival": self.arrival}),
            **({} if self.checksum is None else {"checksum": self.checksum}),
            **dict.fromkeys(COLUMNS),
            **self.facts.columns,
        }
        return json_bytes(row)[:-1] + b',"metadata":' + self.facts.metadata + b"}\n"


def json_bytes(value: Any, *, indent: int | None = None) -> bytes:
    """Return any value as strict JSON. It never refuses.

    What JSON cannot say is said otherwise: numpy values as numbers and lists, NaN and
    infinity as null, bytes as base64, half a surrogate pair escaped, anything else as its
    text.
    """
    try:
        return _encode(value, indent)
    except (ValueError, TypeError, RecursionError):
        return _encode(_sayable(value, _MAX_DEPTH), indent)


def _encode(value: Any, indent: int | None) -> bytes:
    return to_json(value, indent=indent, inf_nan_mode="null", bytes_mode="base64", fallback=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return _text(value)


def _sayable(value: Any, depth: int) -> Any:
    """Return the value with every part in a form that JSON has, however odd it was."""
    if depth == 0:
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(k): _sayable(v, depth - 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_sayable(v, depth - 1) for v in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    try:
        return json.loads(_encode(value, None))
    except (ValueError, TypeError, RecursionError):
        return _text(value)


def _text(value: Any) -> str:
    try:
        text = str(value)
    except Exception as error:  # an object that cannot say what it is: its type can
        text = f"<{type(value).__name__}: {type(error).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def frame_checksum(frame: NDArray[Any]) -> str:
    """Return the checksum of a frame, 16 hexadecimal digits."""
    if sys.byteorder == "big":
        frame = frame.astype(frame.dtype.newbyteorder("<"))
    return xxhash.xxh3_64_hexdigest(memoryview(np.ascontiguousarray(frame)))  # type: ignore[arg-type]
