"""Which frames of an unconfirmed frame table are on disk: those that match their checksums.

For backends that do not report when a frame is on disk (acquire-zarr). It changes no pixel, but
may enlarge the shape in an array's document, so that all that is on disk can be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pymmcore_ome.backends import array_folder, say_shape
from pymmcore_ome.disk import write_whole
from pymmcore_ome.frames import json_bytes, provisional, read_table

from .check_pixels import frame_problem
from .dataset import Dataset
from .image import Image


def confirm_proven(dataset: Dataset) -> None:
    """Make the frame table from the unconfirmed one, without the frames that are not on disk.

    Does nothing without an unconfirmed table.

    Raises
    ------
    OSError
        When the table cannot be written; the unconfirmed one is kept.
    """
    table = dataset.location.table
    part = provisional(table)
    if table.exists() or not part.exists():
        return
    rows = list(read_table(part))
    proven: list[dict[str, Any]] = []
    for image in dataset.images:
        listed = [row for row in rows if row["image"] == image.path]
        _set_shape(dataset.path, image, listed)
        fresh = Image(dataset.stored, image.layout)
        stored = [row for row in listed if "checksum" in row and frame_problem(fresh, row) is None]
        _set_shape(dataset.path, image, stored)
        proven += stored
    proven.sort(key=lambda row: int(row.get("arrival", 0)))
    write_whole(table, (json_bytes(row) + b"\n" for row in proven))
    part.unlink()


def _set_shape(root: Path, image: Image, rows: list[dict[str, Any]]) -> None:
    """Write the planned shape to the array's document; an unbounded axis ends at these frames."""
    layout = image.layout
    shape = list(layout.shape)
    for axis in layout.spec.unbounded_axes:
        ends = (row["index"][axis] + layout.spec.frame_step[axis] for row in rows)
        shape[axis] = max(ends, default=0)
    say_shape(array_folder(root, layout), shape, layout.axis_names)
