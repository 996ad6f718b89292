"""Store paths: what a user typed, as a local path and a format. It touches no file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

from pymmcore_ome.errors import Option, OptionError, StorePathError

Format = Literal["ome-zarr", "ome-tiff"]

#: The longest come first, and of each format the one that it has by default.
_SUFFIXES: Final[dict[str, Format]] = {
    ".ome.zarr": "ome-zarr", ".ome.tiff": "ome-tiff", ".ome.tif": "ome-tiff",
    ".zarr": "ome-zarr", ".tiff": "ome-tiff", ".tif": "ome-tiff",
}  # fmt: skip
_MAX_NAME_BYTES: Final = 255
FORMATS: Final[tuple[Format, ...]] = ("ome-zarr", "ome-tiff")


def format_of_suffix(path: str | os.PathLike[str]) -> Format | None:
    """Return the format that the path's suffix stands for, or None when it is unknown."""
    return split_suffix(Path(path).name)[1]


def split_suffix(name: str) -> tuple[str, Format | None]:
    """Return a store's name without the suffix of a format, and that format.

    Examples
    --------
    >>> split_suffix("cells.OME.zarr"), split_suffix("cells.tif"), split_suffix("cells")
    (('cells', 'ome-zarr'), ('cells', 'ome-tiff'), ('cells', None))
    """
    for suffix, format_ in _SUFFIXES.items():
        if len(name) > len(suffix) and name.lower().endswith(suffix):
            return name[: -len(suffix)], format_
    return name, None


def default_suffix(format_: Format) -> str:
    """Return the suffix that a store of a format has by default."""
    return next(suffix for suffix, known in _SUFFIXES.items() if known == format_)


def choose_format(path: str | os.PathLike[str], asked: str | None = None) -> Format:
    """Return the format that was asked for, else the suffix's.

    Raises
    ------
    OptionError
        On an unknown format or suffix.
    """
    if asked is not None:
        for known in FORMATS:
            if asked == known:
                return known
        raise OptionError(f"Unknown format {asked!r}: expected one of {', '.join(FORMATS)}.")
    found = format_of_suffix(path)
    if found is None:
        raise OptionError(
            f"{os.fspath(path)!r}: the suffix {Path(path).suffix!r} is not known. End the path "
            "in .ome.zarr or .ome.tiff, or give ",
            Option("format"),
            ".",
        )
    return found


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return an absolute local path, `~` expanded, without any ``..``.

    Libraries that write refuse ``..``. It is followed as the system does, through links; a link
    that the path ends in stays one.

    Raises
    ------
    StorePathError
        On a URL, or an empty path.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise StorePathError(f"A path must be text or a Path, got {path!r:.80}.")
    if "://" in text:
        raise StorePathError(f"{text!r} is a URL; give a path on a local or mounted disk.")
    if not text.strip() or "\0" in text:
        raise StorePathError(f"{text!r} is not a path.")
    if any(len(os.fsencode(part)) > _MAX_NAME_BYTES for part in Path(text).parts):
        raise StorePathError(f"{text!r:.80} has a name of more than {_MAX_NAME_BYTES} bytes.")
    try:
        found = Path(text).expanduser().absolute()
        parts = found.parts
        if ".." in parts:
            end = len(parts) - parts[::-1].index("..")
            found = Path(*parts[:end]).resolve().joinpath(*parts[end:])
    except (RuntimeError, OSError) as error:
        raise StorePathError(f"{text!r}: {error}.") from error
    return found
