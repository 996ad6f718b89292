"""`validate`: what is wrong with a store. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np

from pymmcore_ome.backends import TiffPages, array_folder, shard_problems
from pymmcore_ome.disk import read_description
from pymmcore_ome.errors import NotAStoreError, PymmcoreOmeError, StorePathError
from pymmcore_ome.frames import read_table
from pymmcore_ome.metadata import XML_KEY, file_name

from .check_pixels import pixel_problems
from .check_table import TableCheck
from .dataset import Dataset, open_dataset


def validate(path: str | os.PathLike[str], *, pixels: bool = False) -> list[str]:
    """Return the problems of a store; an empty list means that it is valid.

    Checked: the documents against OME-Zarr 0.5 (yaozarrs), or the pages of an OME-TIFF
    against its OME-XML; every array's shape, dtype and axis names against the schema; the
    frame table against the arrays and the plan; and that the run ended well.

    Parameters
    ----------
    path : path-like
    pixels : bool
        Also read every frame and compare it with its checksum.
    """
    try:
        dataset = open_dataset(path)
    except StorePathError as error:
        return [str(error)]
    problems = [*document_problems(dataset), *_arrays(dataset)]
    if problems:
        # the frame table cannot be judged against arrays that are wrong
        listed = sum(1 for _ in read_table(dataset.location.table))
        return [*problems, *_ending(dataset, listed)]
    table = TableCheck(dataset)
    missing = table.missing_problem()
    return [
        *table.problems,
        *([] if missing is None else [missing]),
        *(pixel_problems(dataset) if pixels else ()),
        *_ending(dataset, table.row_count),
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
        if dataset.record.backend == "native":
            for problem in shard_problems(array_folder(dataset.path, image.layout)):
                yield f"{where}: {problem}"


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


def document_problems(dataset: Dataset) -> Iterator[str]:
    """Yield every problem of the documents of either format."""
    if dataset.location.format == "ome-zarr":
        yield from _zarr(dataset)
    elif not dataset.location.is_folder:
        yield from _tiff(dataset.path, len(dataset.images))
    else:
        for image in dataset.images:
            yield from _tiff(dataset.path / file_name(image.layout), 1)


def _zarr(dataset: Dataset) -> Iterator[str]:
    if not dataset.images:
        return  # a store that grows, before its first frame
    import yaozarrs  # here, because opening a dataset does not need it

    try:
        yaozarrs.validate_zarr_store(str(dataset.path))
    except Exception as error:  # whatever a damaged document makes the library raise
        yield f"the OME-Zarr documents are not valid: {error}"
    if dataset.status == "incomplete":
        return  # its OME-XML is written when the stream is closed
    try:
        xml = (dataset.path / XML_KEY).read_bytes()
    except OSError as error:
        yield f"{XML_KEY} cannot be read: {error}"
        return
    for problem in _xml(xml, len(dataset.images)):
        yield f"{XML_KEY} {problem}"


def _tiff(path: Path, images: int) -> Iterator[str]:
    for problem in _xml(read_description(path) or b"", images):
        yield f"the OME-XML of {path.name} {problem}"
    pages = TiffPages(path)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            outside = sum(
                int(np.count_nonzero(spans.at + spans.nbytes > size)) for spans in pages.spans(file)
            )
    except (OSError, ValueError, NotAStoreError) as error:
        yield f"the pages of {path.name} cannot be read: {error}"
        return
    if outside:
        yield f"{outside} pages of {path.name} point beyond the end of the file, which is truncated"


def _xml(content: bytes, images: int) -> Iterator[str]:
    try:
        count = _count_images(content)
    except ExpatError as error:
        yield f"cannot be read: {error}"
        return
    if count != images:
        yield f"lists {count} images, the store has {images}"


def _count_images(content: bytes) -> int:
    """Return how many Image elements the root has; keep nothing of a million planes."""
    parser = ParserCreate()
    names: list[str] = []
    count = 0

    def begin(name: str, _: object) -> None:
        nonlocal count
        count += len(names) == 1 and name.rpartition(":")[2] == "Image"
        names.append(name)

    def end(_: str) -> None:
        names.pop()

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.Parse(content, True)
    return count
