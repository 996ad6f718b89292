"""All documents of an OME-Zarr store, as keys and bytes. It writes nothing itself.

Three layouts, as NGFF 0.5 has them: a root that is the image; a bioformats2raw root with
images ``0, 1, …`` and ``OME/METADATA.ome.xml``; a plate with ``row/column/field``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pymmcore_ome.disk import Format
from pymmcore_ome.frames import json_bytes
from pymmcore_ome.layout import Axis, ImageLayout, Layout

from . import ngff
from .ome_xml import ome_xml
from .store_record import KEY, StoreRecord

XML_KEY: Final = "OME/METADATA.ome.xml"


def format_refusals(layout: Layout, format: Format) -> list[str]:  # noqa: A002
    """Return every reason why the format's documents cannot describe the layout."""
    return ngff.refusals(layout) if format == "ome-zarr" else []


def store_documents(
    layout: Layout, record: StoreRecord, shapes: Sequence[tuple[int, ...]]
) -> Iterator[tuple[str, bytes]]:
    """Yield every group document of a new store, the root's last.

    A store whose root is there is whole; one that died before has no root and is no store.
    """
    if layout.plate is not None:
        yield from _plate_groups(layout)
    yield from image_documents(layout, layout.images)
    yield from series_documents(layout)
    yield from closing_documents(layout, record, shapes)


def image_documents(layout: Layout, images: Iterable[ImageLayout]) -> Iterator[tuple[str, bytes]]:
    """Yield the group document of every image that is not the root itself."""
    bits = layout.schema.significant_bits
    for image in images:
        if image.path:
            attributes = {"ome": ngff.image_attributes(image, bits), KEY: image_notes(image)}
            yield f"{image.path}/zarr.json", _group(attributes)


def series_documents(layout: Layout) -> Iterator[tuple[str, bytes]]:
    """Yield the list of images of a bioformats2raw store; it may not be empty."""
    if _has_series(layout):
        yield "OME/zarr.json", _group({"ome": ngff.series_attributes(layout.images)})


def closing_documents(
    layout: Layout, record: StoreRecord, shapes: Sequence[tuple[int, ...]]
) -> Iterator[tuple[str, bytes]]:
    """Yield the documents that change while a store grows and ends: XML, then the root."""
    if _has_series(layout):
        yield XML_KEY, ome_xml(layout, shapes)
    yield "zarr.json", _group(_root(layout, record))


def _has_series(layout: Layout) -> bool:
    return not layout.is_single and layout.plate is None and bool(layout.images)


def image_notes(image: ImageLayout) -> dict[str, Any]:
    """Return what we note on an image's group: its name, and what NGFF cannot say.

    `coordinates` holds every axis whose steps are not even, in `units`; z as the stage has
    it, the position's z included.
    """
    notes: dict[str, Any] = {"image": {"name": image.name}}
    uneven = {axis.name: axis for axis in image.axes if axis.coords and axis.scale is None}
    if uneven:
        notes["image"]["coordinates"] = {
            name: _in_stage_coordinates(image, axis) for name, axis in uneven.items()
        }
        notes["image"]["units"] = {
            name: axis.unit for name, axis in uneven.items() if axis.unit is not None
        }
    return notes


def _in_stage_coordinates(image: ImageLayout, axis: Axis) -> list[float | str]:
    base = image.position.z_um or 0.0 if axis.name == "z" else 0.0
    return [c + base if isinstance(c, float) else c for c in axis.coords or ()]


def _root(layout: Layout, record: StoreRecord) -> dict[str, Any]:
    own = record.to_attributes()
    if layout.plate is not None:
        return {"ome": ngff.plate_attributes(layout.plate, layout.images), KEY: own}
    if not layout.is_single:
        return {"ome": ngff.root_attributes(), KEY: own}
    image = layout.images[0]
    return {
        "ome": ngff.image_attributes(image, layout.schema.significant_bits),
        KEY: own | image_notes(image),
    }


def _plate_groups(layout: Layout) -> Iterator[tuple[str, bytes]]:
    wells: dict[tuple[str, str], list[ImageLayout]] = {}
    for image in layout.images:
        if image.well is not None:
            wells.setdefault(image.well, []).append(image)
    for row in dict.fromkeys(row for row, _ in wells):
        yield f"{row}/zarr.json", _group({})
    for (row, column), images in wells.items():
        yield f"{row}/{column}/zarr.json", _group({"ome": ngff.well_attributes(images)})


def _group(attributes: Mapping[str, Any]) -> bytes:
    return json_bytes({"zarr_format": 3, "node_type": "group", "attributes": attributes}, indent=2)
