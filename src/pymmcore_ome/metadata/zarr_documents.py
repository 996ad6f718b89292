"""The documents of an OME-Zarr store.

Three layouts, as NGFF 0.5 has them: a root that is the image; a bioformats2raw root with
images ``0, 1, …``; a plate with ``row/column/field``. All have ``OME/METADATA.ome.xml`` once
they are closed. A bioformats2raw root has an outline of it from the start: napari-ome-zarr finds
the images by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from pymmcore_ome.frames import json_bytes
from pymmcore_ome.layout import ImageLayout, Layout

from . import ngff
from .documents import Document, Documents, StoreState, image_notes
from .store_record import KEY, XML_KEY, with_maps

_OME_GROUP: Final = "OME/zarr.json"
_NAMESPACE: Final = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_PIXEL_TYPES: Final = {"float32": "float", "float64": "double"}


class ZarrDocuments(Documents):
    """Group documents by key of their `zarr.json`, and the OME-XML."""

    def refusals(self, layout: Layout) -> list[str]:
        return ngff.refusals(layout)

    def created(self, state: StoreState) -> Iterator[Document]:
        """Yield the root last: a store that has a root has all its groups."""
        layout = state.layout
        if layout.plate is not None:
            yield from _plate_groups(layout)
        yield from self.grown(state, layout.images)
        yield "zarr.json", _group(_root(state))

    def reopened(self, state: StoreState) -> Iterator[Document]:
        """Yield the root first: whatever dies later, `recover` is asked for."""
        yield "zarr.json", _group(_root(state))
        if state.record.levels is not None:  # they are listed again when all are there
            yield from self._images(state, state.layout.images)

    def grown(self, state: StoreState, added: Iterable[ImageLayout]) -> Iterator[Document]:
        yield from self._images(state, added)
        # a frame may have been accepted for an image that is not made yet
        made = state.layout.images[: len(state.shapes)]
        if made and _has_series(state.layout):
            yield XML_KEY, _outline(made)
            yield _OME_GROUP, _group({"ome": ngff.series_attributes(made)})

    def _images(self, state: StoreState, images: Iterable[ImageLayout]) -> Iterator[Document]:
        """Yield the documents of images that are not the root itself."""
        attributes_of = ngff.ImageAttributes(state.record.levels_listed, state.record.contrast)
        for image in images:
            if image.path:
                attributes = {
                    "ome": attributes_of(image),
                    KEY: {"image": image_notes(image)},
                }
                yield f"{image.path}/zarr.json", _group(attributes)

    def closed(self, state: StoreState) -> Iterator[Document]:
        from .ome_xml import OmeXml  # imports ome-types, which takes longer than opening a stream

        if state.record.levels_listed is not None or state.record.contrast:
            yield from self._images(state, state.layout.images)
        if state.layout.images:
            if not _has_series(state.layout):
                yield _OME_GROUP, _group({})
            xml = OmeXml(state)(state.layout.images)
            yield XML_KEY, with_maps(xml, state.record.map_annotations())
        yield "zarr.json", _group(_root(state))


def _outline(images: Iterable[ImageLayout]) -> Iterator[bytes]:
    """Yield an OME-XML that lists the images, without what is known only at the end.

    Written as text: to import ome-types takes longer than to open a stream.
    """
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<OME xmlns="{_NAMESPACE}">'.encode()
    for image in images:
        sizes = dict(zip(image.axis_names, image.shape, strict=True))
        size_of = " ".join(f'Size{axis.upper()}="{sizes.get(axis) or 1}"' for axis in "xyczt")
        pixel_type = _PIXEL_TYPES.get(image.dtype, image.dtype)
        yield (
            f'<Image ID="Image:{image.number}" Name={quoteattr(image.name)}>'
            f'<Pixels ID="Pixels:{image.number}" DimensionOrder="XYZCT" Type="{pixel_type}" '
            f"{size_of}><MetadataOnly/></Pixels></Image>"
        ).encode()
    yield b"</OME>"


def _has_series(layout: Layout) -> bool:
    """Whether the store is a bioformats2raw collection; its list may not be empty."""
    return not layout.is_single and layout.plate is None and bool(layout.images)


def _root(state: StoreState) -> dict[str, Any]:
    layout, own = state.layout, state.record.to_attributes()
    others = state.record.other_attributes()
    if layout.plate is not None:
        return {"ome": ngff.plate_attributes(layout.plate, layout.images), KEY: own, **others}
    if not layout.is_single:
        return {"ome": ngff.root_attributes(), KEY: own, **others}
    image = layout.images[0]
    return {
        "ome": ngff.image_attributes(image, state.record.levels_listed, state.record.contrast),
        KEY: {**own, "image": image_notes(image)},
        **others,
    }


def _plate_groups(layout: Layout) -> Iterator[Document]:
    wells: dict[tuple[str, str], list[ImageLayout]] = {}
    for image in layout.images:
        if image.well is not None:
            wells.setdefault(image.well, []).append(image)
    for row in dict.fromkeys(row for row, _ in wells):
        yield f"{row}/zarr.json", _group({})
    known: dict[tuple[int | None, ...], list[bytes]] = {}  # most wells have the same fields
    for (row, column), images in wells.items():
        fields = tuple([image.field for image in images])
        if fields not in known:
            known[fields] = _group({"ome": ngff.well_attributes(images)})
        yield f"{row}/{column}/zarr.json", known[fields]


def _group(attributes: Mapping[str, Any]) -> list[bytes]:
    document = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    return [json_bytes(document, indent=2)]
