"""OME-XML (schema 2016-06) of a store: images, plate, instrument; planes as text between.

ome-types builds and checks one image of each kind; the others are that one's text with their
own numbers and names, and planes are text from the start: there are far too many for objects.
It is UTF-8, in a TIFF too: Bio-Formats blanks out every `&#` before it parses, so that a
reference such as `&#181;m` costs it the whole document (loci.common.xml.XMLTools.sanitizeXML).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from ome_types import model as ome

from pymmcore_ome.layout import ImageLayout

from .ome_image import ABSENT, ImageText, element_text
from .ome_instrument import instrument_element
from .ome_planes import plane_elements, tiff_data_elements
from .ome_plate import plate_element
from .state import StoreState

CREATOR: Final = "pymmcore-ome"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_END: Final = "</OME>"


def ome_xml(state: StoreState, images: Sequence[ImageLayout]) -> Iterator[bytes]:
    """Yield the OME-XML of some images of a store, in order, in pieces.

    Parameters
    ----------
    state : StoreState
        With `pages`, the pixels are in the same file; without, stored elsewhere.
    images : sequence of ImageLayout
        They become ``Image:0``, ``Image:1``, … of this document.
    """
    images = [image for image in images if image.number < len(state.shapes)]
    schema = state.layout.schema
    text_of = ImageText(schema, _date(state.record.started))
    root = ome.OME(creator=CREATOR).to_xml(indent=0, include_schema_location=True)
    yield xml_bytes(_HEAD + root.rstrip().removesuffix("/>") + ">")
    if schema.plate is not None:
        yield xml_bytes(element_text(plate_element(schema.plate, images)))
    if schema.instrument is not None:
        yield xml_bytes(element_text(instrument_element(schema.instrument)))
    for number, image in enumerate(images):
        shape = state.shapes[image.number]
        head, tail = text_of(image, number, shape)
        yield xml_bytes(head)
        if state.pages is None:
            yield ABSENT.encode()
        else:
            yield xml_bytes(tiff_data_elements(image, shape, state.pages))
        for part in plane_elements(image, shape, state.planes):
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
