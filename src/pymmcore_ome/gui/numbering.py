"""Numbers in names, so that no acquisition overwrites another. It makes nothing on disk."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_NUMBERED: Final = re.compile(r"(?P<base>.*\S)_(?P<number>\d{3,9})")


def split_number(name: str) -> tuple[str, int]:
    """Return a name without its number, and the number, 1 where it has none.

    Examples
    --------
    >>> split_number("cells_007"), split_number("cells")
    (('cells', 7), ('cells', 1))
    """
    found = _NUMBERED.fullmatch(name)
    return (found["base"], int(found["number"])) if found else (name, 1)


def next_path(folder: Path, name: str, suffix: str) -> Path:
    """Return the path of the next acquisition of a name: one above all that are there.

    Everything with the name and a number counts, of whatever format, hidden or in other
    letter case: a number is not used twice for different things.

    Parameters
    ----------
    folder : Path
        Need not exist.
    name : str
        A number at its end is the least that is used.
    suffix : str
        Such as ``".ome.zarr"``.

    Raises
    ------
    OSError
        When the folder cannot be listed.
    """
    base, number = split_number(name)
    taken = re.compile(rf"\.?{re.escape(base)}_(\d+)(?!\d).*", re.IGNORECASE | re.DOTALL)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if found := taken.fullmatch(entry.name):
                    number = max(number, int(found[1]) + 1)
    except FileNotFoundError:
        pass  # it will be made
    return folder / f"{base}_{number:03d}{suffix}"
