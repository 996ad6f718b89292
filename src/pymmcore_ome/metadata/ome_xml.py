"""OME-XML (schema 2016-06) of a store: images, plate, instrument; planes as text between.

ome-types builds and checks everything but the planes, which are far too many for objects.
All text is ASCII, other characters as references, because TIFF's ImageDescription is ASCII.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from ome_types import model as ome

from pymmcore_ome.layout import ImageLayout

from .ome_image import image_element
from .ome_instrument import instrument_element
from .ome_planes import plane_elements, tiff_data_elements
from .ome_plate import plate_element
from .state import StoreState

CREATOR: Final = "pymmcore-ome"
_ABSENT: Final = "<MetadataOnly/>"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


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
    document = ome.OME(
        creator=CREATOR,
        plates=[] if schema.plate is None else [plate_element(schema.plate, images)],
        instruments=[] if schema.instrument is None else [instrument_element(schema.instrument)],
        images=[
            image_element(
                image, number, state.shapes[image.number], schema, _date(state.record.started)
            )
            for number, image in enumerate(images)
        ],
    )
    parts = document.to_xml(indent=0, include_schema_location=True).split(_ABSENT)
    yield ascii_text(_HEAD + parts[0])
    for image, part in zip(images, parts[1:], strict=True):
        if state.pages is None:
            yield _ABSENT.encode()
        else:
            yield ascii_text(tiff_data_elements(image, state.shapes[image.number], state.pages))
        for text in plane_elements(image, state.shapes[image.number], state.planes):
            yield ascii_text(text)
        yield ascii_text(part)


def ascii_text(text: str) -> bytes:
    """Return XML text as ASCII; every other character becomes a reference."""
    return text.encode("ascii", "xmlcharrefreplace")


def _date(started: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(started) if started else None
    except ValueError:
        return None
