"""`validate`: what is wrong with a store, in words. It changes nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Final

from pymmcore_ome.errors import PymmcoreOmeError, StorePathError
from pymmcore_ome.frames import read_table
from pymmcore_ome.layout import FrameRouter

from .check_documents import document_problems
from .check_pixels import pixel_problems
from .dataset import Dataset, open_dataset

_SHOWN: Final = 3


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
        return [*problems, *_ending(dataset)]
    return [
        *_frames(dataset),
        *(pixel_problems(dataset) if pixels else ()),
        *_ending(dataset),
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


def _frames(dataset: Dataset) -> Iterator[str]:
    shapes = {image.path: image.shape[:-2] for image in dataset.images}
    places: Counter[tuple[str, tuple[int, ...]]] = Counter()
    bad_lines: list[int] = []
    rows = list(read_table(dataset.place.table, bad_lines))
    for number in bad_lines:
        yield f"line {number} of the frame table cannot be read"
    for number, row in enumerate(rows):
        shape = shapes.get(row["image"])
        index = row["index"]
        if shape is None:
            yield f"frame {number} is in image {row['image']!r}, which the store does not have"
        elif len(index) != len(shape) or any(
            not 0 <= i < n for i, n in zip(index, shape, strict=True)
        ):
            yield f"frame {number} is at {index}, outside image {row['image']!r} {shape}"
        else:
            places[row["image"], index] += 1
    for (image, index), count in places.items():
        if count > 1:
            yield f"{count} frames claim the same place: image {image!r}, index {index}"
    yield from _missing(dataset, places)


def _missing(dataset: Dataset, places: Counter[tuple[str, tuple[int, ...]]]) -> Iterator[str]:
    planned = dataset.layout.frame_count
    if planned is None or planned == len(places):
        return
    router = FrameRouter(dataset.layout)
    if dataset.layout.order is None:  # all places of all images, in no order of time
        expected = (
            (image.path, index)
            for image in dataset.layout.images
            for index in product(*map(range, image.shape[:-2]))
            if image.samples == 1 or not index[image.channel_axis or 0] % image.samples
        )
    else:
        expected = ((address.image, address.index) for address in router)
    missing = (place for place in expected if place not in places)
    shown = [
        f"{image or 'the image'} {index}"
        for (image, index), _ in zip(missing, range(_SHOWN), strict=False)
    ]
    more = ", …" if planned - len(places) > len(shown) else ""
    yield (
        f"{planned - len(places)} of {planned} planned frames are missing (they read as 0): "
        f"{', '.join(shown)}{more}"
    )


def _ending(dataset: Dataset) -> Iterator[str]:
    record = dataset.record
    if record.status == "incomplete":
        yield "the run has not ended: it is still being written, or its process died"
    elif record.status in ("failed", "canceled"):
        yield f"the run was {record.status}" + (f": {record.reason}" if record.reason else "")
    written = record.frames.get("written")
    listed = len(dataset.frames())
    if written is not None and written != listed:
        yield f"{written} frames were written, but the frame table lists {listed}"
