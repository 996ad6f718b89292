"""How fast each backend and compression writes frames to a disk. Removes what it writes.

The configurations alternate in several rounds, each after memory has been warmed up (see
`pymmcore_ome.disk.warm_up`): otherwise, the first one would be slowed down by the system.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from pymmcore_ome.disk import measure_disk, warm_up
from pymmcore_ome.errors import AcquisitionError, StorePathError

from .microscope import load_core

_MOST_BYTES: Final = 256 << 20
_PATIENCE_S: Final = 10.0


class Source(NamedTuple):
    """Frames to write, and the rate at which the camera delivers them.

    Attributes
    ----------
    frames : list of array
        (height, width), or (height, width, 3).
    frames_per_s : float | None
        None: without a camera.
    description : str
        One sentence.
    """

    frames: list[NDArray[Any]]
    frames_per_s: float | None
    description: str


def synthetic_source() -> Source:
    """Return synthetic frames of 2048 x 2048 with the noise of a camera."""
    frames = _noise((2048, 2048), np.dtype("uint16"))
    return Source(frames, None, "Synthetic frames, 2048 x 2048 uint16 (8.4 MB).")


def camera_source(config: Path, seconds: float) -> Source:
    """Return frames of a camera as configured, and how fast it streams them.

    Raises
    ------
    AcquisitionError
        When there is no camera, or it delivers no frame.
    """
    core = load_core(config)
    camera = core.getCameraDevice()
    if not camera:
        raise AcquisitionError(
            f"{config} selects no camera. Add a line  Property,Core,Camera,NAME."
        )
    frames, rate = _stream(core, seconds)
    shape, dtype = frames[0].shape, frames[0].dtype
    black = ""
    if not any(frame.any() for frame in frames):  # black chunks would not be written
        frames = _noise(shape, dtype)
        black = " Its frames are black, so noise is written instead."
    return Source(
        frames,
        rate,
        f"Camera {camera}: {' x '.join(map(str, shape))} {dtype}, exposure "
        f"{core.getExposure():g} ms, streams {rate:,.1f} frames/s "
        f"({rate * frames[0].nbytes / 1e6:,.0f} MB/s).{black}",
    )


def _stream(core: CMMCorePlus, seconds: float) -> tuple[list[NDArray[Any]], float]:
    """Start a sequence; return as many frames as fit in memory, and the frames a second."""
    frames: list[NDArray[Any]] = []
    count, began, ended = 0, 0.0, 0.0
    patience_s = seconds + _PATIENCE_S + 2 * core.getExposure() / 1000
    until = time.monotonic() + patience_s
    try:
        core.startContinuousSequenceAcquisition(0)
        while time.monotonic() < until:
            if core.getRemainingImageCount() == 0:
                time.sleep(0.0002)
                continue
            frame = core.popNextImage()
            ended = time.monotonic()
            if not frames:  # from the first frame on: a camera starts slowly
                began, until = ended, min(until, ended + max(seconds, 0.1))
            count += 1
            if sum(f.nbytes for f in frames) < _MOST_BYTES and len(frames) < count:
                frames.append(np.ascontiguousarray(frame))
        core.stopSequenceAcquisition()
    except RuntimeError as error:
        raise AcquisitionError(f"The camera could not stream: {error}.") from error
    if not frames:
        raise AcquisitionError(
            f"The camera delivered no frame in {patience_s:.0f} s. Check its trigger and exposure."
        )
    exposure_s = max(core.getExposure() / 1000, 1e-4)
    rate = (count - 1) / (ended - began) if count > 1 else 1 / exposure_s
    return frames, rate


def _noise(shape: tuple[int, ...], dtype: np.dtype[Any]) -> list[NDArray[Any]]:
    """Return frames of a camera in dim, even light."""
    rng = np.random.default_rng(0)
    return [rng.poisson(60, shape).astype(dtype) for _ in range(4)]


Measured = TypeVar("Measured", float, "Rate")
_ROUNDS: Final = 3
_MOST_TIMES: Final = 25  # all configurations together, relative to the time for one
_BUFFER_BYTES: Final = 256 << 20
_LEAST_FRAMES: Final = 4


class Rate(NamedTuple):
    """How fast a disk wrote, until all of it had reached the disk."""

    frames_per_s: float
    bytes_per_s: float
    stored_share: float  # bytes on the disk by bytes of pixels
    elapsed_s: float


class Way(NamedTuple):
    """One way to write: the options of `open_stream`."""

    format: str
    backend: str
    chunks: str | None
    compression: str | None

    def __str__(self) -> str:
        chunks = f", chunks {self.chunks}" if self.chunks else ""
        return f"{self.format}, {self.backend}{chunks}, {self.compression or 'not compressed'}"


def ways(source: Source) -> list[Way]:
    """Return the ways that are worth measuring here, the default ones first."""
    chunks: Literal["auto"] | None = "auto" if source.frames[0].nbytes < 1 << 20 else None
    found = [
        Way("ome-zarr", "native", None, None),
        Way("ome-zarr", "native", None, "zstd:1"),
        Way("ome-zarr", "native", None, "blosc:1"),
        Way("ome-zarr", "tensorstore", chunks, None),
        Way("ome-tiff", "tiff", None, None),
        Way("ome-tiff", "tiff", None, "zstd:1"),
    ]
    for name in ("zarr-python", "acquire-zarr"):
        if name in po.available_backends():
            found.append(Way("ome-zarr", name, chunks, None))
    return found


def measured(
    source: Source, parent: Path, seconds: float, report: Callable[[str], None]
) -> tuple[float, list[tuple[Way, Rate]]]:
    """Return the bytes a second of plain writes, and how fast each way is; of each the median.

    Parameters
    ----------
    source : Source
    parent : Path
        A folder on the disk to measure.
    seconds : float
        For each way, in all its rounds: three, or fewer where they last long.
    report : callable
        Is called with the way that is measured now.

    Raises
    ------
    StorePathError
        When the folder cannot be written to.
    """
    turn_s = seconds / _ROUNDS
    started = time.perf_counter()
    raw, rates = list[float](), {way: list[Rate]() for way in ways(source)}
    for rounds in range(1, _ROUNDS + 1):
        report("plain files")
        with _folder(parent, source.frames[0].nbytes) as folder:
            raw.append(measure_disk(folder, turn_s))
        for way, found in rates.items():
            report(str(way))
            found.append(_rate(way, source, parent, turn_s, int(_median(raw) * turn_s)))
        if (time.perf_counter() - started) * (1 + 1 / rounds) > _MOST_TIMES * seconds:
            break  # a busy machine, or a slow disk: another round would last too long
    return _median(raw), [(way, _median(found)) for way, found in rates.items()]


def _median(rates: list[Measured]) -> Measured:
    return sorted(rates)[len(rates) // 2]


def _rate(way: Way, source: Source, parent: Path, seconds: float, max_bytes: int) -> Rate:
    """Return how fast frames are written in one way, until they are on the disk.

    No more is written than the disk writes in that time: the system would hold the rest back,
    and it would be waited for afterwards.
    """
    nbytes = source.frames[0].nbytes
    with _folder(parent, nbytes) as folder:
        room = min(max_bytes, shutil.disk_usage(folder).free // 4)
        count = max(_LEAST_FRAMES, room // nbytes)
        _sync()
        warm_up(folder, room)
        started = time.perf_counter()
        done = _write(way, folder, source.frames, count, started + seconds)
        _sync()
        elapsed_s = time.perf_counter() - started
        stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    written = done * nbytes
    return Rate(done / elapsed_s, written / elapsed_s, stored / written, elapsed_s)


def _write(way: Way, folder: Path, frames: list[NDArray[Any]], count: int, until: float) -> int:
    """Write frames as a run does; return how many."""
    options: dict[str, Any] = {} if way.chunks is None else {"chunks": way.chunks}
    stream = po.open_stream(
        folder / "bench", _schema(frames[0], count), format=way.format, backend=way.backend,
        compression=way.compression,
        buffer_bytes=max(_BUFFER_BYTES, 4 * frames[0].nbytes), **options,
    )  # fmt: skip
    for number in range(count):
        stream.append(frames[number % len(frames)], copy=False)
        if number + 1 >= _LEAST_FRAMES and time.perf_counter() > until:
            break
    stream.close(status="canceled")
    return number + 1


def _schema(frame: Any, count: int) -> po.StorageSchema:
    plane = [po.Dimension(name=n, size=s) for n, s in zip("yx", frame.shape[:2], strict=True)]
    return po.StorageSchema(
        dimensions=[po.Dimension(name="t", size=count), *plane],
        dtype=frame.dtype.name,
        rgb=frame.ndim > 2,
    )


def _sync() -> None:
    """Wait until the system has flushed its cache, where that can be requested."""
    if hasattr(os, "sync"):
        os.sync()


@contextmanager
def _folder(parent: Path, frame_bytes: int) -> Iterator[Path]:
    if not parent.is_dir():
        raise StorePathError(f"{parent} is not a folder. Choose one on the disk to measure.")
    needed = 4 * (_LEAST_FRAMES + 1) * frame_bytes
    if shutil.disk_usage(parent).free < needed:
        raise StorePathError(f"{parent} has less than {needed / 1e6:.0f} MB left. Free some space.")
    try:
        folder = Path(tempfile.mkdtemp(prefix="pymmcore-ome-bench-", dir=parent))
    except OSError as error:
        raise StorePathError(f"{parent} cannot be written to: {error}.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
