"""A store that is resumed: what opening it costs, and what leaving out an event that it has."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import useq

import pymmcore_ome as po
from pymmcore_ome.acquisition.resumption import MissingEvents

from .figures import Figures
from .loads import Load, plate_names, wells_of


def run(load: Load, contender: str, folder: Path) -> Figures:
    """Write half of the frames, open the store again, and go through all events."""
    suffix = contender.removeprefix("ours-")
    path = folder / f"a.ome.{suffix}"
    schema = _schema(load)
    events = [
        useq.MDAEvent(index={"t": t, "p": p})
        for t in range(load.frames)
        for p in range(load.positions * max(1, load.wells))
    ]
    frame = np.ones((load.side, load.side), "uint16")
    with po.open_stream(path, schema, buffer_bytes=2**30) as stream:
        for event in events[::2]:
            stream.append(frame, at=event.index, copy=False)
    began = time.perf_counter()
    stream = po.open_stream(path, schema, resume=True)
    open_s = time.perf_counter() - began
    missing = MissingEvents(lambda event, _: stream.holds(event.index))
    began, cpu_began = time.perf_counter(), time.thread_time()
    count = sum(1 for _ in missing.of(events))
    cpu_s, write_s = time.thread_time() - cpu_began, time.perf_counter() - began
    stream.close(status="canceled")
    if count != len(events) - len(events[::2]):
        raise RuntimeError(f"{count} of {len(events)} events are missing")
    return Figures(frames=len(events), open_s=open_s, write_s=write_s, cpu_s=cpu_s)


def _schema(load: Load) -> po.StorageSchema:
    rows, columns = plate_names(load.wells)
    if load.wells:
        places = [
            po.Position(name=f"{row}{column}_{n}", plate_row=row, plate_column=column)
            for row, column in wells_of(load)
            for n in range(load.positions)
        ]
    else:
        places = [po.Position(name=f"p{n}") for n in range(load.positions)]
    return po.StorageSchema(
        dimensions=[
            po.Dimension(name="t", size=load.frames),
            po.Dimension(name="p", coords=places),
            *(po.Dimension(name=name, size=load.side) for name in "yx"),
        ],
        dtype="uint16",
        plate=po.Plate("plate", rows=rows, columns=columns) if load.wells else None,
    )
