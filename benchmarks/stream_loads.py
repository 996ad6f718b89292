"""Frames into a store: ours; and who carries the load where it is somebody else."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import pymmcore_ome as po
from pymmcore_ome.backends import FrameWrite, find_backend

from .acquired import metadata_of
from .bare import BARE
from .contender import Contender
from .figures import Figures
from .loads import Load, plate_names, wells_of
from .measure import measure
from .sequences import jagged_sequence

_PATIENCE_S = 1.0  # a chunk that is compressed takes a while, and others may come before it


def run(load: Load, contender: str, folder: Path) -> Figures:
    """Carry a load; return what was found."""
    who = Contender.of(contender)
    if who.is_ours:
        return _ours(load, who, folder)
    if who.who == "ow":
        from .ome_writers_stream import run as run_ome_writers

        return run_ome_writers(load, who.kind, folder)
    return BARE[contender](load, folder)


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


def _ours(load: Load, who: Contender, folder: Path) -> Figures:
    if not load.is_fresh:
        open_once(who, folder.parent / "first")
    options: dict[str, Any] = {**dict(load.options), **who.options}
    if load.disk_bytes_per_s:
        options["backend"] = _slowed(who.format, load.disk_bytes_per_s)

    schema = schema_of(load)

    def opened() -> po.Stream:
        return po.open_stream(folder / "a", schema, format=who.format, **options)

    def append(
        stream: po.Stream, frame: np.ndarray, index: Mapping[str, int], metadata: dict[str, Any]
    ) -> None:
        stream.append(frame, at=index, metadata=metadata, copy=load.copy)

    return measure(
        load, folder, opened, append,
        lambda stream: drain(stream, load.frame_count),
        lambda stream: stream.close(), metadata_of(load),
    )  # fmt: skip


def open_once(who: Contender, folder: Path) -> None:
    """Store one frame: what is imported then is not what it takes to open a store.

    Nothing is deleted, which would make files after it slower (see `rooms`).
    """
    folder.mkdir()
    dims = [po.Dimension(name="t", size=1), *(po.Dimension(name=n, size=8) for n in "yx")]
    schema = po.StorageSchema(dimensions=dims, dtype="uint16")
    options = {key: value for key, value in who.options.items() if key == "backend"}
    with po.open_stream(folder / "a", schema, format=who.format, **options) as stream:
        stream.append(np.zeros((8, 8), "uint16"))


def drain(stream: po.Stream, count: int) -> float:
    """Wait until all pixels are down, but for chunks that the end will complete.

    Return how long nothing had come down before that was sure.
    """
    moved, before = time.perf_counter(), -1
    while (written := stream.progress.frames_written) < count:
        now = time.perf_counter()
        if written != before:
            moved, before = now, written
        elif now - moved > _PATIENCE_S:
            return now - moved
        time.sleep(0.001)
    return 0.0


def _slowed(format_: str, bytes_per_s: float) -> Any:
    """Return the backend of a format whose writes take as long as a slow disk needs."""
    base: Any = find_backend(None, format_)  # type: ignore[arg-type]

    class Slow(base):  # type: ignore[misc]
        def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
            time.sleep(block.nbytes / bytes_per_s)
            return super().write(image, start, block)

        def write_frames(self, frames: Sequence[FrameWrite]) -> None:
            time.sleep(sum(frame.frame.nbytes for frame in frames) / bytes_per_s)
            super().write_frames(frames)

    return Slow
