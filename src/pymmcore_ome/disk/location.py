"""`StoreLocation`: where a store is on disk, and how room is made for it without losing anything.

A Zarr store is a folder. A TIFF is a file with its frame table next to it, or, with one file a
position, a folder. It replaces stores only: anything else is refused.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count, product
from pathlib import Path
from typing import Any, BinaryIO, Final

from pymmcore_ome.errors import Option, StoreExistsError, StorePathError

from .paths import Format

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
    "frames.jsonl.reserve",
    "frames.jsonl.unconfirmed",
    "zarr.json.part",
}
_OME_FILES: Final = {"zarr.json", "zarr.json.part", "METADATA.ome.xml", "METADATA.ome.xml.part"}
_GROUP_FILES: Final = {"zarr.json", ".zgroup", ".zattrs", ".zmetadata", "zarr.json.part"}
_IMAGE_FILE: Final = re.compile(r"\d+\.ome\.tiff")
_OME_SCHEMA: Final = b"openmicroscopy.org/Schemas/OME/"
_MAX_ASIDE: Final = 10
_DELETED: Final = ".deleted"
_STARTS: Final = {
    b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True),
}  # fmt: skip
_IMAGE_DESCRIPTION: Final = 270
_MAX_TAGS: Final = 4096

logger = logging.getLogger("pymmcore-ome")
_FOLDER_FILES: Final = {
    TIFF_FOLDER_KEY,
    f"{TIFF_FOLDER_KEY}.part",
    _TABLE_NAME,
    f"{_TABLE_NAME}.lock",
    f"{_TABLE_NAME}.reserve",
}


@dataclass(frozen=True)
class StoreLocation:
    """Where a store is: one folder, or one file and its frame table next to it."""

    path: Path
    format: Format
    is_folder: bool

    @classmethod
    def of_new(cls, path: Path, format: Format, files: str) -> StoreLocation:  # noqa: A002
        """Return the location of a new store; `files` is ``"one"`` or ``"per-position"``."""
        return cls(path, format, format == "ome-zarr" or files == "per-position")

    @classmethod
    def of_existing(cls, path: Path) -> StoreLocation | None:
        """Return the store at a path, or None when it is no store of either format."""
        if path.is_dir():
            if root_attributes(path) is not None:
                return cls(path, "ome-zarr", True)
            return cls(path, "ome-tiff", True) if (path / TIFF_FOLDER_KEY).is_file() else None
        return cls(path, "ome-tiff", False) if is_tiff(path) else None

    @classmethod
    def of_interrupted(cls, path: Path) -> StoreLocation | None:
        """Return the store that `put_back` can put back to a path, or None."""
        old = cls(path, "ome-zarr", True).set_aside
        before = None if old is None else cls.of_existing(old)
        return None if before is None else replace(before, path=path)

    @property
    def table(self) -> Path:
        """The frame table: inside a folder, next to a file."""
        return self.path / _TABLE_NAME if self.is_folder else self._table_of_file()

    def _table_of_file(self, suffix: str = "") -> Path:
        return self.path.with_name(f"{self.path.name}.{_TABLE_NAME}{suffix}")

    @property
    def parts(self) -> tuple[Path, ...]:
        """The paths that make up the store."""
        return (self.path,) if self.is_folder else (self.path, self.table)

    @property
    def _to_replace(self) -> tuple[Path, ...]:
        """The paths of this store, and of the one that it replaces."""
        there = StoreLocation.of_existing(self.path)
        return tuple(dict.fromkeys((*self.parts, *(there.parts if there is not None else ()))))

    def first_link(self) -> Path | None:
        """Return a link within the store, or None; a link to the store does not count."""
        files = [self.table, self.table.with_name(f"{self.table.name}.lock")]
        if self.is_folder:
            link = _first_link(str(self.path))
            return None if link is None else Path(link)
        return next((file for file in files if file.is_symlink()), None)

    @property
    def set_aside(self) -> Path | None:
        """The store that was here before, if replacing it was interrupted; else None."""
        is_made = StoreLocation.of_existing(self.path) is not None
        if is_made and (self._lists_frames or not self._is_half_made(self.path)):
            return None
        return next(reversed(self.earlier), None)

    @property
    def earlier(self) -> list[Path]:
        """The whole stores that were here before and were not deleted; the latest is the last."""
        found = [_aside(self.path, n) for n in range(_MAX_ASIDE)]
        return [old for old in found if old.exists()]

    def put_back(self) -> bool:
        """Put back the store that was here before, if replacing it was interrupted.

        Returns
        -------
        bool
            False when there is none.

        Raises
        ------
        OSError
        StoreExistsError
            When something that is not a half-made store has its name.
        """
        old = self.set_aside
        if old is None:
            return False
        before = StoreLocation.of_interrupted(self.path)
        parts = (self if before is None else before).parts
        number = old.name.rpartition("old")[2]
        moved = [(part, _aside(part, number)) for part in parts]
        moved = [(part, aside) for part, aside in moved if aside.exists()]
        for part, _ in moved:
            if os.path.lexists(part):
                reason = self._not_replaceable(part)
                if part != self.path and part.stat().st_size:
                    reason = "lists the frames of another store"
                if reason:
                    raise StoreExistsError(
                        f"{part} exists and {reason}, so {old}, the store that was there before, "
                        "cannot be put back. Move it away yourself."
                    )
        for part, _ in moved:
            _remove(part)
        _move_back(moved)
        return True

    def check_free(self, overwrite: bool) -> None:
        """Raise unless a store may be made here; changes nothing.

        Raises
        ------
        StoreExistsError
            When something is there and may not be overwritten: `overwrite` is off, or it
            is not a store.
        """
        old = self.set_aside
        if old is not None and not overwrite:
            raise StoreExistsError(
                f"{self.path} was being replaced when its program ended, and {old} is the store "
                "that was there before. Put it back with `pymmcore-ome recover`, or replace it "
                "with ",
                Option("overwrite", True),
                ".",
            )
        for part in self._to_replace:
            if not os.path.lexists(part):
                continue
            if not overwrite:
                raise StoreExistsError(
                    f"{part} exists already. Choose another name, go on with an unfinished "
                    "acquisition with ",
                    Option("resume", True),
                    ", or replace it with ",
                    Option("overwrite", True),
                    ".",
                )
            if reason := self._not_replaceable(part):
                raise StoreExistsError(
                    f"{part} exists and {reason}, so ",
                    Option("overwrite", True),
                    " does not replace it. Move it away yourself, or choose another name.",
                )

    @contextmanager
    def made_free(self, overwrite: bool) -> Iterator[None]:
        """Make room for a store; what it replaces is deleted only once the block succeeds.

        A folder is made, a file is left to the block. If the block raises, the half-made
        store is deleted and the old one is put back. If the process ends, `put_back` can still
        do so. An old store that cannot be deleted is named in the log.

        Raises
        ------
        StoreExistsError
            As `check_free`.
        StorePathError
            When the store cannot be made.
        """
        self.check_free(overwrite)
        moved: list[tuple[Path, Path]] = []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.put_back()
            for number, part in product(range(_MAX_ASIDE), (self.path, self._table_of_file())):
                remains = _deleted(_aside(part, number))
                if os.path.lexists(remains):  # a program ended while it deleted it
                    _remove(remains)
            parts = [part for part in self._to_replace if part.exists()]
            number = next(
                n
                for n in count()
                if not any(
                    os.path.lexists(aside) or os.path.lexists(_deleted(aside))
                    for aside in (_aside(part, n) for part in self._to_replace)
                )
            )
            if self.is_half_made:  # no store to go back to
                for part in parts:
                    part.rename(_deleted(_aside(part, number)))
                    _remove(_deleted(_aside(part, number)))
                parts = []
            for part in parts:
                part.rename(_aside(part, number))
                moved.append((part, _aside(part, number)))
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
        left = [str(rest) for _, old in moved if (rest := _delete_whole(old)) is not None]
        if left:
            logger.warning(
                "%s was replaced, but the store that was there before could not be deleted. "
                "Delete it yourself: %s", self.path, ", ".join(left),
            )  # fmt: skip

    def _not_replaceable(self, part: Path) -> str | None:
        """Return why a path may not be replaced, or None when it is a store and nothing else."""
        if part.is_symlink():
            return "is a link"
        if part != self.path:
            return None if _is_frame_table(part) else "is not a frame table"
        if self._is_half_made(part):
            return None
        if part.is_dir():
            if (part / TIFF_FOLDER_KEY).is_file():
                return _foreign_in_tiff_folder(part)
            return _foreign_in_zarr(part)
        if self.format == "ome-zarr":
            return "is not a folder"
        return None if _OME_SCHEMA in (read_description(part) or b"") else "is not an OME-TIFF"

    @property
    def is_half_made(self) -> bool:
        """Whether a process ended while it made a store here: it has no frame."""
        if not self.path.exists() or self.set_aside is not None or self._lists_frames:
            return False
        return self._is_half_made(self.path)

    @property
    def _lists_frames(self) -> bool:
        """Whether the frame table next to a file lists any; such a file is never half-made."""
        with suppress(OSError):
            return not self.path.is_dir() and self._table_of_file().stat().st_size > 0
        return False

    @property
    def is_empty(self) -> bool:
        """Whether an empty folder or file is there: a process may have ended before its lock."""
        if self.path.is_symlink():
            return False
        if self.path.is_dir():
            return not any(self.path.iterdir())
        return self.path.is_file() and not self.path.stat().st_size

    def remove_empty(self) -> None:
        """Remove the empty folder or file.

        Raises
        ------
        OSError
            When it is not empty any more.
        """
        if self.path.is_dir():
            self.path.rmdir()
        elif self.is_empty:
            self.path.unlink()

    def _is_half_made(self, part: Path) -> bool:
        """Whether a process ended while it made a store here, before that could be read."""
        lock = part / f"{_TABLE_NAME}.lock" if part.is_dir() else self._table_of_file(".lock")
        is_locked = lock.is_file()
        if not is_locked and not self.earlier:
            return False
        if part.is_dir():
            attributes = root_attributes(part)
            if (part / TIFF_FOLDER_KEY).is_file() or "pymmcore_ome" in (attributes or {}):
                return False
            if attributes is not None and not is_locked:
                return False  # a group of another program
            return all(_is_of_new_store(file) for file in part.rglob("*") if not file.is_dir())
        if not part.stat().st_size:
            return True
        if not is_tiff(part):
            return False
        # its pages are written before its description
        description = read_description(part)
        has_table = self._table_of_file().exists()
        return description is None or (is_locked and not description and not has_table)


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
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _foreign_in_zarr(path: Path) -> str | None:
    attributes = root_attributes(path)
    if attributes is None:  # OME-Zarr 0.4
        found = read_json(path / ".zattrs")
        attributes = {"ome": found} if found is not None and _OLD_KEYS & set(found) else None
    if not attributes or not {"ome", "pymmcore_ome"} & set(attributes):
        return "is not an OME-Zarr store"
    return _foreign_in_group(path, _ROOT_FILES | {"OME"}) or (
        _foreign_in_group(path / "OME", _OME_FILES) if (path / "OME").is_dir() else None
    )


def _foreign_in_group(group: Path, known: set[str]) -> str | None:
    """Return what is not part of a store in a group, and in the groups below it."""
    for entry in sorted(group.iterdir()):
        if entry.name in known:
            continue
        if not any((entry / name).is_file() for name in _NODE_FILES):
            return f"holds {entry.name!r}, which is not part of a store"
        if not _is_array(entry) and (reason := _foreign_in_group(entry, _GROUP_FILES)):
            return reason
    return None


def _is_array(node: Path) -> bool:
    found = read_json(node / "zarr.json")
    return (node / ".zarray").is_file() or (found or {}).get("node_type") == "array"


def _is_frame_table(path: Path) -> bool:
    """Whether a file begins as a frame table does; an empty one is one, too."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError:
        return False
    return not start or start.startswith(b'{"image":')


def _foreign_in_tiff_folder(path: Path) -> str | None:
    document = read_json(path / TIFF_FOLDER_KEY)
    if document is None or "pymmcore_ome" not in document:
        return "is not a store"
    for entry in sorted(path.iterdir()):
        is_ours = entry.name in _FOLDER_FILES
        if not is_ours and not (_IMAGE_FILE.fullmatch(entry.name) and is_tiff(entry)):
            return f"holds {entry.name!r}, which is not part of a store"
    return None


def _first_link(folder: str) -> str | None:
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # a writer's temporary file
                continue
            tag = getattr(status, "st_reparse_tag", 0)  # on Windows
            if entry.is_symlink() or tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1):
                return entry.path
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and (link := _first_link(entry.path)) is not None:
                return link
    return None


def _is_of_new_store(file: Path) -> bool:
    """Whether a file may be one of a store without pixels."""
    names = _ROOT_FILES | _OME_FILES | _FOLDER_FILES
    return not file.is_symlink() and (
        file.name in names or _IMAGE_FILE.fullmatch(file.name) is not None
    )


def _aside(path: Path, number: int | str) -> Path:
    return path.with_name(f".{path.name}.old{number}")


def _deleted(aside: Path) -> Path:
    return aside.with_name(aside.name + _DELETED)


def _delete_whole(aside: Path) -> Path | None:
    """Delete a store that was set aside; return what is left of it, or None.

    It is renamed first, so that what a dying program leaves is never put back as a store.
    """
    try:
        gone = aside.rename(_deleted(aside))
    except OSError:
        return aside
    return None if _remove(gone) else gone


def _move_back(moved: list[tuple[Path, Path]]) -> None:
    for part, old in moved:
        if old.exists() and not part.exists():
            old.rename(part)
        if old.exists():
            logger.warning("%s was at %s before. Move it back yourself.", old, part)


def _remove(path: Path) -> bool:
    """Delete a file or folder; return whether it is gone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return not os.path.lexists(path)


# The description of a TIFF file is enough to distinguish an OME-TIFF from a photograph, without a
# TIFF library. TIFF 6.0, section 2; BigTIFF has wider numbers.


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does."""
    try:
        with path.open("rb") as file:
            return file.read(4) in _STARTS
    except OSError:
        return False


def read_description(path: Path) -> bytes | None:
    """Return the first page's ImageDescription, ``b""`` without one, None for a damaged TIFF."""
    try:
        with path.open("rb") as file:
            return _description(file)
    except (OSError, struct.error, OverflowError, ValueError):
        return None


def _description(file: BinaryIO) -> bytes | None:
    start = file.read(4)
    if start not in _STARTS:
        return None
    order, big = _STARTS[start]
    count_format, entry_format, offset_format = ("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")
    file.seek(8 if big else 4)
    file.seek(_read(file, order + offset_format)[0])
    (count,) = _read(file, order + count_format)
    for _ in range(min(count, _MAX_TAGS)):
        at = file.tell()
        code, _, size, offset = _read(file, order + entry_format)
        if code == _IMAGE_DESCRIPTION:
            room = struct.calcsize(offset_format)
            data_at = offset if size > room else at + struct.calcsize(entry_format) - room
            if data_at + size > file.seek(0, os.SEEK_END):
                return None  # it would be beyond the end
            file.seek(data_at)
            return file.read(size).rstrip(b"\0")
    return b""


def _read(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
