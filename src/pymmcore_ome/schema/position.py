"""`Position`: where one image was taken. A position never becomes an array axis."""

from __future__ import annotations

from typing import Any, Self

from pydantic import field_validator, model_validator

from .model import Model
from .names import check_alphanumeric, check_safe


class Position(Model):
    """One stage position, grid tile, or field of a well.

    Where a schema has several position dimensions (stage positions ``p`` and tiles ``g``),
    an image's position is their sum: coordinates add, and a coordinate that is None adds
    nothing.

    Parameters
    ----------
    name : str | None
        Unique within the store where it can be; made unique by a suffix otherwise. Must be
        safe as a file name. None: named by its number.
    label : str | None
        The user's own text for it, unrestricted, written to the documents. None: the name.
    x_um, y_um, z_um : float | None
        Stage coordinates in micrometers. None: not known.
    plate_row, plate_column : str | None
        The well, by the row's and column's names, e.g. ``"A"`` and ``"1"``.
    grid_row, grid_column : int | None
        The tile's place in its grid, counted from 0 at the top left.

    Raises
    ------
    UnsafeNameError
        If the name could leave the store (``"../evil"``, ``"a/b"``, ``"OME"``).
    """

    name: str | None = None
    label: str | None = None
    x_um: float | None = None
    y_um: float | None = None
    z_um: float | None = None
    plate_row: str | None = None
    plate_column: str | None = None
    grid_row: int | None = None
    grid_column: int | None = None

    @field_validator("name")
    @classmethod
    def _name_is_safe(cls, value: str | None) -> str | None:
        return value if value is None else check_safe(value, "Position")

    @field_validator("label")
    @classmethod
    def _label_is_text(cls, value: str | None) -> str | None:
        # half a surrogate pair is no text, and no document can hold it
        return value if value is None else value.encode("utf-8", "replace").decode()

    @field_validator("plate_row", "plate_column")
    @classmethod
    def _well_is_safe(cls, value: str | None) -> str | None:
        return value if value is None else check_alphanumeric(value, "Plate row or column")

    @model_validator(mode="after")
    def _well_and_tile_are_whole(self) -> Self:
        if (self.plate_row is None) != (self.plate_column is None):
            raise ValueError("plate_row and plate_column must be given together")
        if (self.grid_row is None) != (self.grid_column is None):
            raise ValueError("grid_row and grid_column must be given together")
        return self

    @classmethod
    def of(cls, value: Any) -> Position:
        """Make a position from a name, a mapping of fields, or a position."""
        if isinstance(value, Position):
            return value
        return cls.of_fields(value) if isinstance(value, dict) else cls(name=value)


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
