"""Whether the documents of a store are valid and agree with its schema. It only reads.

A store has its schema and its frame table, so each document is made anew and compared with the one
on disk, in what readers see: the `ome` attributes of a group, and all of an OME-XML but its
annotations. What viewers and users may change or add is not compared: contrast, annotations, keys
of their own.
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
from pymmcore_ome.frames import PlaneMetadata, json_bytes
from pymmcore_ome.metadata import (
    KEY,
    XML_KEY,
    StoreState,
    documents_of,
    file_name,
    image_notes,
)  # fmt: skip

from .dataset import Dataset
from .image import Image
from .recovery import sound_rows

_SHOWN: Final = 10
#: The store record in the annotations is what all else is compared with.
_NOT_COMPARED: Final = {"MetadataOnly", "OME", "StructuredAnnotations"}
#: Written when the store is closed, or as frames arrive.
_OF_FRAMES: Final = {"Plane", "TiffData"}
_PIECE: Final = 1 << 16
#: Keys that readers look for; any other that the store did not write means nothing to them.
_READ: Final = {
    "acquisition", "acquisitions", "bioformats2raw.layout", "color", "coordinateTransformations",
    "field_count", "label", "multiscales", "name", "omero", "plate", "scale", "series",
    "translation", "type", "unit", "well",
}  # fmt: skip
#: Contrast: derived from pixels, or set in a viewer.
_CONTRAST: Final = ("active", "coefficient", "family", "inverted", "window")
_XML_OF_FILE: Final = "ome.xml"


def document_problems(dataset: Dataset) -> Iterator[str]:
    """Yield every problem of the documents of either format."""
    if not dataset.images:
        return  # a store that grows, before its first frame
    expected, ignored = _expected(dataset)
    if dataset.location.format == "ome-zarr":
        yield from _zarr(dataset, expected, ignored)
        return
    yield from _first(_notes(dataset), "differences from the schema")
    if dataset.location.is_folder:
        for image in dataset.images:
            name = file_name(image.layout)
            yield from _tiff(dataset.path / name, [image], expected.get(name), ignored)
    else:
        yield from _tiff(dataset.path, dataset.images, expected.get(_XML_OF_FILE), ignored)


def _expected(dataset: Dataset) -> tuple[dict[str, Iterable[bytes]], set[str]]:
    """Return the documents as they would be written now, and the elements not to compare.

    Without documents where they cannot be known; without planes where the frame table is not
    that of the time when the planes were written.
    """
    is_open = dataset.status == "incomplete"
    if is_open and dataset.schema.grows:
        return {}, _NOT_COMPARED  # its images are described as they come
    location, layout = dataset.location, dataset.layout
    try:
        shapes = [image.shape for image in dataset.images]
        pages = dataset.stored.pages(layout.images)
    except PymmcoreOmeError:
        return {}, _NOT_COMPARED  # reported with its array
    planes = None if is_open else PlaneMetadata(sound_rows(location, layout, shapes))
    state = StoreState(layout, dataset.record, shapes, planes, pages)
    documents = documents_of(location)
    made = dict(chain(documents.created(state), documents.closed(state)))
    if planes is None:
        return made, _NOT_COMPARED | _OF_FRAMES
    is_whole = planes.frames == dataset.record.frames.get("written")
    return made, _NOT_COMPARED if is_whole else _NOT_COMPARED | {"Plane"}


def _zarr(
    dataset: Dataset, expected: dict[str, Iterable[bytes]], ignored: set[str]
) -> Iterator[str]:
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
        for difference in _group_differences(
            read_json(dataset.path / key), json.loads(b"".join(content)), is_exact
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
    yield from _xml(XML_KEY, xml, len(dataset.images), expected.get(XML_KEY), ignored)


def _group_differences(found: Any, expected: Any, is_exact: bool) -> Iterator[str]:
    yield from _differences(_attribute(found, "ome"), _attribute(expected, "ome"), "ome", is_exact)
    own, wanted = (_attribute(one, KEY) for one in (found, expected))
    if isinstance(wanted, dict) and "image" in wanted:
        notes: Any = own.get("image") if isinstance(own, dict) else None
        yield from _differences(notes, wanted["image"], f"{KEY}.image", is_exact)


def _attribute(document: Any, key: str) -> Any:
    attributes = document.get("attributes") if isinstance(document, dict) else None
    return attributes.get(key) if isinstance(attributes, dict) else None


def _differences(found: Any, expected: Any, at: str, is_exact: bool) -> Iterator[str]:
    """Yield where a JSON value is not as expected; unless exact, levels of others may follow."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in {**expected, **found}:
            is_added = key not in expected and key not in _READ
            if is_added or (".channels." in at and key in _CONTRAST):
                continue
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


def _notes(dataset: Dataset) -> Iterator[str]:
    """Yield where the notes on an image in the record of a TIFF are not those of the schema."""
    images: Any = dataset.stored.store_record.get("images")
    for image in dataset.images if isinstance(images, list) else ():
        notes = images[image.layout.number : image.layout.number + 1]
        found = notes[0] if notes and isinstance(notes[0], dict) else {}
        expected = json.loads(json_bytes(image_notes(image.layout)))
        for key, value in expected.items():
            yield from _differences(
                found.get(key), value, f"images.{image.layout.number}.{key}", True
            )


def _tiff(
    path: Path, images: list[Image], expected: Iterable[bytes] | None, ignored: set[str]
) -> Iterator[str]:
    xml = read_description(path) or b""
    problems = [
        *_xml(f"the OME-XML of {path.name}", xml, len(images), expected, ignored),
        *_pages(path),
    ]
    yield from problems
    if not problems:  # so that a damaged file does not hold tifffile up
        yield from _series(path, images)


def _pages(path: Path) -> Iterator[str]:
    pages = TiffPages(path)
    try:
        with path.open("rb") as file:
            outside = 0
            for spans in pages.spans(file):
                size = path.stat().st_size  # a writer may be adding pixels
                outside += int(np.count_nonzero(spans.at + spans.nbytes > size))
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


def _xml(
    name: str, content: bytes, images: int, expected: Iterable[bytes] | None, ignored: set[str]
) -> Iterator[str]:
    try:
        count = _image_count(content)
    except ExpatError as error:
        yield f"{name} cannot be read: {error}"
        return
    if count != images:
        yield f"{name} lists {count} images, the store has {images}"
    elif expected is not None:
        pieces = (content[at : at + _PIECE] for at in range(0, len(content), _PIECE))
        different = _element_differences(_elements(pieces, ignored), _elements(expected, ignored))
        try:
            yield from _first(
                (f"{name}: {one}" for one in different), "differences from the schema"
            )
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            yield f"{name} cannot be compared with the schema, which is damaged: {error}"


def _element_differences(found: Iterable[_Element], expected: Iterable[_Element]) -> Iterator[str]:
    for one, other in zip_longest(found, expected):
        if one is None or other is None or one.where != other.where:
            names = ["nothing" if element is None else element.where for element in (one, other)]
            yield "found {}, expected {}".format(*names)
            return
        if one.attributes == other.attributes:
            continue
        for key in {**other.attributes, **one.attributes}:
            value, wanted = one.attributes.get(key), other.attributes.get(key)
            if value != wanted:
                what = f"{key or 'text'} of {one.where}"
                yield f"{what} is {value!r:.80}, expected {wanted!r:.80}"


def _image_count(content: bytes) -> int:
    """Return how many images an OME-XML has.

    Raises
    ------
    xml.parsers.expat.ExpatError
    """
    parser = ParserCreate()
    depth = images = 0

    def begin(name: str, _: object) -> None:
        nonlocal depth, images
        images += depth == 1 and name.rpartition(":")[2] == "Image"
        depth += 1

    def end(_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.Parse(content, True)
    return images


def _elements(pieces: Iterable[bytes], ignored: set[str]) -> Iterator[_Element]:
    """Yield the elements of an OME-XML as they are read: it may list a million planes."""
    parser = ParserCreate()
    path: list[str] = []
    waiting: list[_Element] = []
    open_elements: list[_Element | None] = []
    counts = dict.fromkeys(_OF_FRAMES, 0)
    annotations = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal annotations
        name = name.rpartition(":")[2]
        path.append(attributes.get("ID") or name)
        annotations += name == "StructuredAnnotations"
        element: _Element | None = None
        if not annotations and name not in ignored:
            where = f"{name} {path[-1]}"
            if name in _OF_FRAMES:
                counts[name] += 1
                where = f"{name} {counts[name]} of {'nothing' if len(path) < 2 else path[-2]}"
            element = _Element(where, attributes)
            waiting.append(element)
        if name == "Pixels":
            counts.update(dict.fromkeys(_OF_FRAMES, 0))
        open_elements.append(element)

    def end(name: str) -> None:
        nonlocal annotations
        annotations -= name.rpartition(":")[2] == "StructuredAnnotations"
        path.pop()
        open_elements.pop()

    def text(data: str) -> None:
        element = open_elements[-1] if open_elements else None
        if element is not None and data.strip():
            element.attributes[""] = element.attributes.get("", "") + data.strip()

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = text
    for piece in pieces:
        parser.Parse(piece, False)
        is_open = bool(open_elements) and open_elements[-1] is not None
        ready = waiting[:-1] if is_open else waiting  # more text may follow
        yield from ready
        del waiting[: len(ready)]
    parser.Parse(b"", True)
    yield from waiting
