"""`PixelFile`: pixels are appended to a file, then pointed at. One engine for every format.

Bytes go to the end of the file first, then the few bytes near its start that point at
them. If the process dies in between, nothing points at the new bytes, and they are harmless. It
knows no format, never moves a byte, and frees none.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from io import FileIO
from typing import Any, Final

from pymmcore_ome.disk import (
    max_open_files,
    replace_file,
    sync_folder,
    write_at,
)

ALIGNMENT: Final = 16
_BIG_ALIGNMENT: Final = 4096  # of pieces that are whole pages of memory: half the copying
_MOST_OPEN: Final = 128
_SHARE_OF_HANDLES: Final = 4  # a quarter of what the process may hold open

Patch = tuple[int, Any]  # where, and the bytes


class OpenFiles:
    """Keeps few of many files open: those that were used last. One thread at a time.

    Parameters
    ----------
    most : int, optional
        Files open at once. None: a quarter of what this process may hold open, at most 128.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most or max(4, min(_MOST_OPEN, max_open_files() // _SHARE_OF_HANDLES))
        self._handles: OrderedDict[PixelFile, FileIO] = OrderedDict()

    def handle(self, file: PixelFile) -> FileIO:
        """Return the open handle of a file, which is opened when it is not."""
        handle = self._handles.get(file)
        if handle is None:
            handle = FileIO(file.path, "r+")
            self.keep(file, handle)
        elif len(self._handles) > 1:
            self._handles.move_to_end(file)
        return handle

    def keep(self, file: PixelFile, handle: FileIO) -> None:
        """Take the open handle of a file; the one that was used longest ago may be closed."""
        self._handles[file] = handle
        if len(self._handles) > self._most:
            _, oldest = self._handles.popitem(last=False)
            oldest.close()

    def close(self, file: PixelFile | None = None) -> None:
        """Close the handle of a file, or of all; each is opened again when it is needed."""
        if file is None:
            while self._handles:
                self._handles.popitem()[1].close()
        elif file in self._handles:
            self._handles.pop(file).close()


class PixelFile:
    """A file that grows at its end. One thread at a time; others may read it meanwhile.

    Parameters
    ----------
    path : str
        Of a file that exists.
    files : OpenFiles
    end : int
        Where the next bytes go.
    limit : callable, optional
        Raises OSError for an end that the format does not allow.
    outlasts_power : bool
        Bytes are on the disk before anything points at them, also after a power cut.
    """

    __slots__ = ("_files", "_limit", "end", "is_unsynced", "outlasts_power", "path")

    def __init__(
        self,
        path: str,
        files: OpenFiles,
        end: int = 0,
        *,
        limit: Callable[[int], None] | None = None,
        outlasts_power: bool = False,
    ) -> None:
        self.path = path
        self.end = end
        self.outlasts_power = outlasts_power
        self.is_unsynced = False
        self._files = files
        self._limit = limit

    def store(
        self,
        pieces: Sequence[Any],
        sizes: Sequence[int],
        pointers: Callable[[Sequence[int]], Iterable[Patch]],
    ) -> None:
        """Append pieces, then write what points at them.

        Parameters
        ----------
        pieces : sequence of contiguous buffers
        sizes : sequence of int
            Their bytes.
        pointers : callable
            Called with where each piece is, once all are in the file.

        Raises
        ------
        OSError
            When the pieces could not be written, nothing points at them. When the pointers
            could not, some may. All may be stored again.
        """
        places = self.append(pieces, sizes)
        self.patch(pointers(places))

    def append(self, pieces: Sequence[Any], sizes: Sequence[int]) -> list[int]:
        """Write pieces to the end of the file, as one; return where each is.

        Raises
        ------
        OSError
            The file then counts as ending where it ended before.
        """
        places, buffers, end = spread(pieces, sizes, self.end)
        self._write(places[0], buffers, end)
        return places

    def append_bytes(self, data: Any, alignment: int = 1) -> int:
        """Write bytes to the end of the file; return where they are.

        Raises
        ------
        OSError
        """
        at = self.end + -self.end % alignment
        self._write(at, [data], at + memoryview(data).nbytes)
        return at

    def reserve(self, nbytes: int) -> int:
        """Return where the next so many bytes are. They read as 0, and may take no room."""
        at = self.end + -self.end % ALIGNMENT
        self._write(at + nbytes - 1, [b"\0"], at + nbytes)
        return at

    def patch(self, patches: Iterable[Patch]) -> None:
        """Write small pieces in place: pointers at bytes that were appended before.

        Raises
        ------
        OSError
        """
        if self.outlasts_power:
            self.sync()  # a pointer must not outlast a power cut that its bytes do not
        handle = self._files.handle(self)
        self.is_unsynced = True
        for at, data in patches:
            write_at(handle, at, (data,))

    def cut_tail(self) -> None:
        """Cut off what a write that failed may have left behind the end."""
        self._files.handle(self).truncate(self.end)

    def sync(self) -> None:
        """Make everything written so far outlast a power cut.

        Raises
        ------
        OSError
        """
        if self.is_unsynced:
            os.fsync(self._files.handle(self).fileno())
            self.is_unsynced = False

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        self._files.close(self)

    def _write(self, at: int, buffers: Sequence[Any], end: int) -> None:
        if self._limit is not None:
            self._limit(end)
        if end > at:
            self.is_unsynced = True
            write_at(self._files.handle(self), at, buffers)
        self.end = end


def create_file(path: str, buffers: Iterable[Any], *, sync: bool = False) -> FileIO | None:
    """Make a file with this content. It is there as a whole, or not at all.

    Parameters
    ----------
    path : str
        Its folder exists.
    buffers : iterable of contiguous buffers
    sync : bool
        It outlasts a power cut.

    Returns
    -------
    FileIO or None
        The open file, where a file may be open while it is renamed (not on Windows).

    Raises
    ------
    OSError
        Nothing is then left of it.
    """
    part = f"{path}.part"
    handle = FileIO(part, "w+")
    try:
        write_at(handle, 0, buffers)
        if sync:
            os.fsync(handle.fileno())
        if os.name == "nt":
            handle.close()
        replace_file(part, path)
        if sync:
            sync_folder(os.path.dirname(path))  # noqa: PTH120  # once a shard: pathlib is slow
    except BaseException:
        handle.close()
        if os.path.exists(part):  # noqa: PTH110
            os.unlink(part)  # noqa: PTH108
        raise
    return None if handle.closed else handle


def _alignment_of(nbytes: int) -> int:
    for alignment in (_BIG_ALIGNMENT, ALIGNMENT):
        if nbytes % alignment == 0:
            return alignment
    return 1


def spread(
    pieces: Sequence[Any], sizes: Sequence[int], end: int
) -> tuple[list[int], list[Any], int]:
    """Return the offsets of pieces appended at an end, what to write there, and the new end.

    What is to be written begins at the first of the places, gaps included. Pieces of one size
    are contiguous, so that a series of frames can be mapped into memory as one array:
    those that are whole pages of memory, or a multiple of 16 bytes, are aligned to that.
    """
    places: list[int] = []
    buffers: list[Any] = []
    at = end
    for piece, size in zip(pieces, sizes, strict=True):
        gap = -at % _alignment_of(size)
        if gap and buffers:
            buffers.append(bytes(gap))
        at += gap
        places.append(at)
        buffers.append(piece)
        at += size
    return places, buffers, at
