"""`Place`: where a store lies on disk, and how that is made ready without losing anything.

A Zarr store is a folder. A TIFF is a file with its frame table beside it, or, with one file a
position, a folder of them. It replaces stores and nothing else: what is no store is refused.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pymmcore_ome.errors import StoreExistsError, StorePathError

from .store_path import Format
from .tiff_head import is_tiff, read_description

#: The description of a folder of TIFF files, at its root.
TIFF_FOLDER_KEY: Final = "store.json"
_TABLE_NAME: Final = "frames.jsonl"
_OLD_KEYS: Final = {"multiscales", "plate", "bioformats2raw.layout"}
_NODE_FILES: Final = ("zarr.json", ".zgroup", ".zarray")
_ROOT_FILES: Final = {
    "zarr.json",
    "frames.jsonl",
    ".zgroup",
    ".zattrs",
    ".zmetadata",
    "frames.jsonl.lock",
    "frames.jsonl.part",
    "frames.jsonl.unconfirmed",
    "zarr.json.part",
}
_FOLDER_FILES: Final = {
    TIFF_FOLDER_KEY,
    f"{TIFF_FOLDER_KEY}.part",
    _TABLE_NAME,
    f"{_TABLE_NAME}.lock",
}


@dataclass(frozen=True)
class Place:
    """Where a store is: one folder, or one file and its frame table beside it."""

    path: Path
    format: Format
    is_folder: bool

    @classmethod
    def of_new(cls, path: Path, format: Format, files: str) -> Place:  # noqa: A002
        """Return where a new store goes; `files` is ``"one"`` or ``"per-position"``."""
        return cls(path, format, format == "ome-zarr" or files == "per-position")

    @classmethod
    def of_existing(cls, path: Path) -> Place | None:
        """Return what lies at a path, or None when it is no store of either format."""
        if path.is_dir():
            if root_attributes(path) is not None:
                return cls(path, "ome-zarr", True)
            return cls(path, "ome-tiff", True) if (path / TIFF_FOLDER_KEY).is_file() else None
        return cls(path, "ome-tiff", False) if is_tiff(path) else None

    @property
    def table(self) -> Path:
        """The frame table: inside a folder, beside a file."""
        if self.is_folder:
            return self.path / _TABLE_NAME
        return self.path.with_name(f"{self.path.name}.{_TABLE_NAME}")

    @property
    def parts(self) -> tuple[Path, ...]:
        """All that the store is, on disk."""
        return (self.path,) if self.is_folder else (self.path, self.table)

    def check_free(self, overwrite: bool) -> None:
        """Raise unless a store may be made here; changes nothing.

        Raises
        ------
        StoreExistsError
            When something is there and may not be overwritten: `overwrite` is off, or it
            is not a store.
        """
        for part in self.parts:
            if not os.path.lexists(part):
                continue
            if not overwrite:
                raise StoreExistsError(
                    f"{part} exists already. Choose another name, or replace it with "
                    "overwrite=True (--overwrite on the command line)."
                )
            if reason := self._not_replaceable(part):
                raise StoreExistsError(
                    f"{part} exists and {reason}, so overwrite=True does not replace it. Move it "
                    "away yourself, or choose another name."
                )

    @contextmanager
    def made_free(self, overwrite: bool) -> Iterator[None]:
        """Make room for a store; what it replaces goes only once the block succeeds.

        A folder is made, a file is left to the block. If the block raises, the half-made
        store goes and the old one comes back.

        Raises
        ------
        StoreExistsError
            As `check_free`.
        StorePathError
            When the place cannot be made.
        """
        self.check_free(overwrite)
        moved: list[tuple[Path, Path]] = []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for part in self.parts:
                if part.exists():
                    old = _aside(part)
                    part.rename(old)
                    moved.append((part, old))
            if self.is_folder:
                self.path.mkdir()
            else:
                self.path.open("xb").close()
        except OSError as error:
            _move_back(moved)
            raise StorePathError(
                f"{self.path} cannot be made: {error.strerror or error}. Check that "
                f"{self.path.parent} is a folder that you may write to."
            ) from error
        try:
            yield
        except BaseException:
            for part in self.parts:
                _remove(part)
            _move_back(moved)
            raise
        for _, old in moved:
            _remove(old)

    def _not_replaceable(self, part: Path) -> str | None:
        """Say why a path may not be replaced, or return None for a store and only that."""
        if part.is_symlink():
            return "is a link"
        if part.is_dir():
            if (part / TIFF_FOLDER_KEY).is_file():
                return _foreign_in_tiff_folder(part)
            return _foreign_in_zarr(part)
        if self.format == "ome-zarr":
            return "is not a folder"
        if part != self.path or b"<OME" in (read_description(part) or b""):
            return None  # a frame table goes with its store
        return "is not an OME-TIFF"


def root_attributes(path: Path) -> dict[str, Any] | None:
    """Return the attributes of a Zarr group (version 3), or None where there is none."""
    document = read_json(path / "zarr.json")
    if document is None or document.get("node_type") != "group":
        return None
    attributes = document.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file, or None where there is none."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _foreign_in_zarr(path: Path) -> str | None:
    attributes = root_attributes(path)
    if attributes is None:  # OME-Zarr 0.4
        found = read_json(path / ".zattrs")
        attributes = {"ome": found} if found is not None and _OLD_KEYS & set(found) else None
    if not attributes or not {"ome", "pymmcore_ome"} & set(attributes):
        return "is not an OME-Zarr store"
    for entry in sorted(path.iterdir()):
        is_node = any((entry / name).is_file() for name in _NODE_FILES)
        if entry.name not in _ROOT_FILES and entry.name != "OME" and not is_node:
            return f"holds {entry.name!r}, which is not part of a store"
    return None


def _foreign_in_tiff_folder(path: Path) -> str | None:
    document = read_json(path / TIFF_FOLDER_KEY)
    if document is None or "pymmcore_ome" not in document:
        return "is not a store"
    for entry in sorted(path.iterdir()):
        is_ours = entry.name in _FOLDER_FILES
        if not is_ours and not is_tiff(entry):
            return f"holds {entry.name!r}, which is not part of a store"
    return None


def _aside(path: Path) -> Path:
    number = 0
    while (place := path.with_name(f".{path.name}.old{number}")).exists():
        number += 1
    return place


def _move_back(moved: list[tuple[Path, Path]]) -> None:
    for part, old in moved:
        if old.exists() and not part.exists():
            old.rename(part)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
