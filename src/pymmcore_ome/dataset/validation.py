"""`validate`: what is wrong with a store. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from pymmcore_ome.backends import array_folder, shard_problems
from pymmcore_ome.disk import read_json
from pymmcore_ome.errors import PymmcoreOmeError, StorePathError
from pymmcore_ome.frames import read_table

from .check_documents import document_problems
from .check_pixels import pixel_problems
from .check_table import TableCheck
from .dataset import Dataset, open_dataset
from .levels import level_pixel_problems, level_problems
from .torn_files import torn_files


def validate(path: str | os.PathLike[str], *, pixels: bool = False) -> list[str]:
    """Return the problems of a store; an empty list means that it is valid.

    Checked: the documents against OME-Zarr 0.5 (yaozarrs), or against what tifffile reads of an
    OME-TIFF; their content against the schema; every array's shape, dtype and axis names against
    the schema; the frame table against the arrays and the plan; and that the run ended well.

    Parameters
    ----------
    path : path-like
    pixels : bool
        Also read every frame and compare it with its checksum, compute its resolution levels and
        compare them with those on disk, and look for files that no reader can open.
    """
    try:
        dataset = open_dataset(path)
    except StorePathError as error:
        return [str(error)]
    problems = _problems(dataset, pixels)
    if problems and dataset.status == "incomplete":
        with suppress(StorePathError):
            if open_dataset(path).status != "incomplete":
                return validate(path, pixels=pixels)  # its stream was closed in the meantime
    return problems


def _problems(dataset: Dataset, pixels: bool) -> list[str]:
    end = _table_end(dataset)
    problems = list(document_problems(dataset))
    arrays = [*_arrays(dataset), *level_problems(dataset)]
    if arrays:
        # the frame table cannot be judged against arrays that are wrong
        listed = sum(1 for _ in read_table(dataset.location.table, end=end))
        return [*problems, *arrays, *_ending(dataset, listed)]
    table = TableCheck(dataset, end)
    missing = table.missing_problem()
    return [
        *problems,
        *table.problems,
        *([] if missing is None else [missing]),
        *(_pixels(dataset, end) if pixels else ()),
        *(level_pixel_problems(dataset) if pixels else ()),
        *_ending(dataset, table.row_count),
    ]


def _table_end(dataset: Dataset) -> int | None:
    """Return the bytes of the frame table of a store that may be being written.

    The arrays as they are opened next may lack the frames that its writer adds from now on.
    """
    table = dataset.location.table
    if dataset.status != "incomplete" or not table.exists():
        return None
    return table.stat().st_size


def _pixels(dataset: Dataset, end: int | None) -> Iterator[str]:
    yield from pixel_problems(dataset, end)
    if dataset.status != "incomplete":  # a program may be writing them
        for file in torn_files(dataset):
            yield (
                f"{file} cannot be read, and holds no frame of the frame table. Run "
                "`pymmcore-ome recover` to set it aside: reading its places fails until then"
            )


def _arrays(dataset: Dataset) -> Iterator[str]:
    for image in dataset.images:
        where = f"image {image.path or 'at the root'}"
        try:
            array = image.array
        except PymmcoreOmeError as error:
            yield f"{where}: {error}"
            continue
        if array.dimension_names != image.axes:
            yield f"{where}: axes are {array.dimension_names}, expected {image.axes}"
        elif array.dtype != image.layout.dtype:
            yield f"{where}: dtype is {array.dtype}, expected {image.layout.dtype}"
        elif any(
            have != axis.size
            for have, axis in zip(array.shape, image.layout.axes, strict=True)
            if axis.size is not None
        ):
            yield f"{where}: shape is {array.shape}, expected {image.layout.shape}"
        if dataset.location.format == "ome-zarr":
            folder = array_folder(dataset.path, image.layout)
            if fill := (read_json(folder / "zarr.json") or {}).get("fill_value"):
                yield f"{where}: fill_value is {fill!r:.80}, expected 0: holes would read as that"
        if dataset.record.backend == "native":
            try:
                for problem in shard_problems(array_folder(dataset.path, image.layout)):
                    yield f"{where}: {problem}"
            except PymmcoreOmeError as error:
                yield f"{where}: {error}"


def _ending(dataset: Dataset, listed: int) -> Iterator[str]:
    record = dataset.record
    if record.status == "incomplete":
        yield (
            "the run is incomplete. If nothing is writing to it, run `pymmcore-ome recover`, or "
            "pymmcore_ome.recover(path)"
        )
    elif record.status in ("failed", "canceled"):
        yield f"the run was {record.status}" + (f": {record.reason}" if record.reason else "")
    written = record.frames.get("written")
    if written is not None and written != listed:
        yield f"{written} frames were written, but the frame table lists {listed}"
