"""`Shard`: one Zarr version 3 shard that can be read from its first byte to its last.

Its index stands at the start of the file, and each entry is written after the pixels that it
points at. When the shard is full, or its store is closed, the same index is appended with a
checksum, for readers that look for it at the end. It knows neither arrays nor documents.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends.pixel_file import OpenFiles, Patch, PixelFile, create_file, spread

ENTRY_BYTES: Final = 16
_ENTRY: Final = struct.Struct("<QQ")
_NOWHERE: Final = b"\xff" * ENTRY_BYTES
_CHECKSUM_BYTES: Final = 4
_GAP: Final = 256  # entries that are written again sooner than by a call of their own


class Shard:
    """One shard that is being written. One thread at a time; others may read it meanwhile.

    Parameters
    ----------
    path : str
        Its folder exists, and the file does not.
    count : int
        Chunks that the shard has a place for.
    chunks_left : int
        How many of them are within the array: the shard is full after as many.
    files : OpenFiles
    outlasts_power : bool
        Pixels are on the disk before the index points at them, also after a power cut.
    """

    __slots__ = ("_chunks_left", "_file", "_files", "_index", "_outlasts_power", "is_ended", "path")

    def __init__(
        self, path: str, count: int, chunks_left: int, files: OpenFiles, outlasts_power: bool
    ) -> None:
        self.path = path
        self.is_ended = False
        self._index = bytearray(_NOWHERE * count)
        self._chunks_left = chunks_left
        self._files = files
        self._outlasts_power = outlasts_power
        self._file: PixelFile | None = None

    @classmethod
    def existing(cls, path: str, count: int, files: OpenFiles, outlasts_power: bool) -> Shard:
        """Return a shard that was ended, to write to it again; it has to be ended again.

        Raises
        ------
        OSError
        """
        shard = cls(path, count, count, files, outlasts_power)
        index = read_index(path, count)
        shard._index[:] = index.tobytes()
        shard._chunks_left = int(np.count_nonzero(~has_chunk(index)))
        shard._file = PixelFile(
            path,
            files,
            Path(path).stat().st_size,
            outlasts_power=outlasts_power,
        )
        return shard

    @property
    def is_full(self) -> bool:
        """Whether every chunk within the array was written."""
        return self._chunks_left <= 0

    def store(self, chunks: Sequence[int], pieces: Sequence[Any], sizes: Sequence[int]) -> None:
        """Write chunks, then point the index at them; the last one ends the shard.

        Parameters
        ----------
        chunks : sequence of int
            Their numbers in the shard, in storage order. A chunk may be stored again.
        pieces : sequence of contiguous buffers
        sizes : sequence of int
            The pieces' bytes.

        Raises
        ------
        OSError
            None of the chunks counts as stored then; each may be stored again.
        """
        if self._file is None:
            self._create(chunks, pieces, sizes)
            return

        def entries(places: Sequence[int]) -> Iterator[Patch]:
            self._chunks_left -= self._point(chunks, places, sizes)
            return self._patches(chunks)

        before = bytes(self._index), self._chunks_left
        try:
            self._file.store(pieces, sizes, entries)
        except OSError:
            self._index[:], self._chunks_left = before
            raise

    def end(self) -> None:
        """Append the index with its checksum, and close the file.

        Raises
        ------
        OSError
            The shard can still be read, by the index at its start.
        """
        if self._file is not None and not self.is_ended:
            if not os.path.exists(self.path):  # noqa: PTH110  # an open file may have no name
                raise FileNotFoundError(f"{self.path} was deleted or moved")
            # what a full disk left half written would hide the index, and takes its room
            self._file.cut_tail()
            self._file.append_bytes(with_checksum(self._index))
            if self._outlasts_power:
                self._file.sync()
            self._file.close()
        self.is_ended = True

    def sync(self) -> None:
        """Make everything written so far outlast a power cut."""
        if self._file is not None:
            self._file.sync()

    def _create(self, chunks: Sequence[int], pieces: Sequence[Any], sizes: Sequence[int]) -> None:
        """Make the file with its first chunks: it is there as a whole, or not at all."""
        header = bytes(self._index)
        places, buffers, end = spread(pieces, sizes, len(header))
        left = self._chunks_left - self._point(chunks, places, sizes)
        content = [self._index, bytes(places[0] - len(header)), *buffers]
        if left <= 0:
            content.append(with_checksum(self._index))
        try:
            handle = create_file(self.path, content, sync=self._outlasts_power)
        except BaseException:
            self._index[:] = header
            raise
        self._chunks_left = left
        self._file = PixelFile(self.path, self._files, end, outlasts_power=self._outlasts_power)
        if left <= 0:
            self.is_ended = True
            if handle is not None:
                handle.close()
        elif handle is not None:
            self._files.keep(self._file, handle)

    def _point(self, chunks: Sequence[int], places: Sequence[int], sizes: Sequence[int]) -> int:
        """Set the entries of chunks in memory; return how many were empty."""
        index, put = self._index, _ENTRY.pack_into
        new = 0
        for chunk, at, size in zip(chunks, places, sizes, strict=True):
            where = chunk * ENTRY_BYTES
            new += index[where : where + ENTRY_BYTES] == _NOWHERE
            put(index, where, at, size)
        return new

    def _patches(self, chunks: Sequence[int]) -> Iterator[Patch]:
        """Yield the pieces of the index that hold the entries of chunks."""
        ordered = sorted(chunks)
        first = last = ordered[0]
        view = memoryview(self._index)
        for chunk in ordered[1:]:
            if chunk - last > _GAP:
                yield first * ENTRY_BYTES, view[first * ENTRY_BYTES : (last + 1) * ENTRY_BYTES]
                first = chunk
            last = chunk
        yield first * ENTRY_BYTES, view[first * ENTRY_BYTES : (last + 1) * ENTRY_BYTES]


def with_checksum(index: bytes | bytearray) -> bytes:
    """Return an index as it stands at the end of a shard: with its crc32c."""
    content = bytes(index)
    return content + int(google_crc32c.value(content)).to_bytes(_CHECKSUM_BYTES, "little")


def read_index(path: str | Path, count: int) -> NDArray[np.uint64]:
    """Return offset and bytes of every chunk, by the index at the start of a shard.

    Raises
    ------
    OSError
        When there is no such file, or it is too short to be a shard.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # once a frame that is read
        content = file.read(count * ENTRY_BYTES)
    if len(content) < count * ENTRY_BYTES:
        raise OSError(f"{path} is too short to be a shard of {count} chunks")
    return np.frombuffer(content, "<u8").reshape(count, 2).astype(np.uint64)


def has_chunk(index: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which entries of an index point at a chunk."""
    empty: NDArray[np.bool_] = (index == np.iinfo(np.uint64).max).all(axis=1)
    return ~empty


class ShardCheck(NamedTuple):
    """What is wrong with a shard.

    Attributes
    ----------
    beyond_end : int
        Chunks that the index has beyond the end of the file.
    differs : bool
        The index at the end is not that at the start.
    """

    beyond_end: int
    differs: bool


def check_shard(path: Path, count: int, *, is_ended: bool) -> ShardCheck:
    """Compare the index at the start of a shard with the file and with the index at its end.

    Raises
    ------
    OSError
    """
    size = path.stat().st_size
    index = read_index(path, count)
    used = index[has_chunk(index)]
    # a damaged entry may be any number: no sum that could overflow
    beyond = (used[:, 1] > size) | (used[:, 0] > size - np.minimum(used[:, 1], size))
    differs = is_ended and _read_tail(path, count) != with_checksum(index.astype("<u8").tobytes())
    return ShardCheck(int(np.count_nonzero(beyond)), differs)


def end_existing(path: Path, count: int) -> None:
    """Append the index to a shard that is not being written, unless it is there.

    A file without a whole index holds no chunk that could be found: it is removed.

    Raises
    ------
    OSError
    """
    try:
        index = read_index(path, count)
    except OSError:
        if path.stat().st_size < count * ENTRY_BYTES:
            path.unlink()
            return
        raise
    content = with_checksum(index.astype("<u8").tobytes())
    if _read_tail(path, count) == content:
        return
    files = OpenFiles()
    try:
        PixelFile(str(path), files, path.stat().st_size).append_bytes(content)
    finally:
        files.close()


def _read_tail(path: Path, count: int) -> bytes:
    """Return the last bytes of a shard, as many as an index with its checksum has."""
    nbytes = count * ENTRY_BYTES + _CHECKSUM_BYTES
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - nbytes))
        return file.read(nbytes)
