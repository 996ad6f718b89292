"""What is wrong with the fields of a sequence, and where in the file. It reads no file.

A field of a sequence may be one of several kinds of plan. pydantic reports what is wrong with
each of them; a person wants to hear of the one that was meant: whose fields were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

import useq
from pydantic import BaseModel, ValidationError

Where = tuple[str | int, ...]
#: Where in the file, and what is wrong there.
Problem = tuple[Where, str]

#: The field that each axis runs through.
_PLANS: Final = {
    "t": "time_plan", "p": "stage_positions", "g": "grid_plan", "c": "channels", "z": "z_plan",
}  # fmt: skip
#: Fields that hold whatever the user likes.
_FREE: Final = {"metadata"}
_WELL: Final = re.compile(r"([A-Za-z])0*([1-9]\d?)")


def nearest_problems(error: ValidationError, fields: Mapping[str, Any]) -> list[Problem]:
    """Return what pydantic found, of each field only for the kind of plan that was meant."""
    tried: dict[Where, dict[tuple[Any, ...], list[Problem]]] = {}
    for item in error.errors():
        where, field, kind = _located(item, fields)
        text = str(item.get("ctx", {}).get("error") or item["msg"])
        given = item["input"]
        if where == ("stage_positions",) and isinstance(given, Mapping):
            for place, problem in plate_problems(given):
                tried.setdefault((*where, *place), {}).setdefault((), []).append(
                    ((*where, *place), problem)
                )
            continue
        if item["type"] == "missing":
            text = "is missing" + _misspelt(str(where[-1]), given)
        elif item["type"].startswith("time_delta"):
            text = f"expected seconds, such as 0.5, or {{minutes: 5}} (got {given!r:.80})"
        elif item["loc"] == ("axis_order",):
            text = f"expected some of t, p, g, c, z, each once, slowest first (got {given!r:.80})"
        elif not isinstance(given, (dict, list)):
            text = f"{text} (got {given!r:.80})"
        tried.setdefault(field, {}).setdefault(kind, []).append((where, text))
    return [
        problem
        for field, kinds in tried.items()
        if not any(len(other) > len(field) and other[: len(field)] == field for other in tried)
        for problem in min(
            kinds.items(), key=lambda found: (_distance(found[0], _at(fields, field)), found[1])
        )[1]
    ]


def unknown_fields(given: Any, made: Any, where: Where = ()) -> Iterator[Problem]:
    """Yield the fields of a file that have no place in the sequence that was made of it."""
    if isinstance(given, Mapping) and isinstance(made, BaseModel):
        known = list(type(made).model_fields)
        unknown = [key for key in given if key not in known]
        if unknown and (meant := _as_meant(given)):
            yield from (((*where, *place), text) for place, text in meant)
            return
        for key in unknown:
            near = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it may be {', '.join(known)}"
            yield (*where, key), f"there is no such field; {hint}"
        for key in given:
            if key in known and key not in _FREE:
                yield from unknown_fields(given[key], getattr(made, key), (*where, key))
    elif isinstance(given, list):
        parts = getattr(made, "phases", made)  # a list of times is a plan of phases
        if isinstance(parts, (list, tuple)) and len(parts) == len(given):
            for number, (value, part) in enumerate(zip(given, parts, strict=True)):
                yield from unknown_fields(value, part, (*where, number))


def left_out(sequence: useq.MDASequence, of: str = "") -> Iterator[str]:
    """Yield each plan that is given and never run, because the axis order leaves its axis out."""
    axes = [str(axis) for axis in sequence.axis_order]
    for axis, field in _PLANS.items():
        if getattr(sequence, field) and axis not in axes:
            yield (
                f"{of}{field} is given, but axis_order {''.join(axes)!r} leaves {axis!r} out, so "
                "it is not run."
            )
    for number, position in enumerate(sequence.stage_positions):
        if position.sequence is not None:
            yield from left_out(position.sequence, f"stage_positions[{number}].sequence.")


def plate_problems(given: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with fields that were written where positions or a plate stand.

    useq itself only says that they are no plate.
    """
    if not set(given) & set(useq.WellPlatePlan.model_fields):
        return [((), "expected a list of positions, such as [{x: 0, y: 0}], or a plate")]
    try:
        useq.WellPlatePlan.model_validate(given)
    except ValidationError as error:
        found = dict(nearest_problems(error, given))
    else:
        return [((), "this is no plate that useq takes")]
    plate = given.get("plate")
    if ("plate",) in found and isinstance(plate, str):
        known = sorted(map(str, useq.registered_well_plate_keys()))
        near = get_close_matches(plate, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        found[("plate",)] = f"there is no plate {plate!r} ({hint}plates: {', '.join(known)})"
        found.pop(("selected_wells",), None)  # which cannot be judged without the plate
    if ("selected_wells",) in found and (meant := _wells_by_number(given["selected_wells"])):
        found[("selected_wells",)] = (
            f"wells are given by row and column, counted from 0: expected {meant}"
        )
    return list(found.items())


def _wells_by_number(wells: Any) -> str | None:
    """Return names of wells, such as A1, as useq wants them; None where they are no names."""
    names = wells if isinstance(wells, list) else [wells]
    matches = [_WELL.fullmatch(name) if isinstance(name, str) else None for name in names]
    found = [match for match in matches if match is not None]
    if not names or len(found) < len(names):
        return None
    rows = [ord(match[1].upper()) - ord("A") for match in found]
    return f"[{rows}, {[int(match[2]) - 1 for match in found]}]"


def _misspelt(missing: str, given: Any) -> str:
    """Say which of the fields that were written may be the missing one, if one is like it."""
    near = get_close_matches(missing, given, n=1) if isinstance(given, Mapping) else []
    return f"; is {near[0]!r} meant to be it?" if near and near[0] != missing else ""


def _located(
    item: Mapping[str, Any], fields: Mapping[str, Any]
) -> tuple[Where, Where, tuple[Any, ...]]:
    """Split where pydantic saw a problem: the place, the field that was tried, and as what kind."""
    where: list[str | int] = []
    field: Where | None = None
    kind: list[Any] = []
    here: Any = fields
    loc = item["loc"]
    for number, part in enumerate(loc):
        if isinstance(here, list) and isinstance(part, str):  # useq leaves the number out
            holders = [
                n
                for n, one in enumerate(here)
                if isinstance(one, Mapping) and part in one and _leads(one, loc[number:], item)
            ]
            if len(holders) == 1:
                where.append(holders[0])
                here = here[holders[0]]
        is_key = isinstance(here, Mapping) and part in here
        if is_key or (isinstance(here, list) and isinstance(part, int) and part < len(here)):
            where.append(part)
            here = here[part]
        elif item["type"] == "missing" and number == len(loc) - 1:
            where.append(part)
        else:
            field = tuple(where)
            kind.append(part)
    return tuple(where), tuple(where) if field is None else field, tuple(kind)


def _leads(one: Any, loc: tuple[str | int, ...], item: Mapping[str, Any]) -> bool:
    """Whether following a location ends at the value that pydantic complained of."""
    for part in loc:
        if isinstance(one, list) and isinstance(part, str):
            return True  # numbers are left out further in, too
        try:
            one = one[part]
        except (LookupError, TypeError):
            return False
    return one is item["input"] or one == item["input"]


def _at(fields: Any, where: Where) -> Any:
    for part in where:
        try:
            fields = fields[part]
        except (LookupError, TypeError):
            return None
    return fields


def _distance(kind: tuple[Any, ...], given: Any) -> int:
    """Count the fields that were written and that a kind of plan does not have.

    One that it has by a like name counts half: it may be misspelt.
    """
    classes = [getattr(useq, part, None) for part in kind if isinstance(part, str)]
    known = [
        one.model_fields for one in classes if isinstance(one, type) and issubclass(one, BaseModel)
    ]
    if not known or not isinstance(given, Mapping):
        return 0
    unknown = [str(key) for key in given if key not in known[-1]]
    return sum(1 if get_close_matches(key, known[-1], n=1) else 2 for key in unknown)


def _as_meant(given: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with fields that only another kind of plan has: why it was not taken."""
    found = []
    for one in vars(useq).values():
        is_kind = isinstance(one, type) and issubclass(one, BaseModel)
        if is_kind and set(given) <= set(one.model_fields):
            try:
                one.model_validate(given)
            except ValidationError as error:
                found.append(nearest_problems(error, given))
    return min(found, key=len, default=[])
