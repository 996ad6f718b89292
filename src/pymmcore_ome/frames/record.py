"""`FrameRecord`: one line of the frame table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from pydantic_core import to_json

#: Keys of a frame's metadata that have a column of their own; all other keys are kept as
#: they are, in the record's `metadata`.
COLUMNS: Final = ("delta_t_s", "exposure_ms", "x_um", "y_um", "z_um", "channel")


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """What is known of one frame that was stored.

    Attributes
    ----------
    image : str
        Path of the image's group in the store.
    index : tuple of int
        Storage order, without Y and X.
    event_index : dict of str to int
        The index that the acquisition gave it.
    delta_t_s : float | None
        Seconds since the acquisition began.
    exposure_ms, x_um, y_um, z_um : float | None
        Milliseconds, and stage micrometres.
    channel : str | None
    metadata : dict
        Whatever else the frame brought.
    """

    image: str
    index: tuple[int, ...]
    event_index: dict[str, int]
    delta_t_s: float | None = None
    exposure_ms: float | None = None
    x_um: float | None = None
    y_um: float | None = None
    z_um: float | None = None
    channel: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        image: str,
        index: tuple[int, ...],
        event_index: Mapping[str, int],
        channel: str | None,
        metadata: Mapping[str, Any] | None,
    ) -> FrameRecord:
        """Make a record, sorting the metadata into the columns and the rest.

        ``event_index`` in the metadata stands before the index that placed the frame. A
        column's value that is no number (its own bad luck, not the frame's) stays in
        `metadata`, so that nothing is lost.
        """
        rest = dict(metadata or {})
        event_index = rest.pop("event_index", event_index)
        columns: dict[str, Any] = {"channel": channel}
        for key in COLUMNS:
            if rest.get(key) is None:
                rest.pop(key, None)
            elif key == "channel":
                columns[key] = str(rest.pop(key))
            elif isinstance(rest[key], (int, float, np.number)):
                columns[key] = float(rest.pop(key))
        return cls(
            image=image,
            index=index,
            event_index={str(key): int(value) for key, value in event_index.items()},
            metadata=rest,
            **columns,
        )

    def to_line(self) -> bytes:
        """Return the record as one line of JSON, newline included.

        What JSON cannot say is said otherwise, never refused: numpy values as numbers and
        lists, NaN and infinity as null, bytes as base64, anything else as its text.
        """
        row = {name: getattr(self, name) for name in self.__slots__}
        return json_bytes(row) + b"\n"


def json_bytes(value: Any, *, indent: int | None = None) -> bytes:
    """Return any value as strict JSON, as `FrameRecord.to_line` describes."""
    return to_json(
        value,
        indent=indent,
        inf_nan_mode="null",
        bytes_mode="base64",
        fallback=_plain,
        serialize_unknown=True,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return str(value)
