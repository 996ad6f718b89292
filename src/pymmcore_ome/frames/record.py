"""`FrameRecord`: one line of the frame table, and JSON that never refuses."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xxhash
from numpy.typing import NDArray
from pydantic_core import to_json

from .plane_metadata import PLANE_COLUMNS

#: Keys of a frame's metadata that have a column of their own; all other keys are kept as
#: they are, in the record's `metadata`.
COLUMNS: Final = (*PLANE_COLUMNS, "channel")
#: Where a frame's metadata lists the settings that were not applied: a list of text.
NOT_AS_ASKED: Final = "not_as_asked"
_MAX_DEPTH: Final = 20
_NAN: Final = math.nan


class FrameRecord:
    """One line of the frame table. Made when a frame is handed over.

    It is JSON from then on, so that it cannot change, and nothing in it can fail later.

    Parameters
    ----------
    image : str
        Path of the image's group in the store.
    index : tuple of int
        Storage order, without Y and X.
    event_index : dict of str to int
        The index that the acquisition gave it; ``event_index`` in the metadata goes before.
    metadata : mapping or None
        Sorted into `COLUMNS` and the rest. A column's value that is no finite number stays
        in the rest, so that nothing is lost.
    arrival : int or None
        How many frames arrived earlier: lines are in the order in which frames were written.
    channel : str or None
        The name of its channel, where the metadata has none.

    Attributes
    ----------
    numbers : tuple of float
        `PLANE_COLUMNS`; NaN where a value is not known.
    note : bytes
        The metadata that have no column, as JSON.
    checksum : str or None
        Of the pixels (`frame_checksum`), as they were handed over.
    """

    __slots__ = ("_json", "checksum", "image", "index", "note", "numbers")

    def __init__(
        self,
        image: str,
        index: tuple[int, ...],
        event_index: dict[str, int],
        metadata: Mapping[str, Any] | None = None,
        *,
        arrival: int | None = None,
        channel: str | None = None,
    ) -> None:
        self.image = image
        self.index = index
        self.checksum: str | None = None
        row: dict[str, Any] = {"image": image, "index": index, "event_index": event_index}
        if arrival is not None:
            row["arrival"] = arrival
        rest = dict(metadata) if metadata else {}
        numbers = []
        for key in PLANE_COLUMNS:
            value = rest.pop(key, None)
            number = value if type(value) is float else _number(value)
            if number - number == 0.0:  # finite
                row[key] = number
            else:
                row[key], number = None, _NAN
                if value is not None:
                    rest[key] = value
            numbers.append(number)
        self.numbers = tuple(numbers)
        value = rest.pop("channel", None)
        row["channel"] = channel if value is None else str(value)
        if "event_index" in rest:
            given = rest["event_index"]
            if isinstance(given, Mapping) and all(isinstance(v, int) for v in given.values()):
                row["event_index"] = {str(key): int(value) for key, value in given.items()}
                del rest["event_index"]
        self.note = json_bytes(rest)
        self._json = b'%b,"metadata":%b}' % (json_bytes(row)[:-1], self.note)

    @classmethod
    def of_row(cls, row: Mapping[str, Any], **changed: Any) -> FrameRecord:
        """Return a record as `read_table` yielded it, with other values for some columns."""
        record = cls.__new__(cls)
        row = {**row, **changed}
        record.checksum = row.pop("checksum", None)
        record.image, record.index = row["image"], tuple(row["index"])
        record.numbers = tuple(_number(row.get(key)) for key in PLANE_COLUMNS)
        record.note = json_bytes(row.get("metadata") or {})
        record._json = json_bytes(row)
        return record

    def to_line(self) -> bytes:
        """Return the record as one line of JSON, newline included."""
        if self.checksum is None:
            return self._json + b"\n"
        return b'%b,"checksum":"%b"}\n' % (self._json[:-1], self.checksum.encode())


def json_bytes(value: Any, *, indent: int | None = None) -> bytes:
    """Return any value as strict JSON. It never refuses.

    What JSON does not have is replaced: numpy values as numbers and lists, NaN and
    infinity as null, bytes as base64, half a surrogate pair escaped, anything else as its
    text.
    """
    try:
        return _encode(value, indent)
    except (ValueError, TypeError, RecursionError):
        return _encode(_jsonable(value, _MAX_DEPTH), indent)


def _encode(value: Any, indent: int | None) -> bytes:
    return to_json(value, indent=indent, inf_nan_mode="null", bytes_mode="base64", fallback=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return _text(value)


def _jsonable(value: Any, depth: int) -> Any:
    """Return the value with every part in a form that JSON has, however odd it was."""
    if depth == 0:
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(k): _jsonable(v, depth - 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_jsonable(v, depth - 1) for v in value]
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


def _number(value: Any) -> float:
    """Return a value as a float; NaN if it has none."""
    if not isinstance(value, (int, float, np.number)):
        return _NAN
    try:
        return float(value)
    except (OverflowError, TypeError):
        return _NAN


def frame_checksum(frame: NDArray[Any]) -> str:
    """Return the checksum of a frame, 16 hexadecimal digits."""
    if sys.byteorder == "big":
        frame = frame.astype(frame.dtype.newbyteorder("<"))
    return xxhash.xxh3_64_hexdigest(memoryview(np.ascontiguousarray(frame)))  # type: ignore[arg-type]
