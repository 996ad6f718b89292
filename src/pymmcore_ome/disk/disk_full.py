"""A full disk: how to recognize it, the advice for it, and room for what must still be written."""

from __future__ import annotations

import errno
import os
from functools import cache
from pathlib import Path
from typing import Final

from .files import open_new, write_all

#: What operating systems report; Windows has no quota of its own.
_FULL: Final = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def is_disk_full(error: BaseException) -> bool:
    """Whether a full disk or an exhausted quota caused an error, directly or not."""
    cause: BaseException | None = error
    while cause is not None:
        if (isinstance(cause, OSError) and cause.errno in _FULL) or "No space left" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def advice_on_write(error: BaseException) -> str:
    """Return what a user may do about a write that failed, as an imperative without a period."""
    if is_disk_full(error):
        return "Make room on the disk, or choose another, and run again"
    return "Check the disk"


class DiskReserve:
    """Room on a disk, kept in a file that is deleted when the disk is full.

    Closed while it is kept, because Windows deletes no open file. Its bytes are random, because
    a file system that compresses would keep no room for zeros.

    Parameters
    ----------
    path : Path
        Replaced where a process that died left one.
    nbytes : int

    Raises
    ------
    OSError
        When there is not even that much room.
    """

    def __init__(self, path: Path, nbytes: int) -> None:
        self._path: Path | None = path
        try:
            with os.fdopen(open_new(str(path)), "wb", buffering=0) as file:
                write_all(file, _random_bytes(nbytes))
        except OSError:
            self.release()
            raise

    def release(self) -> bool:
        """Give the room back; return whether there was any to give."""
        path, self._path = self._path, None
        if path is None:
            return False
        path.unlink(missing_ok=True)
        return True


@cache
def _random_bytes(nbytes: int) -> bytes:
    return os.urandom(nbytes)
