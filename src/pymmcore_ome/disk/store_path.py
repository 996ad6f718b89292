"""Store paths: the format from the suffix, and a place made ready without losing anything.

Refuses to touch what is not a store: a folder is replaced only when it is a Zarr group.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from pymmcore_ome.errors import OptionError, StoreExistsError, StorePathError

Format = Literal["ome-zarr", "ome-tiff"]

_SUFFIXES: Final[dict[str, Format]] = {
    ".zarr": "ome-zarr",
    ".tiff": "ome-tiff",
    ".tif": "ome-tiff",
}
_MAX_NAME_BYTES: Final = 255
_OLD_KEYS: Final = {"multiscales", "plate", "bioformats2raw.layout"}
_NODE_FILES: Final = ("zarr.json", ".zgroup", ".zarray")
_ROOT_FILES: Final = {
    "zarr.json",
    "frames.jsonl",
    ".zgroup",
    ".zattrs",
    ".zmetadata",
    "zarr.json.part",
}
FORMATS: Final[tuple[Format, ...]] = ("ome-zarr", "ome-tiff")


def format_of_suffix(path: str | os.PathLike[str]) -> Format | None:
    """Return the format that the path's suffix stands for, or None when it is unknown."""
    return _SUFFIXES.get(Path(path).suffix.lower())


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
            "in .ome.zarr or .ome.tiff, or give format=."
        )
    return found


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return an absolute local path, `~` expanded.

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
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise StorePathError(f"{text!r}: {error}.") from error


def root_attributes(path: Path) -> dict[str, Any] | None:
    """Return the attributes of a Zarr group (version 3), or None where there is none."""
    try:
        document = json.loads((path / "zarr.json").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("node_type") != "group":
        return None
    attributes = document.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _not_replaceable(path: Path) -> str | None:
    """Say why a path may not be replaced, or return None for an OME-Zarr store and only that."""
    if path.is_symlink():
        return "is a link"
    if not path.is_dir():
        return "is not a folder"
    attributes = root_attributes(path)
    if attributes is None and (path / ".zattrs").is_file():  # OME-Zarr 0.4
        try:
            found = json.loads((path / ".zattrs").read_bytes())
        except (OSError, ValueError):
            found = None
        attributes = {"ome": found} if isinstance(found, dict) and _OLD_KEYS & set(found) else None
    if not attributes or not {"ome", "pymmcore_ome"} & set(attributes):
        return "is not an OME-Zarr store"
    for entry in sorted(path.iterdir()):
        is_node = any((entry / name).is_file() for name in _NODE_FILES)
        if entry.name not in _ROOT_FILES and entry.name != "OME" and not is_node:
            return f"holds {entry.name!r}, which is not part of a store"
    return None


def check_free(path: Path, overwrite: bool) -> None:
    """Raise unless a store may be made at the path; changes nothing.

    Raises
    ------
    StoreExistsError
        When something is there and may not be overwritten: `overwrite` is off, or it is
        not a store.
    """
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise StoreExistsError(
            f"{path} exists already. Choose another name, or replace it with overwrite=True "
            "(--overwrite on the command line)."
        )
    if reason := _not_replaceable(path):
        raise StoreExistsError(
            f"{path} exists and {reason}, so overwrite=True does not replace it. Move it away "
            "yourself, or choose another name."
        )


@contextmanager
def fresh_folder(path: Path, overwrite: bool) -> Iterator[Path]:
    """Make an empty folder for a store; what it replaces goes only once the block succeeds.

    If the block raises, the half-made store goes and the old one comes back.

    Raises
    ------
    StoreExistsError
        As `check_free`.
    StorePathError
        When the folder cannot be made.
    """
    check_free(path, overwrite)
    old: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            old = _aside(path)
            path.rename(old)
        path.mkdir()
    except OSError as error:
        if old is not None and old.exists() and not path.exists():
            old.rename(path)
        raise StorePathError(
            f"{path} cannot be made: {error.strerror or error}. Check that {path.parent} is a "
            "folder that you may write to."
        ) from error
    try:
        yield path
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        if old is not None:
            old.rename(path)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _aside(path: Path) -> Path:
    number = 0
    while (place := path.with_name(f".{path.name}.old{number}")).exists():
        number += 1
    return place
