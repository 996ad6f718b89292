"""Frames into a store: ours; and who carries the load where it is somebody else."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

import pymmcore_ome as po
from pymmcore_ome.backends import find_backend

from .bare import BARE
from .figures import Figures
from .loads import Load, plate_names, wells_of
from .measure import measure
from .sequences import jagged_sequence

_PATIENCE_S = 1.0  # a chunk that is compressed takes a while, and others may come before it


def run(load: Load, contender: str, folder: Path) -> Figures:
    """Carry a load; return what was found."""
    name, *rest = contender.split("-")
    if name == "ours":
        return _ours(load, rest, folder)
    if name == "ow":
        from .ome_writers_stream import run as run_ome_writers

        return run_ome_writers(load, rest[0], folder)
    return BARE[name](load, folder)


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


def _drain(stream: po.Stream, count: int) -> float:
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

    return Slow
