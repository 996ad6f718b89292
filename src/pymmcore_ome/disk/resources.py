"""What is left of the computer's resources: free disk, open files, memory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final


def free_bytes(path: Path) -> int | None:
    """Return the free bytes on the disk of a path that may not exist yet; None when unknown."""
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


_WITHOUT_A_LIMIT: Final = 8192  # what the C library of Windows allows


def max_open_files() -> int:
    """Return the number of files that this process may hold open at once."""
    try:
        import resource
    except ImportError:  # Windows
        return _WITHOUT_A_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _WITHOUT_A_LIMIT if soft == resource.RLIM_INFINITY else soft


_MAX_BUFFER_BYTES: Final = 1 << 30


def default_buffer_bytes() -> int:
    """Return a quarter of the memory that is free now, at most 1 GiB, in bytes."""
    import psutil  # here, because only a stream needs it

    return int(min(psutil.virtual_memory().available // 4, _MAX_BUFFER_BYTES))
