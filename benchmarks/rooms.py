"""`room`: a folder for one measurement, which is emptied at its end; all are deleted at the last.

ext4 does not use an inode again for a minute after a file or folder was deleted, and looks at each
such inode whenever it makes a new one (`recently_deleted` in Linux): after 5,000 deletions, making
a folder took 1 ms instead of 0.03. Whatever ran after a contender with many files paid for it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .loads import Load

MEMORY = Path("/dev/shm")
_REMEMBERED_S = 60.0
_FILES_PER_FRAME = 3  # a chunk of a frame has two folders of its own
_MARK = "pymmcore-ome-benchmarks-ended"


@contextmanager
def rooms(parent: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """Make a folder for all rooms; delete it at the end, and note when.

    First wait until the file system has forgotten what an earlier run deleted, but in memory.
    """
    mark = parent / _MARK
    if mark.exists() and parent != MEMORY:
        left_s = mark.stat().st_mtime + _REMEMBERED_S - time.time()
        if left_s > 0:
            say(f"Wait {left_s:.0f} s: {parent} remembers the files of the run before")
            time.sleep(left_s)
    folder = Path(tempfile.mkdtemp(prefix="pymmcore-ome-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if parent != MEMORY:
            mark.touch()


@contextmanager
def room(parent: Path) -> Iterator[Path]:
    """Make a folder, and empty every file in it at the end: their space is free again."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_size:
                os.truncate(path, 0)


def check_room(parent: Path, load: Load, measurements: int) -> None:
    """Refuse a load that the disk has no room for.

    Raises
    ------
    SystemExit
    """
    needed = 3 * load.frame_count * load.frame_bytes  # the store, and what `warm_up` writes
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise SystemExit(
            f"{load.name} needs {needed / 1e9:.1f} GB in {parent}, which has {free / 1e9:.1f}. "
            "Give --quick, or another --path."
        )
    if hasattr(os, "statvfs"):
        files = _FILES_PER_FRAME * load.frame_count * measurements  # nothing is deleted between
        free = os.statvfs(parent).f_favail
        if 0 < free < files:
            raise SystemExit(
                f"{load.name} makes up to {files:,} files and folders in {parent}, which takes "
                f"{free:,}. Give fewer --rounds, --quick, or another --path."
            )
