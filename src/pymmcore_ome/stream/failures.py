"""The errors that a stream raises, in words. They decide nothing and catch nothing."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

from pymmcore_ome.errors import BufferFullError, Option, PymmcoreOmeError, WriteError

from .buffer import FrameBuffer

_FULL: Final = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # no quota on Windows


def buffer_full(frame_number: int, buffer: FrameBuffer) -> BufferFullError:
    """Return the error of a frame for which there is no room."""
    return BufferFullError(
        f"Frame {frame_number} was not taken: {buffer.bytes_held} of {buffer.budget_bytes} bytes "
        "are waiting for the disk. Try again later, raise buffer_bytes, or wait with ",
        Option("when_full", "block"),
        ".",
    )


def write_error(path: Path, error: BaseException | None) -> PymmcoreOmeError:
    """Return what ended a stream, as an error of ours."""
    if isinstance(error, PymmcoreOmeError):
        return error
    failure = WriteError(f"The writer of {path} stopped: {error!r}.")
    failure.__cause__ = error
    return failure


def what_to_do(error: BaseException) -> str:
    """Return what a user may do about a write that failed."""
    if "No space left" in str(error) or (isinstance(error, OSError) and error.errno in _FULL):
        return "Make room on the disk, or choose another, and run again"
    return "Check the disk"


def finish_error(path: Path, left_behind: str, error: Exception) -> WriteError:
    """Return the error of a store whose last documents or pixels could not be written."""
    failure = WriteError(
        f"{path}: the store could not be finished: {error}. {left_behind}. {what_to_do(error)}."
    )
    failure.__cause__ = error
    return failure
