"""How fast napari's layers of large images open, with resolution levels and without.

``python -m benchmarks.opened [FOLDER]``: a frame of 16,384 x 16,384, and a plate of 96 wells with 4
fields of 2,048 x 2,048 each. Opening is what the reader of this package does, contrast included,
and reading the plane of the smallest level, which napari shows first. It opens no window.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

import pymmcore_ome as po
from pymmcore_ome.napari import layers_of

from .report import table

_SIDE, _FIELD = 16_384, 2_048
_ROWS, _COLUMNS, _FIELDS = "ABCDEFGH", range(1, 13), 4


def main() -> None:
    """Write the stores, open them, and print a table."""
    parent = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="opened-", dir=parent))
    rows = []
    try:
        for title, schema in (("16,384 x 16,384", _frame()), ("plate of 384 fields", _plate())):
            for levels in (None, "auto"):
                path = folder / "a.ome.zarr"
                _write(path, schema, levels)
                opened_s, shown_s, shape = _open(path)
                what = "without levels" if levels is None else "with levels"
                rows.append((title, what, f"{opened_s:.2f} s", f"{shown_s:.2f} s", shape))
    finally:
        shutil.rmtree(folder)
    heads = ("store", "", "layers", "first plane", "its shape")
    Console(width=120).print(table("Opening", heads, rows))


def _open(path: Path) -> tuple[float, float, str]:
    began = time.perf_counter()
    (data, how, _), *_ = layers_of(po.open_dataset(path))
    opened_s = time.perf_counter() - began
    smallest = data[-1] if how["multiscale"] else data
    plane = np.asarray(smallest[(0,) * (smallest.ndim - 2)])
    return opened_s, time.perf_counter() - began - opened_s, " x ".join(map(str, plane.shape))


def _plane(side: int) -> list[po.Dimension]:
    return [po.Dimension(name=name, size=side, scale=0.5, unit="micrometer") for name in "yx"]


def _frame() -> po.StorageSchema:
    return po.StorageSchema(dimensions=_plane(_SIDE), dtype="uint16")


def _plate() -> po.StorageSchema:
    places = [
        po.Position(name=f"{row}{column} {n}", plate_row=row, plate_column=str(column))
        for row in _ROWS
        for column in _COLUMNS
        for n in range(_FIELDS)
    ]
    plate = po.Plate(name="plate", rows=list(_ROWS), columns=[str(n) for n in _COLUMNS])
    dims = [po.Dimension(name="p", coords=places), *_plane(_FIELD)]
    return po.StorageSchema(dimensions=dims, dtype="uint16", plate=plate)


def _write(path: Path, schema: po.StorageSchema, levels: str | None) -> None:
    side = schema.dimensions[-1].size or 0
    frame = np.random.default_rng(0).integers(100, 4_000, (side, side), dtype="uint16")
    with po.open_stream(path, schema, levels=levels, overwrite=True) as stream:  # type: ignore[arg-type]
        for _ in range(stream.progress.frames_planned or 0):
            stream.append(frame)


if __name__ == "__main__":
    main()
