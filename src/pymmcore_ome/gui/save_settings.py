"""`SaveSettings`: where and how to save. Plain and frozen, without widgets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from pymmcore_ome.acquisition import Output
from pymmcore_ome.backends import (
    TIFF_LEVELS,
    ZARR_LEVELS,
    ArrayBackend,
    available_backends,
    find_backend,
)
from pymmcore_ome.disk import FORMATS, Format, default_suffix, split_suffix
from pymmcore_ome.errors import OptionError, StorePathError
from pymmcore_ome.layout import Chunks, LevelCount
from pymmcore_ome.schema import unsafe_reason

#: The keys of our settings, and of those of pymmcore-widgets, in the metadata of a sequence.
METADATA_KEY: Final = "pymmcore_ome"
_WIDGETS_KEY: Final = "pymmcore_widgets"

#: The chunks of each preset.
CHUNK_PRESETS: Final[dict[str, Chunks]] = {
    "one frame": None,
    "gathered": "auto",
    "tiles of 512": {"y": 512, "x": 512},
    "tiles of 256": {"y": 256, "x": 256},
}


#: The resolution levels of each preset.
LEVEL_PRESETS: Final[dict[str, LevelCount | None]] = {
    "full size": None,
    "automatic": "auto",
}


@dataclass(frozen=True)
class SaveSettings:
    """Where and how to save the next acquisition.

    It never returns an existing path: each acquisition gets the next number.

    Attributes
    ----------
    folder : Path
        Created if it does not exist.
    name : str
        Without number and suffix.
    format : ``"ome-zarr"`` | ``"ome-tiff"``
    backend : str or ArrayBackend subclass, or None
        None: the default one of the format.
    compression : str | None
        ``"name"`` or ``"name:level"``, as `Output`.
    chunks : str
        One of `CHUNK_PRESETS`; ignored for OME-TIFF.
    levels : str
        One of `LEVEL_PRESETS`.
    is_on : bool
        False: nothing is saved.
    """

    folder: Path = field(default_factory=Path.cwd)
    name: str = "experiment"
    format: Format = "ome-zarr"
    backend: str | type[ArrayBackend] | None = None
    compression: str | None = None
    chunks: str = "one frame"
    levels: str = "full size"
    is_on: bool = True

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def named(self, text: str) -> Self:
        """Return a copy with a name as typed; a known suffix selects the format."""
        name, format_ = split_suffix(text.strip())
        return self.replace(name=name).with_format(self.format if format_ is None else format_)

    def with_format(self, format_: Format) -> Self:
        """Return a copy of another format; options that it lacks return to their defaults."""
        if format_ == self.format:
            return self
        kept = self.compression is not None and self.compression in compressions_of(format_)
        return self.replace(
            format=format_, backend=None, compression=self.compression if kept else None
        )

    def next_path(self) -> Path:
        """Return the path of the next acquisition. Reads the folder, which may be slow.

        Raises
        ------
        StorePathError
            When the folder or the name cannot be used, with the reason.
        """
        if reason := unsafe_reason(self.name):
            raise StorePathError(
                f"The name {self.name!r} cannot be used: {reason}. Use letters, digits, - and _."
            )
        folder = self.folder.expanduser()
        if not folder.is_absolute():
            raise StorePathError(f"The folder {str(self.folder)!r} is not a full path. Choose one.")
        existing = nearest_folder(folder)
        if not existing.is_dir():
            raise StorePathError(f"{existing} is a file, not a folder. Choose another folder.")
        if not os.access(existing, os.W_OK):
            raise StorePathError(f"No permission to write to {existing}. Choose another folder.")
        try:
            return next_path(folder, self.name, default_suffix(self.format))
        except OSError as error:
            raise StorePathError(
                f"The folder {folder} cannot be read: {error.strerror or error}. Choose another."
            ) from error

    def last_path(self) -> Path | None:
        """Return the path of the last acquisition with this name and format, if it is there."""
        try:
            path = self.next_path()
        except StorePathError:
            return None
        base, number = split_number(path.name.removesuffix(default_suffix(self.format)))
        last = path.with_name(f"{base}_{number - 1:03d}{default_suffix(self.format)}")
        return last if last.exists() else None

    def output(
        self, path: Path | None = None, *, core: Any = None, resume: bool = False
    ) -> Output | None:
        """Return the object for ``mda.run(output=…)``, or None if nothing is saved.

        Parameters
        ----------
        path : Path, optional
            None: the next free path.
        core : CMMCorePlus, optional
            As `Output`.
        resume : bool
            Go on with the store at the path.

        Raises
        ------
        StorePathError, OptionError
            When these settings cannot be used, with the reason.
        """
        if not self.is_on:
            return None
        if self.chunks not in CHUNK_PRESETS:
            raise OptionError(f"Chunks {self.chunks!r}: expected one of {list(CHUNK_PRESETS)}.")
        if self.levels not in LEVEL_PRESETS:
            raise OptionError(f"Levels {self.levels!r}: expected one of {list(LEVEL_PRESETS)}.")
        return Output(
            self.next_path() if path is None else path,
            format=self.format,
            backend=self.backend,
            compression=self.compression,
            chunks=None if self.format == "ome-tiff" else CHUNK_PRESETS[self.chunks],
            levels=LEVEL_PRESETS[self.levels],
            core=core,
            resume=resume,
        )

    def to_metadata(self) -> dict[str, Any]:
        """Return the settings as plain values, for the metadata of a sequence."""
        backend = self.backend if isinstance(self.backend, str) else None
        return {
            "folder": str(self.folder), "name": self.name, "format": self.format,
            "backend": backend, "compression": self.compression, "chunks": self.chunks,
            "levels": self.levels, "is_on": self.is_on,
        }  # fmt: skip

    def from_metadata(self, metadata: Mapping[str, Any]) -> Self:
        """Return a copy with the save settings in a sequence's metadata; ours have precedence.

        Settings that cannot be used here (an unknown format, a backend that is not installed) are
        ignored: the file may be from another microscope.
        """
        ours = metadata.get(METADATA_KEY)
        if isinstance(ours, Mapping) and isinstance(ours.get("save"), Mapping):
            return self._from_ours(ours["save"])
        theirs = metadata.get(_WIDGETS_KEY)
        if isinstance(theirs, Mapping) and theirs.get("save_name"):
            found = self.named(str(theirs["save_name"]))
            if folder := theirs.get("save_dir"):
                found = found.replace(folder=Path(str(folder)))
            return found.replace(is_on=bool(theirs.get("should_save", True)))
        return self

    def _from_ours(self, saved: Mapping[str, Any]) -> Self:
        found = self
        if saved.get("format") in FORMATS:
            found = found.with_format(saved["format"])
        if saved.get("backend") in (None, *backends_of(found.format)):
            found = found.replace(backend=saved.get("backend"))
        if saved.get("chunks") in CHUNK_PRESETS:
            found = found.replace(chunks=saved["chunks"])
        if saved.get("levels") in LEVEL_PRESETS:
            found = found.replace(levels=saved["levels"])
        if isinstance(saved.get("name"), str):
            found = found.replace(name=saved["name"])
        if isinstance(saved.get("folder"), str):
            found = found.replace(folder=Path(saved["folder"]))
        compression = saved.get("compression")
        if compression is None or str(compression).split(":")[0] in compressions_of(found.format):
            found = found.replace(compression=compression)
        return found.replace(is_on=bool(saved.get("is_on", True)))


def backends_of(format_: Format) -> tuple[str, ...]:
    """Return the names of the backends that write a format, its default first."""
    default = find_backend(None, format_)
    fitting = [name for name in available_backends() if _writes(name, format_)]
    return tuple(sorted(fitting, key=lambda n: (find_backend(n, format_) is not default, n)))


def compressions_of(format_: Format) -> tuple[str, ...]:
    """Return the names of the compressions of a format."""
    return tuple(ZARR_LEVELS if format_ == "ome-zarr" else TIFF_LEVELS)


def nearest_folder(path: Path) -> Path:
    """Return the path itself, or the nearest parent that exists."""
    for folder in (path, *path.parents):
        if folder.exists():
            return folder
    return path


def _writes(name: str, format_: Format) -> bool:
    try:
        find_backend(name, format_)
    except OptionError:
        return False
    return True


_NUMBERED: Final = re.compile(r"(?P<base>.*\S)_(?P<number>\d{3,9})")


def split_number(name: str) -> tuple[str, int]:
    """Return a name without its number, and the number, or 1.

    Examples
    --------
    >>> split_number("cells_007"), split_number("cells")
    (('cells', 7), ('cells', 1))
    """
    found = _NUMBERED.fullmatch(name)
    return (found["base"], int(found["number"])) if found else (name, 1)


def next_path(folder: Path, name: str, suffix: str) -> Path:
    """Return the path of the next acquisition: its number exceeds all existing ones.

    Everything with the name and a number counts, in any format and letter case, also if hidden:
    no number is used twice.

    Parameters
    ----------
    folder : Path
        Need not exist.
    name : str
        A number at its end is the lowest that is used.
    suffix : str
        Such as ``".ome.zarr"``.

    Raises
    ------
    OSError
        When the folder cannot be listed.
    """
    base, number = split_number(name)
    taken = re.compile(rf"\.?{re.escape(base)}_(\d+)(?!\d).*", re.IGNORECASE | re.DOTALL)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if found := taken.fullmatch(entry.name):
                    number = max(number, int(found[1]) + 1)
    except FileNotFoundError:
        pass  # it will be created
    return folder / f"{base}_{number:03d}{suffix}"
