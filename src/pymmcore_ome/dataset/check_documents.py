"""What is wrong with the documents of a store, in words. Pixels are not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np
import yaozarrs

from pymmcore_ome.backends import TiffPages
from pymmcore_ome.disk import read_description
from pymmcore_ome.errors import NotAStoreError
from pymmcore_ome.metadata import XML_KEY, file_name

from .dataset import Dataset


def document_problems(dataset: Dataset) -> Iterator[str]:
    """Yield every problem of the documents of either format."""
    if dataset.place.format == "ome-zarr":
        yield from _zarr(dataset)
    elif not dataset.place.is_folder:
        yield from _tiff(dataset.path, len(dataset.images))
    else:
        for image in dataset.images:
            yield from _tiff(dataset.path / file_name(image.layout), 1)


def _zarr(dataset: Dataset) -> Iterator[str]:
    if not dataset.images:
        return  # a store that grows, before its first frame
    try:
        yaozarrs.validate_zarr_store(str(dataset.path))
    except (ValueError, OSError) as error:
        yield f"the OME-Zarr documents are not valid: {error}"
    if dataset.schema.grows and dataset.status == "incomplete":
        return  # the XML is written at its end
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
        yield f"{outside} pages of {path.name} point beyond its end: it was cut short"


def _xml(content: bytes, images: int) -> Iterator[str]:
    try:
        count = _count_images(content)
    except ExpatError as error:
        yield f"cannot be read: {error}"
        return
    if count != images:
        yield f"lists {count} images, the store has {images}"


def _count_images(content: bytes) -> int:
    """Return how many Image elements the root has; nothing is kept of a million planes."""
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
