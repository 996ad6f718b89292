"""`Contender`: who carries a load, and with which options. It carries none itself.

A contender of ours is written as its name and the options of `open_stream`:
``ours-zarr``, ``ours-zarr chunks='auto', backend='tensorstore'``. Without options it is what
users get who give none.
"""

from __future__ import annotations

import ast
from typing import Any, Final, NamedTuple

import pymmcore_ome as po
from pymmcore_ome.backends import find_backend

_EVERY: Final = "backend=*"


class Contender(NamedTuple):
    """Who carries a load.

    Attributes
    ----------
    who : str
        ``"ours"``, ``"before"`` (ours, of another environment), ``"ow"`` (ome-writers), or the
        name of a bare library.
    kind : str
        ``"zarr"``, ``"tiff"``, or what else follows the first hyphen.
    options : dict
        Of `open_stream`.
    """

    who: str
    kind: str
    options: dict[str, Any]

    @classmethod
    def of(cls, name: str) -> Contender:
        """Return the contender of a name."""
        first, _, options = name.partition(" ")
        who, _, kind = first.partition("-")
        call = ast.parse(f"f({options})", mode="eval").body
        assert isinstance(call, ast.Call)
        return cls(who, kind, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords})

    @property
    def is_ours(self) -> bool:
        """Whether this package carries it."""
        return self.who in ("ours", "before")

    @property
    def format(self) -> str:
        """The format, in the word of `open_stream`."""
        return f"ome-{self.kind}"


def spelled_out(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names with ``backend=*`` replaced by each backend that is not the default."""
    found: list[str] = []
    for name in names:
        if name.endswith(_EVERY):
            first = name.removesuffix(_EVERY)
            found += [f"{first}backend={other!r}" for other in _others(Contender.of(first.strip()))]
        else:
            found.append(name)
    return tuple(dict.fromkeys(found))


def default_backend(format_: str) -> str:
    """Return the name of a format's default backend."""
    return find_backend(None, format_).name  # type: ignore[arg-type]


def _others(contender: Contender) -> list[str]:
    format_ = contender.format
    default = default_backend(format_)
    return [name for name in po.available_backends() if name != default and _fits(name, format_)]


def _fits(name: str, format_: str) -> bool:
    try:
        find_backend(name, format_)  # type: ignore[arg-type]
    except po.errors.OptionError:  # it writes the other format
        return False
    return True
