"""In which line of a YAML or JSON text a field is. It judges nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml


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
