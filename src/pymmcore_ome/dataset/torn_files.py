"""Files of Zarr arrays that no reader can open: what a full disk or a crash left of a write.

Not every library writes a chunk as a whole or not at all. Such a file holds no listed frame, but
makes every reader of its place fail, where a missing file reads as zeros.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, product
from pathlib import Path

from pymmcore_ome.backends import array_folder, stored_spec
from pymmcore_ome.errors import NotAStoreError
from pymmcore_ome.frames import read_table

from .dataset import Dataset
from .image import Image


def torn_files(dataset: Dataset) -> Iterator[Path]:
    """Yield the chunk and shard files that hold no listed frame and cannot be read.

    The backend native needs no such look: its files are whole at any moment.
    """
    if dataset.location.format != "ome-zarr" or dataset.record.backend == "native":
        return
    listed: dict[str, set[tuple[int, ...]]] = {}
    units: dict[str, tuple[int, ...]] = {}
    for image in dataset.images:
        # The layout of an opened store does not know its shards, the array's document does. If it
        # cannot be read, a file that seems torn may hold listed frames: none is set aside.
        with suppress(OSError, LookupError, TypeError, ValueError):
            spec = stored_spec(array_folder(dataset.path, image.layout), image.layout.spec)
            units[image.path] = spec.write_shape
    for row in read_table(dataset.location.table):
        unit = units.get(row["image"], ())
        key = tuple(n // size for n, size in zip(row["index"], unit, strict=False))
        listed.setdefault(row["image"], set()).add(key)
    for image in dataset.images:
        if image.path not in units:
            continue
        keys, unit = listed.get(image.path, set()), units[image.path]
        for file, key in _files(array_folder(dataset.path, image.layout) / "c"):
            if (
                len(key) == image.ndim
                and key[:-2] not in keys
                and not _can_be_read(image, key, unit)
            ):
                yield file


def set_aside(file: Path) -> Path:
    """Give a file a name by which no reader looks for it; return the new path.

    It is not deleted: where the document of the array is damaged, no file can be read, and all may
    be whole.
    """
    for number in count():
        aside = file.with_name(f"{file.name}.torn{number or ''}")
        if not os.path.lexists(aside):
            return file.rename(aside)
    raise AssertionError("not reached: count() does not end")


def _files(folder: Path) -> Iterator[tuple[Path, tuple[int, ...]]]:
    """Yield each chunk file below a folder, with its key; others are none of ours."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            parts = file.relative_to(folder).parts
            if all(part.isascii() and part.isdigit() for part in parts):
                yield file, tuple(map(int, parts))


def _can_be_read(image: Image, key: tuple[int, ...], unit: tuple[int, ...]) -> bool:
    """Whether every frame in a file can be read; frame by frame, because a shard may be large."""
    ranges = [
        range(number * size, min((number + 1) * size, most))
        for number, size, most in zip(key, unit, image.shape, strict=True)
    ]
    rows, columns = (slice(part.start, part.stop) for part in ranges[-2:])
    try:
        for index in product(*ranges[:-2]):
            image[(*index, rows, columns)]
    except NotAStoreError:
        return False
    return True
