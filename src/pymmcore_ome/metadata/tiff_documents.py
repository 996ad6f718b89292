"""The documents of an OME-TIFF: its OME-XML, with the store record as an annotation.

One file holds all images, or a folder one each with its own OME-XML; the folder's
`store.json` then has the store record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pymmcore_ome.disk import TIFF_FOLDER_KEY
from pymmcore_ome.frames import json_bytes
from pymmcore_ome.layout import ImageLayout, Layout

from .documents import Document, Documents, StoreState, image_notes
from .ome_planes import NOTE_ID
from .ome_xml import OmeXml
from .store_record import (
    DESCRIPTION_KEY,
    FRAME_NAMESPACE,
    KEY,
    file_name,
    map_annotations,
    with_maps,
    with_record,
)


class TiffDocuments(Documents):
    """The OME-XML of one file, or of each file of a folder."""

    def __init__(self, in_folder: bool) -> None:
        self._in_folder = in_folder

    def refusals(self, layout: Layout) -> list[str]:
        reasons = []
        for axes in dict.fromkeys(image.axes for image in layout.images):
            extra = [axis.name for axis in axes if axis.kind == "other"]
            if extra:
                reasons.append(f"OME-TIFF knows the axes t, c and z only, the images have {extra}")
        return list(dict.fromkeys(reasons))

    def created(self, state: StoreState) -> Iterator[Document]:
        yield from self._all(state)

    def reopened(self, state: StoreState) -> Iterator[Document]:
        if self._in_folder:
            *_, root = self._all(state)
            yield root
        else:
            yield from self._all(state)

    def grown(self, state: StoreState, added: Iterable[ImageLayout]) -> Iterator[Document]:
        yield from self._all(state)

    def closed(self, state: StoreState) -> Iterator[Document]:
        yield from self._all(state)

    def _all(self, state: StoreState) -> Iterator[Document]:
        images = state.layout.images[: len(state.shapes)]
        record = {**state.record.to_attributes(), "images": [_notes(state, i) for i in images]}
        ome_xml, maps = OmeXml(state), state.record.map_annotations()
        if not self._in_folder:
            xml = with_record(ome_xml(images), record, maps + _note_maps(state, images))
            yield DESCRIPTION_KEY, xml
            return
        for image in images:
            yield file_name(image), with_maps(ome_xml([image]), maps + _note_maps(state, [image]))
        yield TIFF_FOLDER_KEY, [json_bytes({KEY: record}, indent=2)]


def _note_maps(state: StoreState, images: Iterable[ImageLayout]) -> str:
    """Return the annotations that the planes of some images refer to: a file may be moved."""
    if state.planes is None:
        return ""
    notes = state.planes.notes(image.path for image in images)
    return map_annotations(
        (f"{NOTE_ID}{number}", FRAME_NAMESPACE, entries) for number, entries in notes
    )


def _notes(state: StoreState, image: ImageLayout) -> dict[str, Any]:
    """Return what is needed to read an image back: its shape, and the pages of its planes."""
    notes = {**image_notes(image), "axes": image.axis_names, "shape": state.shapes[image.number]}
    if state.pages is not None:
        notes["runs"] = [
            [run.page, *run.first, run.planes]
            for run in state.pages.runs(image.number, state.pages.shape(image.number))
        ]
        notes["planes"] = state.pages.shape(image.number)
    return notes
