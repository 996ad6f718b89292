"""Files: whole or not at all, whatever the operating system.

Runs on Linux here; the Windows paths (a file that another program holds open cannot be
replaced at once) are written from Microsoft's documentation and not tested here.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final

_WRITE: Final = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | getattr(os, "O_BINARY", 0)
#: Fails where anything has that name, a link too: what it points to is never written to.
_NEW: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
_ATTEMPTS: Final = 10
_PAUSE_S: Final = 0.05
_MOST_PIECES: Final = 1024  # in one call: IOV_MAX, of Linux and macOS
_WITHOUT_A_LIMIT: Final = 8192  # what the C library of Windows allows
_MAX_BUFFER_BYTES: Final = 1 << 30


def write_whole(path: Path | str, content: bytes | Iterable[bytes], *, sync: bool = False) -> None:
    """Write a file so that a reader sees the old content or the new, never half of one.

    A link of that name is replaced, and what it points to is left as it is. With `sync`, the
    new content outlasts a power cut once this returns.

    Raises
    ------
    OSError
        When it cannot be written; the old content is then still there.
    """
    part = f"{path}.part"
    try:
        with os.fdopen(open_new(part), "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        replace_file(part, path)
        if sync:
            sync_folder(os.path.dirname(path) or ".")  # noqa: PTH120
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise


def open_new(path: str) -> int:
    """Return a new file, open for writing; a file or a link of that name is replaced.

    Raises
    ------
    OSError
    """
    try:
        return os.open(path, _NEW, 0o666)
    except FileExistsError:  # of a process that died
        os.unlink(path)  # noqa: PTH108  # a link, not what it points to
        return os.open(path, _NEW, 0o666)


def write_plainly(path: str, content: Any) -> None:
    """Write a small file that no program reads before it is complete.

    Raises
    ------
    OSError
        When it cannot be written; nothing is then left of it.
    """
    file = os.open(path, _WRITE, 0o666)
    try:
        try:
            left = memoryview(content)
            while (written := os.write(file, left)) < left.nbytes:
                left = left.cast("B")[written:]
        finally:
            os.close(file)  # a network disk may report its errors only now
    except OSError:
        Path(path).unlink(missing_ok=True)
        raise


def make_folder(path: str) -> None:
    """Make a folder in one that is there; it may be there already.

    Raises
    ------
    OSError
    """
    try:  # noqa: SIM105  # thousands of them: suppress takes a third of the call's own time
        os.mkdir(path)  # noqa: PTH102
    except FileExistsError:
        pass


def replace_file(source: Path | str, target: Path | str) -> None:
    """Replace a file, trying again for a moment where a virus scanner or a viewer holds it.

    Raises
    ------
    OSError
    """
    for attempt in range(_ATTEMPTS):
        try:
            os.replace(source, target)  # noqa: PTH105  # the same call, and the one documented as atomic
            return
        except PermissionError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE_S)


def write_all(file: BinaryIO | FileIO, data: Any) -> None:
    """Write all of a buffer where the file is; it is unbuffered, and may take less at once.

    Raises
    ------
    OSError
    """
    view = memoryview(data).cast("B")
    while view.nbytes:
        view = view[file.write(view) :]


def write_at(file: BinaryIO | FileIO, at: int, pieces: Iterable[Any]) -> None:
    """Write buffers one after the other, from a place in the file on.

    Parameters
    ----------
    file
        Opened for writing, unbuffered. Where it is afterwards is not defined.
    at : int
    pieces : iterable of contiguous buffers

    Raises
    ------
    OSError
        Any of them may be written then, in part, too.
    """
    left = [memoryview(piece).cast("B") for piece in pieces]
    if not hasattr(os, "pwritev"):  # Windows
        file.seek(at)
        for piece in left:
            write_all(file, piece)
        return
    first = 0
    while first < len(left):
        done = os.pwritev(file.fileno(), left[first : first + _MOST_PIECES], at)
        if not done and any(piece.nbytes for piece in left[first : first + _MOST_PIECES]):
            raise OSError(f"{file.name} accepts no more data")
        at += done
        while first < len(left) and done >= left[first].nbytes:
            done -= left[first].nbytes
            first += 1
        if done:
            left[first] = left[first][done:]


def sync_folder(path: str) -> None:
    """Make files that were made, or renamed, in a folder outlast a power cut.

    Windows has no such call: its file systems record names in their journal.

    Raises
    ------
    OSError
    """
    if os.name == "nt":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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


def max_open_files() -> int:
    """Return the number of files that this process may hold open at once."""
    try:
        import resource
    except ImportError:  # Windows
        return _WITHOUT_A_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _WITHOUT_A_LIMIT if soft == resource.RLIM_INFINITY else soft


def default_buffer_bytes() -> int:
    """Return a quarter of the memory that is free now, at most 1 GiB, in bytes."""
    import psutil  # here, because only a stream needs it

    return int(min(psutil.virtual_memory().available // 4, _MAX_BUFFER_BYTES))
