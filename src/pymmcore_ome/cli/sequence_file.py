"""Reading a sequence from a YAML or JSON file; what is wrong is said with its line.

useq ignores fields that it does not know. Here they are refused: a misspelled `channels` would
otherwise be a run without channels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import useq
import yaml
from pydantic import ValidationError

from pymmcore_ome.errors import SequenceError

from .sequence_problems import Problem, nearest_problems, unknown_fields


def load_sequence(path: Path) -> useq.MDASequence:
    """Return the sequence of a YAML or JSON file.

    Raises
    ------
    SequenceError
        When the file is missing, is no YAML or JSON, or is no sequence; with the line.
    """
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise SequenceError(f"The sequence {path} {what}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SequenceError(f"{path} is not text in UTF-8: {error}") from error
    except OSError as error:
        raise SequenceError(f"{path} cannot be read: {error.strerror or error}") from error
    is_json = path.suffix.casefold() == ".json"
    fields = _parsed(path, text, is_json)
    lines = Lines(text)
    if not isinstance(fields, dict) or not fields:
        raise SequenceError(f"{path} holds no sequence: expected fields such as  channels: [DAPI]")
    for name, line in lines.repeated():
        raise SequenceError(
            f"{path}, line {line}: {name!r} is there twice, and only one of them would count."
        )
    if strange := [key for key in fields if not isinstance(key, str)]:
        raise SequenceError(f"{path}: {strange[0]!r} is no name of a field.")
    try:
        sequence = useq.MDASequence(**_with_tuples(fields))
    except ValidationError as error:
        raise SequenceError(_told(path, lines, nearest_problems(error, fields))) from error
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise SequenceError(f"{path} is not a sequence: {error}") from error
    if unknown := list(unknown_fields(fields, sequence)):
        raise SequenceError(_told(path, lines, unknown))
    return sequence


def _with_tuples(value: Any, name: str = "") -> Any:
    """Return fields with positions such as ``[0, 0, 5]`` as tuples: useq takes no list for one."""
    if isinstance(value, dict):
        return {key: _with_tuples(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        is_place = name == "stage_positions"
        return [
            tuple(item)
            if is_place and isinstance(item, list) and 1 < len(item) <= 3
            else _with_tuples(item)
            for item in value
        ]
    return value


def _parsed(path: Path, text: str, is_json: bool) -> Any:
    kind = "JSON" if is_json else "YAML"
    try:
        return json.loads(text) if is_json else yaml.safe_load(text)
    except json.JSONDecodeError as error:
        line, column, problem = error.lineno, error.colno, error.msg
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = ", ".join(part for part in (error.context, error.problem) if part)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SequenceError(f"{path} is not {kind}: {error}") from error
    lines = text.splitlines() or [""]
    if line > len(lines):  # the end came too early
        line, column = len(lines), len(lines[-1]) + 1
    shown = lines[line - 1]
    raise SequenceError(
        f"{path}, line {line}: this is not {kind}: {problem}.\n"
        f"  {shown.replace(chr(9), ' ')}\n  {' ' * (column - 1)}^"
    )


def _told(path: Path, lines: Lines, problems: Sequence[Problem]) -> str:
    """Say each problem with its line and its field."""
    told = []
    for where, problem in problems:
        name = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in where).lstrip(".")
        line = lines.of(where)
        told.append(f"line {line}: {name}: {problem}" if line else f"{name}: {problem}")
    if len(told) == 1:
        return f"{path}, {told[0]}"
    return f"{path} is not a sequence:" + "".join(f"\n  {item}" for item in told)


class Lines:
    """The lines of a text's fields, counted from 1."""

    def __init__(self, text: str) -> None:
        self._root: Any
        try:
            # JSON may have tabs where YAML may not
            self._root = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
        except yaml.YAMLError:
            self._root = None

    def of(self, where: tuple[str | int, ...]) -> int | None:
        """Return the line of a field, or of the innermost one around it that is there."""
        node, mark = self._root, None
        for part in where:
            found = _child(node, part)
            if found is None:
                break
            mark, node = found
        return None if mark is None else mark.line + 1

    def repeated(self) -> Iterator[tuple[str, int]]:
        """Yield each name that one mapping holds a second time, and its line."""
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, yaml.SequenceNode):
                waiting.extend(node.value)
            elif isinstance(node, yaml.MappingNode):
                seen = set()
                for key, value in node.value:
                    name = getattr(key, "value", None)
                    if isinstance(name, str) and name in seen:
                        yield name, key.start_mark.line + 1
                    elif isinstance(name, str):
                        seen.add(name)
                    waiting.append(value)


def _child(node: Any, part: str | int) -> tuple[Any, Any] | None:
    """Return where a child of a node begins, and the child."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if getattr(key, "value", None) == part:
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark, node.value[part]
    return None
