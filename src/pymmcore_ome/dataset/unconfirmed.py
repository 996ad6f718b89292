"""Which frames of a provisional frame table are really on disk: those whose checksum proves it.

For backends that do not tell when a frame is down (acquire-zarr). It changes no pixel: an
array's document may be told a larger shape, so that what is on disk can be read.
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
    """Make the frame table from the provisional one, without the frames that are not there.

    Does nothing where there is none.

    Raises
    ------
    OSError
        When the table cannot be written. The provisional one is then still there.
    """
    table = dataset.place.table
    part = provisional(table)
    if table.exists() or not part.exists():
        return
    rows = list(read_table(part))
    proven: list[dict[str, Any]] = []
    for image in dataset.images:
        mine = [row for row in rows if row["image"] == image.path]
        _say(dataset.path, image, mine)
        fresh = Image(dataset.stored, image.layout)
        down = [row for row in mine if "checksum" in row and frame_problem(fresh, row) is None]
        _say(dataset.path, image, down)
        proven += down
    proven.sort(key=lambda row: int(row.get("arrival", 0)))
    write_whole(table, (json_bytes(row) + b"\n" for row in proven))
    part.unlink()


def _say(root: Path, image: Image, rows: list[dict[str, Any]]) -> None:
    """Let the array's document say the planned shape, unbounded as far as these frames go."""
    layout = image.layout
    shape = list(layout.shape)
    for axis in layout.spec.unbounded_axes:
        ends = (row["index"][axis] + layout.spec.frame_step[axis] for row in rows)
        shape[axis] = max(ends, default=0)
    say_shape(array_folder(root, layout), shape, layout.axis_names)
