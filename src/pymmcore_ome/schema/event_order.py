"""`EventOrder`: when each frame is expected, event by event, where no loops can say it."""

from __future__ import annotations

from typing import Any, Self

from pydantic import field_serializer, field_validator, model_validator

from .model import Model


class EventOrder(Model):
    """The acquisition indices of all frames, in order of acquisition.

    Parameters
    ----------
    axes : sequence of str
        Names of the columns.
    rows : sequence of sequences of int
        One row a frame; -1 where the frame's index has no such axis. In JSON and YAML the
        rows are one text, ``"0 0 1,0 0 2"``.
    """

    axes: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]

    @field_validator("rows", mode="before")
    @classmethod
    def _rows_from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(tuple(map(int, row.split())) for row in value.split(",") if row)
        return value

    @field_serializer("rows", when_used="json")
    def _rows_to_text(self, rows: tuple[tuple[int, ...], ...]) -> str:
        return ",".join(" ".join(map(str, row)) for row in rows)

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        width = len(self.axes)
        if not width and self.rows:
            raise ValueError("rows need at least one axis")
        if any(len(row) != width for row in self.rows):
            raise ValueError(f"every row needs {width} values, one for each of {self.axes}")
        return self
