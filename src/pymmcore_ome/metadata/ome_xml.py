"""OME-XML (schema 2016-06) of a store: images, plate, instrument; planes as text between.

ome-types builds and checks one image of each kind; the others are that one's text with their
own numbers and names, and planes are text from the start: there are far too many for objects.
It is UTF-8, in a TIFF too: Bio-Formats blanks out every `&#` before it parses, so that a
reference such as `&#181;m` costs it the whole document (loci.common.xml.XMLTools.sanitizeXML).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import Final

from ome_types import model as ome

from pymmcore_ome.layout import ImageLayout

from .ome_image import ABSENT, ImageText, element_text
from .ome_instrument import instrument_element
from .ome_planes import alike, plane_elements, tiff_data_elements
from .ome_plate import PlateText
from .state import StoreState

CREATOR: Final = "pymmcore-ome"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_END: Final = "</OME>"


class OmeXml:
    """Makes the OME-XML of a store, or one of each of its files.

    What the documents of one state have in common is made once: one a file costs as much in
    all as one of all images. It writes no file.

    Parameters
    ----------
    state : StoreState
        With `pages`, the pixels are in the same file; without, stored elsewhere.
    """

    def __init__(self, state: StoreState) -> None:
        self._state = state
        schema = state.layout.schema
        root = ome.OME(creator=CREATOR).to_xml(indent=0, include_schema_location=True)
        self._head = xml_bytes(_HEAD + root.rstrip().removesuffix("/>") + ">")
        self._plate = None if schema.plate is None else PlateText(schema.plate)
        self._instrument = (
            b""
            if schema.instrument is None
            else xml_bytes(element_text(instrument_element(schema.instrument)))
        )
        self._image = ImageText(schema, _date(state.record.started))

    def __call__(self, images: Sequence[ImageLayout]) -> Iterator[bytes]:
        """Yield the OME-XML of some images of the store, in order, in pieces.

        They become ``Image:0``, ``Image:1``, … of this document.
        """
        state = self._state
        images = [image for image in images if image.number < len(state.shapes)]
        yield self._head
        if self._plate is not None:
            yield xml_bytes(self._plate(images))
        yield self._instrument
        numbers = count()
        for stack in alike(images, state.shapes):
            shape = state.shapes[stack[0].number]
            planes = plane_elements(stack, shape, state.planes)
            for image, number, parts in zip(stack, numbers, planes, strict=False):
                head, tail = self._image(image, number, shape)
                yield xml_bytes(head)
                if state.pages is None:
                    yield ABSENT.encode()
                else:
                    yield xml_bytes(tiff_data_elements(image, shape, state.pages))
                for part in parts:
                    yield xml_bytes(part)
                yield xml_bytes(tail)
        yield _END.encode()


def xml_bytes(text: str) -> bytes:
    """Return XML text as UTF-8, without references, which Bio-Formats cannot read."""
    return text.encode("utf-8", "replace")


def _date(started: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(started) if started else None
    except ValueError:
        return None
