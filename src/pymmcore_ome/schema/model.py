"""The common base of all declarative models: frozen, validated, JSON and YAML.

Refuses what it does not know (no extra fields) and raises `SchemaError`, never a
pydantic error. It does no I/O: it reads and returns text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pymmcore_ome.errors import SchemaError

_MOST_VALUES: Final = 1_000_000


class Model(BaseModel):
    """A frozen description. Copies are made with `replace`, which validates again.

    Raises
    ------
    SchemaError
        On any value that does not fit, naming each field, what was expected, and what
        was given.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True
    )

    def __init__(self, /, *values: Any, **fields: Any) -> None:
        if values:  # a plate has thousands of positions, all by name
            names = list(type(self).model_fields)
            if len(values) > len(names):
                raise SchemaError(f"{type(self).__name__} takes {names}, got {len(values)} values.")
            fields = {**dict(zip(names, values, strict=False)), **fields}
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise _readable(error) from error

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, validated as a new one would be."""
        return type(self)(**{**dict(self), **changes})

    def to_json(self) -> str:
        """Return the description as one JSON document."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise _readable(error) from error

    def to_yaml(self) -> str:
        """Return the description as YAML, for people to read and edit."""
        import yaml  # here, because few programs read or write YAML

        return yaml.safe_dump(self.model_dump(mode="json", exclude_defaults=True), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read what `to_yaml` wrote."""
        import yaml

        try:
            fields = read_yaml(text)
        except (yaml.YAMLError, AttributeError, ValueError, RecursionError) as error:
            raise SchemaError(f"{cls.__name__} from YAML: {error}") from error
        return cls.of_fields(fields)

    @classmethod
    def of_fields(cls, fields: Any) -> Self:
        """Make a model from a mapping of fields, whatever it turns out to be."""
        if not isinstance(fields, Mapping) or not all(isinstance(key, str) for key in fields):
            raise SchemaError(f"{cls.__name__}: expected a mapping of fields, got {fields!r:.80}.")
        try:
            return cls(**fields)
        except TypeError as error:  # fields that its signature needs, and that are missing
            raise SchemaError(f"{cls.__name__}: {error}.") from error


def read_yaml(text: str) -> Any:
    """Return the value of a YAML document, in bounded time and memory.

    A few lines of aliases can stand for more values than any memory holds, or for a value that
    contains itself.

    Raises
    ------
    yaml.YAMLError, AttributeError, RecursionError
        On text that is not YAML.
    ValueError
        When its aliases contain themselves, or stand for more than a million values.
    """
    import yaml

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        _check_aliases(root)
    return yaml.safe_load(text)


def _check_aliases(root: Any) -> None:
    """Count the values of a YAML document as they would be without aliases."""
    counts: dict[int, int | None] = {}  # None: being counted

    def count(node: Any) -> int:
        known = counts.get(id(node), 0)
        if known is None:
            raise ValueError("an alias stands for a value that contains the alias")
        if known:
            return known
        counts[id(node)] = None
        parts = node.value if isinstance(node.value, list) else ()
        pairs = (part if isinstance(part, tuple) else (part,) for part in parts)
        total = 1 + sum(count(item) for pair in pairs for item in pair)
        if total > _MOST_VALUES:
            raise ValueError(
                f"its aliases stand for more than {_MOST_VALUES} values; write fewer of them"
            )
        counts[id(node)] = total
        return total

    count(root)


def _readable(error: ValidationError) -> SchemaError:
    """Turn pydantic's report into one sentence a field.

    An error that one of our own models raised while it was being validated inside another
    is returned unchanged, so that its type is not lost.
    """
    lines = []
    for item in error.errors():
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, SchemaError) and error.error_count() == 1:
            return cause
        where = ".".join(str(part) for part in item["loc"]) or "value"
        text = str(cause) if cause is not None else item["msg"]
        given = item["input"]
        shown = "" if isinstance(given, dict) else f" (got {given!r:.80})"
        lines.append(f"{where}: {text}{shown}")
    return SchemaError(f"{error.title}: " + "; ".join(lines))
