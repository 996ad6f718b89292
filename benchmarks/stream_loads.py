"""Frames into a store: ours, plain writes, the bare libraries, and ome-writers."""

from __future__ import annotations

import os
import shutil
import string
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import pymmcore_ome as po
from pymmcore_ome.backends import find_backend

from .figures import Figures, Stopwatch
from .loads import Load, frames_of
from .sequences import jagged_sequence
from .warm import warm_up

_IN_FLIGHT = 64


def run(load: Load, contender: str, folder: Path) -> Figures:
    """Carry a load; return what was found."""
    name, *rest = contender.split("-")
    if name == "ours":
        return _ours(load, rest, folder)
    if name == "ow":
        from .ome_writers_stream import run as run_ome_writers

        return run_ome_writers(load, rest[0], folder)
    return {"raw": _raw, "tensorstore": _tensorstore, "tifffile": _tifffile}[name](load, folder)


def schema_of(load: Load) -> po.StorageSchema:
    """Return the schema of a load: positions first, as an acquisition runs."""
    if load.jagged:
        camera = po.Camera("Camera", load.side, load.side, "uint16")
        return po.schema_from_useq(jagged_sequence(load.frames), cameras=[camera])
    plane = [po.Dimension(name=name, size=load.side, scale=0.5) for name in "yx"]
    dims, plate = [po.Dimension(name="t", size=load.frames)], None
    if load.wells:
        rows, columns = plate_names(load.wells)
        plate = po.Plate(name="plate", rows=rows, columns=columns)
        places = [
            po.Position(name=f"{row}{column}n{n}", plate_row=row, plate_column=column)
            for row, column in wells_of(load)
            for n in range(load.positions)
        ]
        dims.insert(0, po.Dimension(name="p", coords=places))
    elif load.positions > 1:
        dims.insert(0, po.Dimension(name="p", size=load.positions))
    return po.StorageSchema(dimensions=[*dims, *plane], dtype="uint16", plate=plate)


def plate_names(wells: int) -> tuple[list[str], list[str]]:
    """Return the rows and columns of a plate of 384 or 1,536 wells."""
    letters = string.ascii_uppercase
    rows = [*letters, *(f"A{letter}" for letter in letters[:6])][: 16 if wells <= 384 else 32]
    return rows, [str(n + 1) for n in range(24 if wells <= 384 else 48)]


def wells_of(load: Load) -> list[tuple[str, str]]:
    """Return row and column of each well that is visited."""
    rows, columns = plate_names(load.wells)
    return [(row, column) for row in rows for column in columns][: load.wells]


def measure(
    load: Load,
    folder: Path,
    opened: Callable[[], Any],
    append: Callable[[Any, np.ndarray, Mapping[str, int] | None], Any],
    drain: Callable[[Any], None],
    close: Callable[[Any], Any],
    indices: Iterator[Mapping[str, int]] | None = None,
) -> Figures:
    """Time the four steps of a stream, whoever's it is."""
    frames = frames_of(load)
    watch, count = Stopwatch(), load.frame_count
    warm_up(folder, count * load.frame_bytes)
    start_bytes = psutil.Process().memory_info().rss
    began = time.perf_counter()
    stream = opened()
    open_s = time.perf_counter() - began
    cpu_s, began = time.process_time(), time.perf_counter()
    for number in range(count):
        at = None if indices is None else next(indices)
        watch.timed(append, stream, frames[number % len(frames)], at)
    drain(stream)
    down = time.perf_counter()
    close(stream)
    ended = time.perf_counter()
    return Figures(
        frames=count,
        nbytes=count * load.frame_bytes,
        open_s=open_s,
        write_s=down - began,
        close_s=ended - down,
        cpu_s=time.process_time() - cpu_s,
        append_us=watch.microseconds(),
        start_bytes=start_bytes,
    )


def _ours(load: Load, kind: list[str], folder: Path) -> Figures:
    _open_once(f"ome-{kind[0]}", folder / "first")
    schema = schema_of(load)
    options: dict[str, Any] = dict(load.options)
    format_ = f"ome-{kind[0]}"
    if kind[0] == "tiff":
        options.pop("chunks", None)
    if "plain" in kind:
        options["checksums"] = False
    if "files" in kind:
        options["files"] = "per-position"
    if load.disk_bytes_per_s:
        options["backend"] = _slowed(format_, load.disk_bytes_per_s)
    indices = None
    if load.jagged:
        indices = (dict(event.index) for event in jagged_sequence(load.frames))
        indices = iter(list(indices))  # not the walk of the sequence is measured
    return measure(
        load,
        folder,
        lambda: po.open_stream(folder / "a", schema, format=format_, **options),
        lambda stream, frame, at: stream.append(frame, at=at, copy=load.copy),
        lambda stream: _drain(stream, load.frame_count),
        lambda stream: stream.close(),
        indices,
    )


def _open_once(format_: str, folder: Path) -> None:
    """Store one frame: what is imported then is not what it takes to open a store."""
    folder.mkdir()
    dims = [po.Dimension(name="t", size=1), *(po.Dimension(name=n, size=8) for n in "yx")]
    schema = po.StorageSchema(dimensions=dims, dtype="uint16")
    with po.open_stream(folder / "a", schema, format=format_) as stream:
        stream.append(np.zeros((8, 8), "uint16"))
    shutil.rmtree(folder)


def _drain(stream: po.Stream, count: int) -> None:
    """Wait until all pixels are down, but for chunks that the end will complete."""
    moved, before = time.perf_counter(), -1
    while (written := stream.progress.frames_written) < count:
        now = time.perf_counter()
        if written != before:
            moved, before = now, written
        elif now - moved > 0.25:
            return
        time.sleep(0.001)


def _slowed(format_: str, bytes_per_s: float) -> Any:
    """Return the backend of a format whose writes take as long as a slow disk needs."""
    base: Any = find_backend(None, format_)  # type: ignore[arg-type]

    class Slow(base):  # type: ignore[misc]
        def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
            time.sleep(block.nbytes / bytes_per_s)
            return super().write(image, start, block)

    return Slow


def _raw(load: Load, folder: Path) -> Figures:
    """Plain writes of the same bytes into one file."""

    def append(file: int, frame: np.ndarray, at: object) -> None:
        if load.disk_bytes_per_s:
            time.sleep(frame.nbytes / load.disk_bytes_per_s)
        left = memoryview(frame).cast("B")
        while left.nbytes:
            left = left[os.write(file, left) :]

    flags = os.O_CREAT | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    return measure(
        load, folder, lambda: os.open(folder / "raw.bin", flags), append, lambda _: None,
        os.close,
    )  # fmt: skip


def _tensorstore(load: Load, folder: Path) -> Figures:
    """Return the figures of tensorstore alone, a chunk a frame."""
    import tensorstore as ts

    waiting: list[Any] = []
    numbers = iter(range(load.frame_count))
    shape = [load.frame_count, load.side, load.side]
    compression = dict(load.options).get("compression")
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": f"{(folder / 'a.zarr').as_posix()}/"},
        "metadata": {
            "shape": shape,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, *shape[1:]]}},
            "data_type": "uint16",
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                *([{"name": "zstd", "configuration": {"level": 3}}] if compression else []),
            ],
        },
        "create": True,
    }

    def append(store: Any, frame: np.ndarray, at: object) -> None:
        commit = store[next(numbers)].write(
            frame, can_reference_source_data_indefinitely=True
        ).commit  # fmt: skip
        commit.force()
        waiting.append(commit)
        if len(waiting) >= _IN_FLIGHT:
            waiting.pop(0).result()

    def drain(store: Any) -> None:
        for commit in waiting:
            commit.result()

    context = ts.Context({"file_io_sync": False})  # as ours, and as plain writes
    opened = lambda: ts.open(spec, context=context).result()  # noqa: E731
    return measure(load, folder, opened, append, drain, lambda _: None)


def _tifffile(load: Load, folder: Path) -> Figures:
    """Return the figures of tifffile alone, a page a frame."""
    import tifffile

    def append(writer: Any, frame: np.ndarray, at: object) -> None:
        writer.write(frame, contiguous=False, photometric="minisblack", metadata=None)

    return measure(
        load,
        folder,
        lambda: tifffile.TiffWriter(folder / "a.tiff", bigtiff=True),
        append,
        lambda _: None,
        lambda writer: writer.close(),
    )
