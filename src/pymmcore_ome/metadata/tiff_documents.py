"""The documents of an OME-TIFF: its OME-XML, which carries our own page as an annotation.

One file holds all images, or a folder one each with its own OME-XML; the folder's
`store.json` then carries our page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final
from xml.sax.saxutils import escape, unescape

from pymmcore_ome.disk import TIFF_FOLDER_KEY
from pymmcore_ome.frames import json_bytes
from pymmcore_ome.layout import ImageLayout, Layout

from .documents import Document, Documents, StoreState, image_notes
from .ome_xml import OmeXml, xml_bytes
from .store_record import KEY

#: The document that goes into the one file as its ImageDescription.
DESCRIPTION_KEY: Final = "ome.xml"
_START: Final = (
    f'<StructuredAnnotations><CommentAnnotation ID="Annotation:{KEY}" Namespace="{KEY}"><Value>'
)
_END: Final = "</Value></CommentAnnotation></StructuredAnnotations>"


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

    def grown(self, state: StoreState, added: Iterable[ImageLayout]) -> Iterator[Document]:
        yield from self._all(state)

    def closed(self, state: StoreState) -> Iterator[Document]:
        yield from self._all(state)

    def _all(self, state: StoreState) -> Iterator[Document]:
        images = state.layout.images[: len(state.shapes)]
        page = {**state.record.to_attributes(), "images": [_notes(state, i) for i in images]}
        ome_xml = OmeXml(state)
        if not self._in_folder:
            yield DESCRIPTION_KEY, _with_page(ome_xml(images), page)
            return
        for image in images:
            yield file_name(image), ome_xml([image])
        yield TIFF_FOLDER_KEY, [json_bytes({KEY: page}, indent=2)]


def file_name(image: ImageLayout) -> str:
    """Return the name of an image's own file, in a folder with one file a position."""
    return f"{image.number}.ome.tiff"


def record_of_xml(xml: bytes) -> Mapping[str, Any] | None:
    """Return our own page from an OME-XML, or None where there is none."""
    start = xml.rfind(_START.encode())
    end = xml.find(_END.encode(), start)
    if start < 0 or end < 0:
        return None
    try:
        page = json.loads(unescape(xml[start + len(_START) : end].decode("ascii")))
    except ValueError:
        return None
    return page if isinstance(page, dict) else None


def _with_page(xml: Iterator[bytes], page: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield an OME-XML with our page in its StructuredAnnotations, its last element."""
    text = json.dumps(json.loads(json_bytes(page)))  # ASCII: XML cannot hold every character
    last = b""
    for piece in chain(xml, [None]):
        if piece is None:
            head, close, tail = last.rpartition(b"</OME>")
            yield head + xml_bytes(f"{_START}{escape(text)}{_END}") + close + tail
            return
        yield last
        last = piece


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
