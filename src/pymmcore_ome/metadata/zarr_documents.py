"""The documents of an OME-Zarr store.

Three layouts, as NGFF 0.5 has them: a root that is the image; a bioformats2raw root with
images ``0, 1, …``; a plate with ``row/column/field``. All have ``OME/METADATA.ome.xml`` once
they are closed; NGFF does not ask for it, and `OME/zarr.json` lists the images until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pymmcore_ome.frames import json_bytes
from pymmcore_ome.layout import ImageLayout, Layout

from . import ngff
from .documents import Document, Documents, StoreState, image_notes
from .store_record import KEY, XML_KEY, with_maps

_OME_GROUP: Final = "OME/zarr.json"


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

    def grown(self, state: StoreState, added: Iterable[ImageLayout]) -> Iterator[Document]:
        layout = state.layout
        attributes_of = ngff.ImageAttributes()
        for image in added:
            if image.path:
                attributes = {
                    "ome": attributes_of(image),
                    KEY: {"image": image_notes(image)},
                }
                yield f"{image.path}/zarr.json", _group(attributes)
        # a frame may have been accepted for an image that is not made yet
        made = layout.images[: len(state.shapes)]
        if made and _has_series(layout):
            yield _OME_GROUP, _group({"ome": ngff.series_attributes(made)})

    def closed(self, state: StoreState) -> Iterator[Document]:
        from .ome_xml import OmeXml  # imports ome-types, which takes longer than opening a stream

        if state.layout.images:
            if not _has_series(state.layout):
                yield _OME_GROUP, _group({})
            xml = OmeXml(state)(state.layout.images)
            yield XML_KEY, with_maps(xml, state.record.map_annotations())
        yield "zarr.json", _group(_root(state))


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
        "ome": ngff.image_attributes(image),
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
