"""The same loads through ome-writers, by its public interface, as its documentation shows it.

It is a dependency of the benchmarks alone: ``python -m pip install "ome-writers[all]"``.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ome_writers as ow

from .figures import Figures
from .loads import Load, plate_names, wells_of
from .measure import measure


def run(load: Load, kind: str, folder: Path) -> Figures:
    """Carry a load; ValueError or NotImplementedError where it cannot."""
    if load.jagged or load.disk_bytes_per_s:
        raise NotImplementedError("ome-writers has no public way to this load")
    first = replace(load, frames=1, positions=1, wells=0, side=8)
    with ow.create_stream(_settings(first, kind, folder / "first")) as stream:
        stream.append(np.zeros((8, 8), "uint16"))  # what is imported then is no part of it
    shutil.rmtree(folder / "first")
    settings = _settings(load, kind, folder)
    return measure(
        load,
        folder,
        lambda: ow.create_stream(settings),
        lambda stream, frame, at: stream.append(frame),
        lambda _: None,
        lambda stream: stream.close(),
    )


def _settings(load: Load, kind: str, folder: Path) -> Any:
    folder.mkdir(exist_ok=True)
    return ow.AcquisitionSettings(
        root_path=str(folder / f"a.ome.{kind}"),
        dimensions=_dimensions(load),
        dtype="uint16",
        format=ow.OmeZarrFormat(backend="tensorstore")
        if kind == "zarr"
        else ow.OmeTiffFormat(backend="tifffile"),
        compression=None,
        plate=_plate(load),
        overwrite=True,
    )


def _dimensions(load: Load) -> tuple[Any, ...]:
    dims: list[Any] = [ow.Dimension(name="t", count=load.frames, type="time")]
    if load.wells:
        places = [
            ow.Position(name=f"{row}{column}n{n}", plate_row=row, plate_column=column)
            for row, column in wells_of(load)
            for n in range(load.positions)
        ]
        dims.insert(0, ow.PositionDimension(coords=places))
    elif load.positions > 1:
        places = [ow.Position(name=str(n)) for n in range(load.positions)]
        dims.insert(0, ow.PositionDimension(coords=places))
    plane = [ow.Dimension(name=n, count=load.side, type="space", scale=0.5) for n in "yx"]
    return (*dims, *plane)


def _plate(load: Load) -> Any:
    if not load.wells:
        return None
    rows, columns = plate_names(load.wells)
    return ow.Plate(name="plate", row_names=rows, column_names=columns)
