"""The ways to write that every fault is tried on, and what must hold after any fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
import zarr

import pymmcore_ome as po
from helpers import lines_in
from level_reference import reference_levels
from pymmcore_ome import Dimension, StorageSchema
from pymmcore_ome.testing import decoded_number, encoded_frame

SHAPE = (48, 64)


class Way(NamedTuple):
    """A backend with its options."""

    name: str
    suffix: str
    options: dict[str, Any]


WAYS = (
    Way("native", ".ome.zarr", {}),
    Way("native-zstd", ".ome.zarr", {"compression": "zstd"}),
    Way("native-levels", ".ome.zarr", {"levels": 4}),
    Way("native-files", ".ome.zarr", {"shards": False}),
    Way("tensorstore", ".ome.zarr", {"backend": "tensorstore"}),
    Way("tensorstore-gathered", ".ome.zarr", {"chunks": {"t": 4}, "compression": "zstd"}),
    Way("zarr-python", ".ome.zarr", {"backend": "zarr-python"}),
    Way("acquire-zarr", ".ome.zarr", {"backend": "acquire-zarr"}),
    Way("tiff", ".ome.tiff", {}),
    Way("tiff-zstd", ".ome.tiff", {"compression": "zstd"}),
    Way("tiff-levels", ".ome.tiff", {"levels": 4}),
    Way("tiff-folder", ".ome.tiff", {"files": "per-position"}),
)


def schema(times: int | None, positions: int = 3) -> StorageSchema:
    """Return a time lapse of some positions."""
    return StorageSchema(
        dimensions=[
            Dimension(name="t", size=times),
            Dimension(name="p", size=positions),
            Dimension(name="y", size=SHAPE[0]),
            Dimension(name="x", size=SHAPE[1]),
        ],
        dtype="uint16",
    )


def frame(number: int) -> np.ndarray:
    return encoded_frame(number, SHAPE)


def tables_of(path: Path) -> tuple[Path, Path]:
    """Return the frame table of a store, and that of frames that nobody knows to be on disk."""
    is_file = path.suffix == ".tiff" and not path.is_dir()
    table = path.with_name(f"{path.name}.frames.jsonl") if is_file else path / "frames.jsonl"
    return table, table.with_name(f"{table.name}.unconfirmed")


def frames_listed(path: Path) -> int:
    """Return how many frames a store lists that is being written.

    Of acquire-zarr, which tells of no frame that is on disk, as many as there are whole chunks and
    lines of the other table: its frames need not be the same.
    """
    table, unconfirmed = tables_of(path)
    if not unconfirmed.exists():
        return lines_in(table)
    chunks = [file.stat().st_size for file in path.glob("*/0/c/*/0/0")]
    return min(lines_in(unconfirmed), sum(size > 2 * SHAPE[0] * SHAPE[1] for size in chunks))


def assert_listed_frames_are_right(path: Path, positions: int = 3) -> int:
    """Assert that each frame of the frame table is where it says, by independent readers."""
    dataset = po.open_dataset(path)
    rows = dataset.frames()
    readers: dict[str, Any] = {}
    files = []
    if path.suffix == ".zarr":
        for image in dataset.images:
            readers[image.path] = zarr.open_array(path / image.path / "0", mode="r")
    else:
        for file in sorted(path.glob("*.tiff")) if path.is_dir() else [path]:
            files.append(tifffile.TiffFile(file))
            for series in files[-1].series:
                # tifffile leaves out an axis of size 1
                readers[series.name] = series.asarray().reshape(-1, *SHAPE)
    for row in rows:
        number = row["event_index"]["t"] * positions + row["event_index"]["p"]
        found = np.asarray(readers[row["image"]][row["index"]])
        assert decoded_number(found) == number, f"{row} holds frame {decoded_number(found)}"
        np.testing.assert_array_equal(found, frame(number))
    for file in files:
        file.close()
    return len(rows)


def assert_levels_are_right(path: Path, checked: int = 8) -> None:
    """Assert that every image lists its levels, and that those of some frames are exact."""
    dataset = po.open_dataset(path)
    images = {image.path: image for image in dataset.images}
    assert all(len(image.levels) == 4 for image in images.values())
    rows = dataset.frames()
    for row in rows[:: max(1, len(rows) // checked)]:
        stored = np.asarray(images[row["image"]][row["index"]])
        expected = reference_levels(stored, 4, "mean")
        for level, pixels in zip(images[row["image"]].levels[1:], expected, strict=True):
            np.testing.assert_array_equal(level[row["index"]], pixels)
