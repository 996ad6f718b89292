"""`FrameTableWriter`: the frame table on disk, JSON Lines, append-only.

It lists frames whose pixels are on disk and nothing else: no header, no status. A line that
was cut short by a crash is left out when it is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from pymmcore_ome.disk import DiskReserve, is_disk_full

from .plane_metadata import PLANE_COLUMNS, PlaneMetadata
from .record import FrameRecord

_READ_AT_ONCE: Final = 1 << 16  # bytes: what stays in the cache is read twice as fast
_READ_BACK: Final = 1 << 16
_FIRST_FRAMES: Final = 5  # at once, until it is seen how long their lines are
_RESERVE_BYTES: Final = 1 << 20
_MOST_PLANES: Final = 1_000_000  # 64 MB, which the end needs anyway; beyond, they are read back
_INT: Final = {int}
_NUMBER: Final = {int, float, type(None)}
_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError)


class FrameTableWriter:
    """Appends records to a frame table. One thread at a time.

    Pixels may take the last byte of a disk. Room for the lines of the frames that are on it is
    therefore kept in a file next to the table (`reserve_of`), until no more pixels are written:
    then the last lines may use it.

    Parameters
    ----------
    path : Path
        Created; it must not exist, unless `exists`.
    sync_pixels : callable, optional
        Given where frames must outlast a power cut: called before lines are written, which are
        then synced.
    exists : bool
        Go on with a table that was closed.
    is_provisional : bool
        It is not known yet whether the pixels are on disk: the table has another name
        (`provisional`) until `confirm`.
    """

    def __init__(
        self,
        path: Path,
        is_provisional: bool = False,
        sync_pixels: Callable[[], object] | None = None,
        exists: bool = False,
    ) -> None:
        self._sync_pixels = sync_pixels
        self._final_path = path
        self._path = provisional(path) if is_provisional else path
        self._file = self._path.open("ab" if exists else "xb", buffering=0)
        self._stat = os.fstat(self._file.fileno())
        try:
            self._reserve = DiskReserve(reserve_of(path), _RESERVE_BYTES)
        except OSError:
            self._file.close()
            raise
        self._lines: list[bytes] = []
        self._bytes = 0
        self._line_bytes = 0  # the most for a frame, as an average of those added at once
        # of a table that is gone on with, it is read back at the end
        self._planes: PlaneMetadata | None = None if exists else PlaneMetadata()

    def append(self, record: FrameRecord) -> None:
        """Add one frame. It reaches the operating system at the next `flush`."""
        self.extend([record])

    def extend(self, records: Sequence[FrameRecord]) -> None:
        """Add frames. They reach the operating system at the next `flush`."""
        lines = [record.to_line() for record in records]
        nbytes = sum(map(len, lines))
        if lines:
            self._line_bytes = max(self._line_bytes, nbytes // len(lines))
        self._lines += lines
        self._bytes += nbytes
        if self._planes is not None:
            for record in records:
                self._planes.add(record.image, record.index, record.numbers, record.note)
            if self._planes.frames > _MOST_PLANES:
                self._planes = None
        if self._bytes >= _RESERVE_BYTES // 2:  # what waits must fit into the reserve
            self.flush()

    @property
    def frames_at_once(self) -> int:
        """How many frames may be added at once, so that their lines fit into the reserve."""
        if not self._line_bytes:
            return _FIRST_FRAMES
        return max(1, _RESERVE_BYTES // 2 // self._line_bytes)

    def planes(self) -> PlaneMetadata:
        """Return what is known of the planes of every frame, once the table has its name."""
        if self._planes is not None and self._path == self._final_path and not self._lines:
            return self._planes
        return PlaneMetadata(read_table(self._final_path))

    def flush(self, *, is_last: bool = False) -> None:
        """Hand everything appended so far to the operating system, or down to the disk.

        Parameters
        ----------
        is_last : bool
            No more pixels are written: lines that find no room may use the reserve. Before, the
            next pixels would take what it gives back.

        Raises
        ------
        OSError
            The lines that could not be written are kept for the next `flush`.
        """
        if not self._lines:
            return
        if self._sync_pixels is not None:
            self._sync_pixels()
        left = memoryview(b"".join(self._lines))
        try:
            while left.nbytes:  # a write without a buffer may take a part
                try:
                    left = left[self._file.write(left) :]
                except OSError as error:
                    if not (is_last and is_disk_full(error) and self._reserve.release()):
                        raise
            if self._sync_pixels is not None:
                os.fsync(self._file.fileno())
        finally:
            self._lines = [bytes(left)] if left.nbytes else []
            self._bytes = left.nbytes

    @property
    def is_in_place(self) -> bool:
        """Whether the table is still where it was made: not deleted, moved or replaced.

        From any thread, also while it is confirmed.
        """
        for path in (self._path, self._final_path):
            try:
                return os.path.samestat(self._stat, path.stat())
            except OSError:
                continue
        return False

    def confirm(self) -> None:
        """Close the table, all of whose pixels are on disk, and give it its name."""
        self.close()
        if self._path != self._final_path:
            self._path.replace(self._final_path)
            self._path = self._final_path

    def settle(self) -> None:
        """Look for the table under its name from now on, where another was made in its place."""
        self.close()
        self._path = self._final_path
        self._stat = self._path.stat()

    def close(self) -> None:
        """Flush and close; closing twice is allowed."""
        if not self._file.closed:
            try:
                self.flush(is_last=True)
            finally:
                self._file.close()
                self._reserve.release()


def reserve_of(path: Path) -> Path:
    """Return the path of the file that keeps room on the disk for a frame table."""
    return path.with_name(f"{path.name}.reserve")


def provisional(path: Path) -> Path:
    """Return the path of a frame table until its pixels are known to be on disk."""
    return path.with_name(f"{path.name}.unconfirmed")


def read_table(
    path: Path, bad_lines: list[int] | None = None, *, end: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield every whole record of a frame table, in the order in which the frames were written.

    ``arrival`` is the order in which the frames were acquired. Yields nothing if there is no
    table. `index` is a tuple of int, `metadata` a dict. A last line that was cut short by a crash
    is left out: its frame was not acknowledged. Any other line that cannot be read is left out
    too, and its number (from 1) added to `bad_lines`. With `end`, nothing beyond that many bytes
    is read: a writer may add frames.
    """
    if not path.exists():
        return
    number, at = 0, 0
    with path.open("rb") as file:
        while (end is None or at < end) and (lines := file.readlines(_READ_AT_ONCE)):
            at += sum(map(len, lines))
            while lines and end is not None and at > end:
                at -= len(lines.pop())
                end = min(end, at)  # the next line is not read either
            if lines and not lines[-1].endswith(b"\n"):
                lines.pop()
            yield from _rows(lines, number, bad_lines)
            number += len(lines)


def cut_half_a_line(path: Path) -> None:
    """Remove a last line that a crash cut short: its frame was never acknowledged."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = whole = file.seek(0, os.SEEK_END)
        while whole > 0:
            start = max(0, whole - _READ_BACK)
            file.seek(start)
            at = file.read(whole - start).rfind(b"\n")
            if at >= 0:
                whole = start + at + 1
                break
            whole = start
        if whole < end:
            file.truncate(whole)


def _rows(lines: list[bytes], before: int, bad_lines: list[int] | None) -> Iterator[dict[str, Any]]:
    """Yield the record of each line; all at once where all are well, which is much faster."""
    try:
        rows = [_row(found) for found in from_json(b"[" + b",".join(lines) + b"]")]
    except _UNREADABLE:
        rows = []
    if len(rows) == len(lines):
        yield from rows
        return
    for number, line in enumerate(lines, before + 1):
        try:
            row = _row(from_json(line))
        except _UNREADABLE:
            if bad_lines is not None:
                bad_lines.append(number)
        else:
            yield row


def _row(found: Any) -> dict[str, Any]:
    row: dict[str, Any] = found
    row["index"] = index = tuple(row["index"])
    if row.get("metadata") is None:
        row["metadata"] = {}
    if not (
        type(row["image"]) is str
        and type(event := row["event_index"]) is dict
        and _INT.issuperset(map(type, event.values()))
        and type(row["metadata"]) is dict
        and type(row.get("arrival", 0)) is int
        and _INT.issuperset(map(type, index))
        and _NUMBER.issuperset(map(type, map(row.get, PLANE_COLUMNS)))
    ):
        raise TypeError("a value of another kind than a frame table has")
    return row
