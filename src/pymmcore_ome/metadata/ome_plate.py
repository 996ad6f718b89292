"""The Plate element of OME-XML: wells that have images, and the images they have."""

from __future__ import annotations

from collections.abc import Sequence

from ome_types import model as ome

from pymmcore_ome.layout import ImageLayout
from pymmcore_ome.schema import Plate

from .ome_image import element_text
from .xml_text import xml_text


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
        self._start = element_text(empty).rstrip().removesuffix("/>")

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
