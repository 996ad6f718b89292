"""The same loads through ome-writers, by its public interface, as its documentation shows it.

It is a dependency of the benchmarks alone: ``python -m pip install "ome-writers[all]"``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ome_writers as ow

from .acquired import ome_writers_metadata_of
from .figures import Figures
from .loads import Load, plate_names, wells_of
from .measure import measure


def run(load: Load, kind: str, folder: Path) -> Figures:
    """Carry a load; ValueError or NotImplementedError where it cannot."""
    if load.jagged or load.disk_bytes_per_s:
        raise NotImplementedError("ome-writers has no public way to this load")
    if not load.is_fresh:
        first = replace(load, frames=1, positions=1, wells=0, side=8)
        with ow.create_stream(settings_of(first, kind, folder.parent / "first")) as stream:
            stream.append(np.zeros((8, 8), "uint16"))  # what it imports is no part of the load

    settings = settings_of(load, kind, folder)

    def append(stream: Any, frame: np.ndarray, index: object, metadata: dict[str, Any]) -> None:
        stream.append(frame, frame_metadata=metadata)

    return measure(
        load, folder, lambda: ow.create_stream(settings), append, lambda _: None,
        lambda stream: stream.close(), ome_writers_metadata_of(load),
    )  # fmt: skip


def settings_of(load: Load, kind: str, folder: Path) -> Any:
    """Return the settings of a load, with the defaults of ome-writers."""
    folder.mkdir(exist_ok=True)
    return ow.AcquisitionSettings(
        root_path=str(folder / f"a.ome.{kind}"),
        dimensions=_dimensions(load),
        dtype="uint16",
        format=f"ome-{kind}",
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
