"""`Plate`: the rows and columns of a multi-well plate, also those without images."""

from __future__ import annotations

from pydantic import field_validator

from .model import Model
from .names import check_alphanumeric


class Plate(Model):
    """A multi-well plate. All physical rows and columns are listed, empty wells too.

    Parameters
    ----------
    name : str | None
        Any text.
    rows, columns : sequence of str
        Names in order, letters and digits only: ``["A", "B"]``, ``["1", "2", "3"]``.
        They become paths (``A/1/0``), so two that differ only by case are refused.
    """

    name: str | None = None
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    def __init__(self, name: str | None = None, **fields: object) -> None:
        super().__init__(name=name, **fields)

    @field_validator("rows", "columns")
    @classmethod
    def _names_are_safe(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if not values:
            raise ValueError("a plate has at least one row and one column")
        for value in values:
            check_alphanumeric(value, "Plate row or column")
        if len({value.casefold() for value in values}) < len(values):
            raise ValueError("names repeat (upper and lower case are the same to Windows)")
        return values
