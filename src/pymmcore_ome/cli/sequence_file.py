"""Reading a sequence from a YAML or JSON file; each problem is reported with its line.

useq ignores fields that it does not know. Here they are refused: with a misspelled `channels`,
the run would have no channels.
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
from pymmcore_ome.schema import read_yaml

from .sequence_problems import Problem, Where, explained, place_name, problems_of


def load_sequence(path: Path) -> useq.MDASequence:
    """Return the sequence of a YAML or JSON file.

    Raises
    ------
    SequenceError
        When the file is missing, is not YAML or JSON, or is not a sequence; with every problem
        and its line.
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
    fields = _parsed(path, text, path.suffix.casefold() == ".json")
    lines = _Lines(text)
    if not isinstance(fields, dict) or not fields:
        raise SequenceError(f"{path} has no sequence: expected fields such as  channels: [DAPI]")
    fields = _with_tuples(fields)
    problems = [*lines.repeated(), *problems_of(fields)]
    if not problems:
        try:
            return useq.MDASequence(**fields)
        except ValidationError as error:  # fields that do not fit together
            problems = list(explained(error, fields))
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise SequenceError(f"{path} is not a sequence: {error}") from error
    raise SequenceError(_listed(path, lines, problems))


def _with_tuples(value: Any, name: str = "") -> Any:
    """Return fields with positions such as ``[0, 0, 5]`` as tuples, which useq requires."""
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
        return json.loads(text) if is_json else read_yaml(text)
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


def _listed(path: Path, lines: _Lines, problems: Sequence[Problem]) -> str:
    """Return all problems as one message, each with its line and its field."""
    items = []
    for where, problem in problems:
        line = lines.of(where)
        start = f"line {line}: " if line else ""
        items.append(f"{start}{place_name(where)}: {problem}")
    if len(items) == 1:
        return f"{path}, {items[0]}"
    return f"{path} has {len(items)} problems:" + "".join(f"\n  {item}" for item in items)


class _Lines:
    """The lines of a text's fields, counted from 1."""

    def __init__(self, text: str) -> None:
        self._root: Any
        try:
            # JSON may have tabs where YAML may not
            self._root = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError):
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

    def repeated(self) -> Iterator[Problem]:
        """Yield each name that a mapping contains twice: only one of its values would be used."""
        waiting: list[tuple[Any, Where]] = [(self._root, ())]
        while waiting:
            node, where = waiting.pop()
            if isinstance(node, yaml.SequenceNode):
                waiting.extend((part, (*where, n)) for n, part in enumerate(node.value))
            elif isinstance(node, yaml.MappingNode):
                seen: dict[str, int] = {}
                for key, value in node.value:
                    name, line = str(key.value), key.start_mark.line + 1
                    if name in seen:
                        yield (*where, name), f"is set twice, in lines {seen[name]} and {line}"
                    seen.setdefault(name, line)
                    waiting.append((value, (*where, name)))


def _child(node: Any, part: str | int) -> tuple[Any, Any] | None:
    """Return where a child of a node begins, and the child."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if getattr(key, "value", None) == part:
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark, node.value[part]
    return None
