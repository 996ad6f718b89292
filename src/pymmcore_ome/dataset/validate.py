"""`validate`: what is wrong with a store, in words. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pymmcore_ome.errors import PymmcoreOmeError, StorePathError
from pymmcore_ome.frames import read_table

from .check_documents import document_problems
from .check_pixels import pixel_problems
from .check_table import TableCheck
from .dataset import Dataset, open_dataset


def validate(path: str | os.PathLike[str], *, pixels: bool = False) -> list[str]:
    """Return the problems of a store, empty when all is well.

    Checked: the documents against OME-Zarr 0.5 (yaozarrs), or the pages of an OME-TIFF
    against its OME-XML; every array's shape, dtype and axis names against the schema; the
    frame table against the arrays and the plan; and that the run ended well.

    Parameters
    ----------
    path : path-like
    pixels : bool
        Also read every frame, and prove by its checksum that it is what was handed over.
    """
    try:
        dataset = open_dataset(path)
    except StorePathError as error:
        return [str(error)]
    problems = [*document_problems(dataset), *_arrays(dataset)]
    if problems:
        # the frame table cannot be judged against arrays that are wrong
        listed = sum(1 for _ in read_table(dataset.place.table))
        return [*problems, *_ending(dataset, listed)]
    table = TableCheck(dataset)
    return [
        *table.problems,
        *(pixel_problems(dataset) if pixels else ()),
        *_ending(dataset, table.count),
    ]


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


def _ending(dataset: Dataset, listed: int) -> Iterator[str]:
    record = dataset.record
    if record.status == "incomplete":
        yield (
            "the run has not ended: it is still being written, or its process died, and then "
            "recover (pymmcore-ome recover on the command line) finishes it"
        )
    elif record.status in ("failed", "canceled"):
        yield f"the run was {record.status}" + (f": {record.reason}" if record.reason else "")
    written = record.frames.get("written")
    if written is not None and written != listed:
        yield f"{written} frames were written, but the frame table lists {listed}"
