"""Writing at a place of a file: many pieces in one call where the system has one.

One call is one wait for Python's lock, which a producer at full speed holds. Windows has no such
call, and gets a seek and a write for each piece; both leave the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, BinaryIO


def write_all(file: BinaryIO, data: Any) -> None:
    """Write all of a buffer where the file is; it is unbuffered, and may take less at once.

    Raises
    ------
    OSError
    """
    view = memoryview(data).cast("B")
    while view.nbytes:
        view = view[file.write(view) :]


def write_at(file: BinaryIO, at: int, pieces: Iterable[Any]) -> None:
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
    while left:
        done = os.pwritev(file.fileno(), left, at)
        if not done and any(piece.nbytes for piece in left):
            raise OSError(f"{file.name} takes nothing any more")
        at += done
        while left and done >= left[0].nbytes:
            done -= left.pop(0).nbytes
        if left and done:
            left[0] = left[0][done:]
