"""Names and paths of images: unique, stable, and nothing a user typed becomes a path."""

from __future__ import annotations

from collections.abc import Sequence

from pymmcore_ome.schema import Camera, Position, safe_name


def combine(parts: Sequence[Position]) -> Position:
    """Return the position that several position dimensions select together.

    Coordinates add; one that is None adds nothing. Wells and grid places come from the
    part that has them.
    """
    if len(parts) <= 1:
        return parts[0] if parts else Position()
    fields: dict[str, object] = {}
    for part in parts:
        for key, value in part:
            if value is None or key in ("name", "label"):
                continue
            total = fields.get(key)
            fields[key] = total + value if isinstance(total, float) else value
    return Position.model_construct(**fields)  # type: ignore[arg-type]  # parts were validated


def name_of(camera: Camera) -> Position:
    """Return a camera's name as that of a place, safe, the user's own text as its label."""
    return Position(name=safe_name(camera.name), label=camera.name)


def image_name(parts: Sequence[tuple[str, int, Position]]) -> tuple[str, str]:
    """Return an image's name and label from (axis, index, position) of its selectors.

    A position without a name is ``Pos0``, a tile ``0000``, by its index.
    """
    names, labels = [], []
    for axis, index, part in parts:
        fallback = f"Pos{index}" if axis == "p" else f"{index:04d}"
        names.append(part.name or fallback)
        labels.append(part.label or part.name or fallback)
    return "_".join(names) or "Pos0", "_".join(labels) or "Pos0"


class UniqueNames:
    """Hands out names that differ from all before, also where case does not count."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def claim(self, name: str) -> str:
        """Return the name, with the lowest free ``_1``, ``_2``, … when it is taken."""
        key = name.casefold()
        unique = name
        while unique.casefold() in self._taken:
            self._counts[key] = self._counts.get(key, 0) + 1
            unique = f"{name}_{self._counts[key]}"
        self._taken.add(unique.casefold())
        return unique


class GroupPaths:
    """Group paths by the NGFF layouts: the root, ``0, 1, …``, or ``row/column/field``.

    With `named`, for a format without groups, an image's path is its name.
    """

    def __init__(self, *, single: bool, plate: bool, named: bool) -> None:
        self._named = named
        self._single = single and not plate
        self._fields: dict[tuple[str, str], int] | None = {} if plate else None
        self._next = 0

    def claim(
        self, name: str, position: Position
    ) -> tuple[str, tuple[str, str] | None, int | None]:
        """Return the next image's path, its well, and its field number."""
        if self._fields is not None:
            well = (position.plate_row or "", position.plate_column or "")
            field = self._fields.get(well, 0)
            self._fields[well] = field + 1
            return name if self._named else f"{well[0]}/{well[1]}/{field}", well, field
        if self._named:
            return name, None, None
        number = self._next
        self._next += 1
        return ("" if self._single else str(number)), None, None
