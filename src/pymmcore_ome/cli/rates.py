"""How fast frames reach the disk, each way that they can be written. Cleans up after itself."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pymmcore_ome as po
from pymmcore_ome.errors import StorePathError

from .source import Source

_BUFFER_BYTES: Final = 256 << 20
_SYNC_BYTES: Final = 64 << 20
_LEAST_FRAMES: Final = 4


class Rate(NamedTuple):
    """What a disk took, what the system holds back written down too."""

    frames_per_s: float
    bytes_per_s: float
    stored_share: float  # bytes on the disk by bytes of pixels


class Way(NamedTuple):
    """One way to write: the options of `open_stream`."""

    format: str
    backend: str
    chunks: str | None
    compression: str | None

    def __str__(self) -> str:
        chunks = ", chunks='auto'" if self.chunks else ""
        return f"{self.format}, {self.backend}{chunks}, {self.compression or 'not compressed'}"


def ways(source: Source) -> list[Way]:
    """Return the ways that are worth trying here, the default ones first."""
    found = [Way("ome-zarr", "tensorstore", None, None)]
    if source.frames[0].nbytes < 1 << 20:
        found.append(Way("ome-zarr", "tensorstore", "auto", None))
    chunks = found[-1].chunks
    found += [
        Way("ome-zarr", "tensorstore", chunks, "zstd:1"),
        Way("ome-zarr", "tensorstore", chunks, "blosc:1"),
        Way("ome-tiff", "tiff", None, None),
        Way("ome-tiff", "tiff", None, "zstd:1"),
    ]
    for name in ("zarr-python", "acquire-zarr"):
        if name in po.available_backends():
            found.append(Way("ome-zarr", name, chunks, None))
    return found


def raw_rate(source: Source, parent: Path, seconds: float) -> Rate:
    """Return how fast plain writes into one file are, down to the disk.

    Raises
    ------
    StorePathError
        When nothing can be written there.
    """
    nbytes = source.frames[0].nbytes
    with _folder(parent, nbytes) as folder, (folder / "raw.bin").open("wb", buffering=0) as file:
        most = shutil.disk_usage(folder).free // 4
        count = unsynced = 0
        began = time.perf_counter()
        while count < _LEAST_FRAMES or time.perf_counter() - began < seconds:
            if (count + 1) * nbytes > most:
                break
            left = source.frames[count % len(source.frames)].data.cast("B")
            while left.nbytes:
                left = left[file.write(left) :]
            count += 1
            unsynced += nbytes
            if unsynced >= _SYNC_BYTES:
                os.fsync(file.fileno())
                unsynced = 0
        os.fsync(file.fileno())
        took_s = time.perf_counter() - began
    return Rate(count / took_s, count * nbytes / took_s, 1.0)


def writing_rate(way: Way, source: Source, parent: Path, seconds: float, raw: Rate) -> Rate:
    """Return how fast frames are written in this way, down to the disk.

    No more than the disk takes in that time is written: what the system holds back
    afterwards would be waited for.
    """
    frames = source.frames
    nbytes = frames[0].nbytes
    with _folder(parent, nbytes) as folder:
        room = min(int(raw.bytes_per_s * seconds), shutil.disk_usage(folder).free // 4)
        count = max(_LEAST_FRAMES, room // nbytes)
        schema = _schema(frames[0], count)
        options: dict[str, Any] = {} if way.chunks is None else {"chunks": way.chunks}
        _sync()
        stream = po.open_stream(
            folder / "bench", schema, format=way.format, backend=way.backend,
            compression=way.compression,
            buffer_bytes=max(_BUFFER_BYTES, 4 * nbytes), **options,
        )  # fmt: skip
        began = time.perf_counter()
        done = 0
        for number in range(count):
            stream.append(frames[number % len(frames)], copy=False)
            done += 1
            if done >= _LEAST_FRAMES and time.perf_counter() - began > seconds:
                break
        stream.close(status="canceled")
        _sync()
        took_s = time.perf_counter() - began
        stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Rate(done / took_s, done * nbytes / took_s, stored / (done * nbytes))


def _schema(frame: Any, count: int) -> po.StorageSchema:
    plane = [po.Dimension(name=n, size=s) for n, s in zip("yx", frame.shape[:2], strict=True)]
    return po.StorageSchema(
        dimensions=[po.Dimension(name="t", size=count), *plane],
        dtype=frame.dtype.name,
        rgb=frame.ndim > 2,
    )


def _sync() -> None:
    """Wait until the system has written what it holds back, where it can be asked to."""
    if hasattr(os, "sync"):
        os.sync()


@contextmanager
def _folder(parent: Path, frame_bytes: int) -> Iterator[Path]:
    if not parent.is_dir():
        raise StorePathError(f"{parent} is no folder. Give one on the disk that is to be tried.")
    needed = 4 * (_LEAST_FRAMES + 1) * frame_bytes
    if shutil.disk_usage(parent).free < needed:
        raise StorePathError(f"{parent} has less than {needed / 1e6:.0f} MB left. Make room.")
    try:
        folder = Path(tempfile.mkdtemp(prefix="pymmcore-ome-bench-", dir=parent))
    except OSError as error:
        raise StorePathError(f"Nothing can be written to {parent}: {error}.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
