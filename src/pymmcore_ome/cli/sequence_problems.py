"""What is wrong with the fields of a sequence, and where in the file. It reads no file.

Each field is validated on its own, so that all problems are found at once. A field may be one of
several kinds of plan; where none fits, every kind is listed with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

import useq
from pydantic import BaseModel, ValidationError

Where = tuple[str | int, ...]
#: Where in the file, and what is wrong there.
Problem = tuple[Where, str]

#: The field of each axis.
_PLANS: Final = {
    "t": "time_plan", "p": "stage_positions", "g": "grid_plan", "c": "channels", "z": "z_plan",
}  # fmt: skip
_WELL: Final = re.compile(r"([A-Za-z])0*([1-9]\d?)")
_USEQ_ERRORS: Final = (TypeError, ValueError, LookupError, ArithmeticError)


def problems_of(fields: Mapping[str, Any], where: Where = ()) -> Iterator[Problem]:
    """Yield everything that is wrong with the fields of a sequence, unknown fields included."""
    for key, value in fields.items():
        at = (*where, key)
        if key not in useq.MDASequence.model_fields:
            yield at, _unknown(key, useq.MDASequence)
        elif key == "stage_positions" and isinstance(value, Mapping):
            yield from _plate_problems(value, at)
        elif key in ("channels", "stage_positions") and isinstance(value, list):
            for number, item in enumerate(value):  # one by one, as useq does not report the number
                if isinstance(item, Mapping) and isinstance(item.get("sequence"), Mapping):
                    yield from problems_of(item["sequence"], (*at, number, "sequence"))
                    item = {name: part for name, part in item.items() if name != "sequence"}
                yield from _item_problems(key, item, number, at)
        else:
            yield from _field_problems(key, value, at)


def left_out(sequence: useq.MDASequence, of: str = "") -> Iterator[str]:
    """Yield each plan that is never run, because the axis order does not contain its axis."""
    axes = [str(axis) for axis in sequence.axis_order]
    for axis, field in _PLANS.items():
        if getattr(sequence, field) and axis not in axes:
            yield (
                f"{of}{field} is not run, because axis_order {''.join(axes)!r} does not contain "
                f"{axis!r}."
            )
    for number, position in enumerate(sequence.stage_positions):
        if position.sequence is not None:
            yield from left_out(position.sequence, f"stage_positions[{number}].sequence.")


def _field_problems(key: str, value: Any, at: Where) -> Iterator[Problem]:
    try:
        made = getattr(useq.MDASequence(**{key: value}), key)
    except ValidationError as error:
        yield from (((*at, *place[1:]), text) for place, text in explained(error, {key: value}))
    except _USEQ_ERRORS as error:
        yield at, str(error)
    else:
        yield from _unknown_fields(value, made, at)


def _item_problems(key: str, item: Any, number: int, at: Where) -> Iterator[Problem]:
    try:
        (made,) = getattr(useq.MDASequence(**{key: [item]}), key)
    except ValidationError as error:
        found = explained(error, {key: item})
        yield from (((*at, number, *place[1:]), text) for place, text in found)
    except _USEQ_ERRORS as error:
        yield (*at, number), str(error)
    else:
        yield from _unknown_fields(item, made, (*at, number))


def explained(error: ValidationError, fields: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what pydantic found; for a field of several kinds, one problem with all of them."""
    tried: dict[Where, dict[str, list[Problem]]] = {}
    for item in error.errors():
        place: list[str | int] = []
        field, kind, here = 0, "", fields
        for part in item["loc"]:
            is_key = isinstance(here, Mapping) and part in here
            if is_key or (isinstance(here, list) and isinstance(part, int) and part < len(here)):
                place.append(part)
                here = here[part]  # type: ignore[index]
            elif part != item["loc"][-1] or item["type"] != "missing":
                field, kind = len(place), str(part)
            else:
                place.append(part)
        problems = tried.setdefault(tuple(place[:field]), {}).setdefault(kind, [])
        problems.append((tuple(place), _message(item)))
    for at, kinds in tried.items():
        if any(len(other) > len(at) and other[: len(at)] == at for other in tried):
            continue  # what is wrong further in explains it
        if len(kinds) == 1:
            yield from next(iter(kinds.values()))
        else:
            lines = [
                f"\n    {kind}: {_joined((place[len(at) :], text) for place, text in found)}"
                for kind, found in sorted(kinds.items(), key=lambda pair: len(pair[1]))
            ]
            yield at, "is none of these:" + "".join(lines)


def _message(item: Any) -> str:
    given, name = item["input"], item["loc"][-1]
    if item["type"] == "missing":
        near = get_close_matches(str(name), given, n=1) if isinstance(given, Mapping) else []
        return "missing" + (f" (did you write {near[0]!r} instead?)" if near else "")
    text = str(item.get("ctx", {}).get("error") or item["msg"])
    if item["type"].startswith("time_delta"):
        text = "expected seconds, such as 0.5, or {minutes: 5}"
    elif item["loc"] == ("axis_order",):
        text = "expected some of t, p, g, c, z, each once, slowest first"
    return text if isinstance(given, (dict, list)) else f"{text} (got {given!r:.80})"


def _unknown_fields(given: Any, made: Any, where: Where = ()) -> Iterator[Problem]:
    """Yield the fields that useq ignored when it made a sequence of them."""
    if isinstance(given, Mapping) and isinstance(made, BaseModel):
        kind, others = type(made), _as_other_kinds(given)
        for key, value in given.items():
            if key not in kind.model_fields:
                yield (*where, key), _unknown(key, kind) + others
                others = ""
            else:
                yield from _unknown_fields(value, getattr(made, key), (*where, key))
    elif isinstance(given, list):
        parts = getattr(made, "phases", made)  # a list of times is a plan of phases
        if isinstance(parts, (list, tuple)) and len(parts) == len(given):
            for number, (value, part) in enumerate(zip(given, parts, strict=True)):
                yield from _unknown_fields(value, part, (*where, number))


def _unknown(key: object, kind: type[BaseModel]) -> str:
    known = list(kind.model_fields)
    near = get_close_matches(str(key), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
    return f"{kind.__name__} has no such field; {hint}"


def _as_other_kinds(given: Mapping[str, Any]) -> str:
    """Return why fields were not read as each kind of plan that has all of them."""
    found = ""
    for kind in vars(useq).values():
        is_kind = isinstance(kind, type) and issubclass(kind, BaseModel)
        if is_kind and set(given) <= set(kind.model_fields):
            try:
                kind.model_validate(given)
            except ValidationError as error:
                found += f"\n    {kind.__name__}: {_joined(explained(error, given))}"
    return found


def _plate_problems(given: Mapping[str, Any], at: Where) -> Iterator[Problem]:
    """Yield what is wrong with a plate; useq only reports that it is not one."""
    if not set(given) & set(useq.WellPlatePlan.model_fields):
        yield at, "expected a list of positions, such as [{x: 0, y: 0}], or a plate"
        return
    try:
        made = useq.WellPlatePlan.model_validate(given)
    except ValidationError as error:
        found = dict(explained(error, given))
    except _USEQ_ERRORS as error:
        found = {(): str(error)}
    else:
        found = dict(_unknown_fields(given, made))
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
    yield from (((*at, *place), text) for place, text in found.items())


def _wells_by_number(wells: Any) -> str | None:
    """Return names of wells, such as A1, as useq expects them; None if they are not names."""
    names = wells if isinstance(wells, list) else [wells]
    matches = [_WELL.fullmatch(name) if isinstance(name, str) else None for name in names]
    found = [match for match in matches if match is not None]
    if not names or len(found) < len(names):
        return None
    rows = [ord(match[1].upper()) - ord("A") for match in found]
    return f"[{rows}, {[int(match[2]) - 1 for match in found]}]"


def place_name(where: Where) -> str:
    """Return a place as text: ``channels[1].exposure``."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in where).lstrip(".")


def _joined(problems: Iterable[Problem]) -> str:
    return "; ".join(f"{place_name(where)}: {text}" for where, text in problems)
