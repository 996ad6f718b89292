"""Whether the documents of a store are valid and agree with its schema. It only reads.

A store has its schema, so each document is made anew and compared with the one on disk, in what
readers see: the `ome` attributes of a group, and all of an OME-XML but its planes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, Final, NamedTuple
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np

from pymmcore_ome.backends import TiffPages
from pymmcore_ome.disk import read_description, read_json
from pymmcore_ome.errors import NotAStoreError, PymmcoreOmeError
from pymmcore_ome.metadata import XML_KEY, StoreState, documents_of, file_name

from .dataset import Dataset
from .image import Image

_SHOWN: Final = 10
#: The frame table lists the planes, and the store record is what all else is compared with.
_NOT_COMPARED: Final = {"MetadataOnly", "OME", "Plane", "StructuredAnnotations", "TiffData"}
_XML_OF_FILE: Final = "ome.xml"


def document_problems(dataset: Dataset) -> Iterator[str]:
    """Yield every problem of the documents of either format."""
    if not dataset.images:
        return  # a store that grows, before its first frame
    expected = _expected(dataset)
    if dataset.location.format == "ome-zarr":
        yield from _zarr(dataset, expected)
    elif dataset.location.is_folder:
        for image in dataset.images:
            name = file_name(image.layout)
            yield from _tiff(dataset.path / name, [image], expected.get(name))
    else:
        yield from _tiff(dataset.path, dataset.images, expected.get(_XML_OF_FILE))


def _expected(dataset: Dataset) -> dict[str, bytes]:
    """Return the documents as they would be written now; empty when that cannot be known."""
    if dataset.status == "incomplete" and dataset.schema.grows:
        return {}  # its images are described as they come
    try:
        shapes = [image.shape for image in dataset.images]
    except PymmcoreOmeError:
        return {}  # reported with its array
    state = StoreState(dataset.layout, dataset.record, shapes)
    documents = documents_of(dataset.location)
    made = chain(documents.created(state), documents.closed(state))
    return {key: b"".join(content) for key, content in made}


def _zarr(dataset: Dataset, expected: dict[str, bytes]) -> Iterator[str]:
    import yaozarrs  # here, because opening a dataset does not need it

    try:
        yaozarrs.validate_zarr_store(str(dataset.path))
    except Exception as error:  # whatever a damaged document makes the library raise
        yield f"the OME-Zarr documents are not valid: {error}"
        return
    is_exact = dataset.record.levels is not None
    groups = (
        f"{key}: {difference}"
        for key, content in expected.items()
        if key.endswith("zarr.json") and (dataset.path / key).exists()
        for difference in _differences(
            _ome(read_json(dataset.path / key)), _ome(json.loads(content)), "ome", is_exact
        )
    )
    yield from _first(groups, "differences from the schema")
    if dataset.status == "incomplete":
        return  # its OME-XML is written when the stream is closed
    try:
        xml = (dataset.path / XML_KEY).read_bytes()
    except OSError as error:
        yield f"{XML_KEY} cannot be read: {error}"
        return
    yield from _xml(XML_KEY, xml, len(dataset.images), expected.get(XML_KEY))


def _ome(document: Any) -> Any:
    attributes = document.get("attributes") if isinstance(document, dict) else None
    return attributes.get("ome") if isinstance(attributes, dict) else None


def _differences(found: Any, expected: Any, at: str, is_exact: bool) -> Iterator[str]:
    """Yield where a JSON value is not as expected; unless exact, levels of others may follow."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in {**expected, **found}:
            yield from _differences(found.get(key), expected.get(key), f"{at}.{key}", is_exact)
    elif isinstance(found, list) and isinstance(expected, list):
        if at.endswith(".datasets") and not is_exact:
            found = found[: len(expected)]
        if len(found) != len(expected):
            yield f"{at} has {len(found)} items, expected {len(expected)}"
            return
        for number, (item, other) in enumerate(zip(found, expected, strict=True)):
            yield from _differences(item, other, f"{at}.{number}", is_exact)
    elif found != expected:
        yield f"{at} is {found!r:.80}, expected {expected!r:.80}"


def _first(problems: Iterable[str], what: str) -> Iterator[str]:
    """Yield the first few problems, and how many more there are."""
    rest = iter(problems)
    yield from islice(rest, _SHOWN)
    if more := sum(1 for _ in rest):
        yield f"{more} more {what}"


def _tiff(path: Path, images: list[Image], expected: bytes | None) -> Iterator[str]:
    problems = [
        *_xml(f"the OME-XML of {path.name}", read_description(path) or b"", len(images), expected),
        *_pages(path),
    ]
    yield from problems
    if not problems:  # so that a damaged file does not hold tifffile up
        yield from _series(path, images)


def _pages(path: Path) -> Iterator[str]:
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


def _series(path: Path, images: list[Image]) -> Iterator[str]:
    """Yield where tifffile, which did not write the file, sees other images than it should."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            found = [(one.name, _sizes(one.shape), np.dtype(one.dtype)) for one in file.series]
    except Exception as error:  # whatever a damaged file makes the library raise
        yield f"tifffile cannot read {path.name}: {error}"
        return
    expected = [(image.name, _sizes(_plane_sizes(image)), image.dtype) for image in images]
    if len(found) != len(expected):
        yield f"tifffile reads {len(found)} images in {path.name}, expected {len(expected)}"
        return
    different = (
        f"tifffile reads image {name!r} of {path.name} as {sizes} {dtype}, expected {others} {kind}"
        for (name, sizes, dtype), (_, others, kind) in zip(found, expected, strict=True)
        if (sizes, dtype) != (others, kind)
    )
    yield from _first(different, "images that tifffile reads differently")


def _plane_sizes(image: Image) -> tuple[int, ...]:
    spec = image.layout.spec
    return (*spec.plane_shape(image.shape), *spec.frame_shape)


def _sizes(shape: Iterable[int]) -> list[int]:
    """Return the sizes, which tifffile may order in its own way, without those of 1."""
    return sorted(size for size in shape if size > 1)


class _Element(NamedTuple):
    where: str
    attributes: dict[str, str]


def _xml(name: str, content: bytes, images: int, expected: bytes | None) -> Iterator[str]:
    try:
        count, elements = _elements(content)
    except ExpatError as error:
        yield f"{name} cannot be read: {error}"
        return
    if count != images:
        yield f"{name} lists {count} images, the store has {images}"
    elif expected is not None:
        different = _element_differences(elements, _elements(expected)[1])
        yield from _first((f"{name}: {one}" for one in different), "differences from the schema")


def _element_differences(found: Iterable[_Element], expected: Iterable[_Element]) -> Iterator[str]:
    for one, other in zip_longest(found, expected):
        if one is None or other is None or one.where != other.where:
            names = ["nothing" if element is None else element.where for element in (one, other)]
            yield "found {}, expected {}".format(*names)
            return
        for key in {**other.attributes, **one.attributes}:
            value, wanted = one.attributes.get(key), other.attributes.get(key)
            if value != wanted:
                what = f"{key or 'text'} of {one.where}"
                yield f"{what} is {value!r:.80}, expected {wanted!r:.80}"


def _elements(content: bytes) -> tuple[int, list[_Element]]:
    """Return how many images an OME-XML has, and its elements; nothing of a million planes."""
    parser = ParserCreate()
    path: list[str] = []
    elements: list[_Element] = []
    open_elements: list[_Element | None] = []
    images = ignored = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal images, ignored
        name = name.rpartition(":")[2]
        images += len(path) == 1 and name == "Image"
        path.append(attributes.get("ID") or name)
        ignored += name == "StructuredAnnotations"
        is_compared = not ignored and name not in _NOT_COMPARED
        element = _Element(f"{name} {path[-1]}", attributes) if is_compared else None
        open_elements.append(element)
        if element is not None:
            elements.append(element)

    def end(name: str) -> None:
        nonlocal ignored
        ignored -= name.rpartition(":")[2] == "StructuredAnnotations"
        path.pop()
        open_elements.pop()

    def text(data: str) -> None:
        element = open_elements[-1] if open_elements else None
        if element is not None and data.strip():
            element.attributes[""] = element.attributes.get("", "") + data.strip()

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = text
    parser.Parse(content, True)
    return images, elements
