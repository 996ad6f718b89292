"""Which backends there are: ours and those of other packages.

A package adds one by an entry point in the group ``pymmcore_ome.backends`` whose value is
an `ArrayBackend` subclass and whose name is what users write in ``backend=``.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from pymmcore_ome.disk import Format
from pymmcore_ome.errors import Option, OptionError, how_to_install
from pymmcore_ome.layout import Layout, all_specs

from .port import ArrayBackend

GROUP: Final = "pymmcore_ome.backends"
_DEFAULTS: Final[dict[Format, str]] = {"ome-zarr": "native", "ome-tiff": "tiff"}
_GATHERING: Final = "tensorstore"  # for chunks of several frames, which native does not write
_EXTRAS: Final = {"zarr-python": "zarr", "acquire-zarr": "acquire"}


def available_backends() -> tuple[str, ...]:
    """Return the names of the backends that can be used here, sorted.

    One whose library is not installed is left out.
    """
    return tuple(sorted(name for name, _ in _loaded()))


def find_backend(
    backend: str | type[ArrayBackend] | None,
    format: Format,  # noqa: A002
) -> type[ArrayBackend]:
    """Return the backend of this name, or the default one of the format.

    A backend's class stands for itself, so that one can be tried without an entry point.

    Raises
    ------
    OptionError
        When there is none of that name here, or it writes another format.
    """
    if backend is not None and not isinstance(backend, str):
        if not (isinstance(backend, type) and issubclass(backend, ArrayBackend)):
            raise OptionError(f"backend must be a name or an ArrayBackend class, got {backend!r}.")
        chosen = backend
    else:
        wanted = backend or _DEFAULTS[format]
        found = dict(_loaded(wanted))  # that one alone: a library takes up to a second to import
        if wanted not in found:
            fit = sorted(name for name, known in _loaded() if known.format == format)
            raise OptionError(
                f"Backend {wanted!r} for {format} is not available. Available for {format}: "
                f"{', '.join(fit) or 'none'}.{_how_to_get(wanted)}"
            )
        chosen = found[wanted]
    if chosen.format != format:
        raise OptionError(
            f"Backend {chosen.name!r} writes {chosen.format}, but the path or ",
            Option("format"),
            f" asks for {format}.",
        )
    return chosen


def default_backend(
    format: Format,  # noqa: A002
    layout: Layout,
) -> type[ArrayBackend]:
    """Return the default backend for a layout."""
    gathers = format == "ome-zarr" and any(spec.gathered_axes for spec in all_specs(layout))
    return find_backend(_GATHERING if gathers else None, format)


def _how_to_get(name: str) -> str:
    """Return what to install for a known backend whose library is missing."""
    if name in _EXTRAS:
        return f" Install it with  {how_to_install(_EXTRAS[name])}"
    return ""


def _loaded(name: str | None = None) -> Iterator[tuple[str, type[ArrayBackend]]]:
    found = entry_points(group=GROUP)
    for entry in found if name is None else found.select(name=name):
        backend = _load(entry)
        if backend is not None:
            yield entry.name, backend


def _load(entry: EntryPoint) -> type[ArrayBackend] | None:
    try:
        backend = entry.load()
    except ImportError:
        return None  # the library behind it is not installed: not available, no error
    if not (isinstance(backend, type) and issubclass(backend, ArrayBackend)):
        raise OptionError(f"Entry point {entry.name!r} in {GROUP} is not an ArrayBackend.")
    return backend
