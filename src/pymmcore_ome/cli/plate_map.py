"""The wells of a plate as a small map for a terminal. It only draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from rich.text import Text

from pymmcore_ome.schema import Plate

#: The state of a well: with all its frames, some, or none; or planned, before a run.
Filled = Literal["all", "some", "none", "planned"]
_SIGNS: Final = {"all": "●", "some": "◐", "none": "○", "planned": "●", "unused": "·"}
_ASCII_SIGNS: Final = {"all": "#", "some": "+", "none": "o", "planned": "#", "unused": "."}
_STYLES: Final = {
    "all": "green",
    "some": "yellow",
    "none": "red",
    "planned": "cyan",
    "unused": "dim",
}
_WORDS: Final = {
    "all": "all frames",
    "some": "some missing",
    "none": "no frame",
    "planned": "to be acquired",
}


def plate_map(
    plate: Plate, wells: Mapping[tuple[str, str], Filled], width: int, *, ascii_only: bool = False
) -> Text:
    """Return a plate's wells as rows of signs, with a legend of the signs used.

    Parameters
    ----------
    plate : Plate
    wells : mapping of (row, column) names to states
        Other wells are not part of the run.
    width : int
        Available characters; the columns move together if the plate is wide.
    ascii_only : bool
        For terminals that show only ASCII.
    """
    signs = _ASCII_SIGNS if ascii_only else _SIGNS
    margin = max(map(len, plate.rows)) + 1
    longest = max(map(len, plate.columns))
    step = next((n for n in (longest + 1, 2) if margin + n * len(plate.columns) <= width), 1)
    lines = [_header(plate, margin, step, longest)]
    for row in plate.rows:
        line = Text(row.rjust(margin - 1) + " ", style="bold")
        for column in plate.columns:
            filled = wells.get((row, column), "unused")
            line.append(signs[filled].rjust(step), style=_STYLES[filled])
        lines.append(line)
    used = [name for name in _WORDS if name in wells.values()]
    legend = Text(" " * margin)
    for name in used:
        legend.append(f" {signs[name]}", style=_STYLES[name])
        legend.append(f" {_WORDS[name]} ", style="dim")
    return Text("\n", end="").join([*lines, legend])


def _header(plate: Plate, margin: int, step: int, longest: int) -> Text:
    """Return the column names, or every fifth one if there is little space."""
    if step > longest:
        return Text(" " * margin + "".join(c.rjust(step) for c in plate.columns), style="bold")
    cells = [" "] * (step * len(plate.columns))
    for number in (0, *range(4, len(plate.columns), 5)):
        name = plate.columns[number]
        end = min(len(cells), max((number + 1) * step, len(name)))
        cells[end - len(name) : end] = name
    return Text(" " * margin + "".join(cells), style="bold")
