"""How much room a disk has left for a store."""

from __future__ import annotations

import shutil
from pathlib import Path


def free_bytes(path: Path) -> int | None:
    """Return the bytes that are free where a path lies or will lie; None where nobody tells."""
    for folder in (path, *path.absolute().parents):
        if folder.exists():
            try:
                return shutil.disk_usage(folder).free
            except OSError:
                return None
    return None


def used_bytes(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 where there is nothing."""
    if path.is_dir() and not path.is_symlink():
        files = (file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
        return sum(file.stat().st_size for file in files)
    return path.stat().st_size if path.exists() else 0
