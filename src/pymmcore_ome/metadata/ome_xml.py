"""OME-XML (schema 2016-06) of a store: images, plate, instrument; planes as text between.

ome-types builds and checks one image of each kind; the others are that one's text with their
own numbers and names, and planes are text from the start: there are far too many for objects.
It is UTF-8, in a TIFF too: Bio-Formats blanks out every `&#` before it parses, so that a
reference such as `&#181;m` costs it the whole document (loci.common.xml.XMLTools.sanitizeXML).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import Final

from ome_types import model as ome

from pymmcore_ome.layout import ImageLayout
from pymmcore_ome.schema import Plate

from .documents import StoreState
from .ome_image import ABSENT, ImageText, element_text, instrument_element, root_text, xml_text
from .ome_planes import alike, plane_elements, tiff_data_elements

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
        self._head = xml_bytes(_HEAD + root_text(CREATOR))
        self._plate = None if schema.plate is None else PlateText(schema.plate)
        self._instrument = (
            b""
            if schema.instrument is None
            else xml_bytes(element_text(instrument_element(schema.instrument)))
        )
        # in a TIFF an image is found by its name, in Zarr by its path
        labels = Counter(one.label for one in state.layout.images if state.pages is not None)
        shared = {label for label, count in labels.items() if count > 1}
        self._image = ImageText(schema, _date(state.record.started), shared)

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
            planes = plane_elements(stack, shape, state.planes, has_notes=state.pages is not None)
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


class PlateText:
    """Makes the Plate element as text; ome-types is asked once, for the plate without wells.

    There may be a document for each of its wells.
    """

    def __init__(self, plate: Plate) -> None:
        self._rows = {name: number for number, name in enumerate(plate.rows)}
        self._columns = {name: number for number, name in enumerate(plate.columns)}
        empty = ome.Plate(
            id="Plate:0",
            name=None if plate.name is None else xml_text(plate.name),
            rows=len(plate.rows),
            columns=len(plate.columns),
            row_naming_convention=_convention(plate.rows),
            column_naming_convention=_convention(plate.columns),
        )
        self._start = element_text(empty).removesuffix("/>")

    def __call__(self, images: Sequence[ImageLayout]) -> str:
        """Return the element; sample n refers to ``Image:n``, the n-th of `images`."""
        samples: dict[tuple[str, str], list[str]] = {}
        for number, image in enumerate(images):
            if image.well is not None:
                samples.setdefault(image.well, []).append(_sample(image, number))
        wells = "".join(
            f'<Well ID="Well:0:{number}" Column="{self._columns[column]}" Row="{self._rows[row]}">'
            f"{''.join(members)}</Well>"
            for number, ((row, column), members) in enumerate(samples.items())
        )
        return f"{self._start}>{wells}</Plate>"


def _sample(image: ImageLayout, number: int) -> str:
    x_um, y_um = image.position.x_um, image.position.y_um
    where = "" if x_um is None else f' PositionX="{x_um!r}" PositionXUnit="\u00b5m"'
    if y_um is not None:
        where += f' PositionY="{y_um!r}" PositionYUnit="\u00b5m"'
    return (
        f'<WellSample ID="WellSample:0:{number}" Index="{number}"{where}>'
        f'<ImageRef ID="Image:{number}"/></WellSample>'
    )


def _convention(names: Sequence[str]) -> str | None:
    if all(name.isdigit() for name in names):
        return "number"
    return "letter" if all(name.isalpha() for name in names) else None
