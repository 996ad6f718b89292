"""The Plate element of OME-XML: wells that have images, and the images they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ome_types import model as ome

from pymmcore_ome.layout import ImageLayout
from pymmcore_ome.schema import Plate

from .xml_text import xml_text


def plate_element(plate: Plate, images: Sequence[ImageLayout]) -> ome.Plate:
    """Return the element; sample n refers to ``Image:n``, the n-th of `images`."""
    rows = {name: number for number, name in enumerate(plate.rows)}
    columns = {name: number for number, name in enumerate(plate.columns)}
    samples: dict[tuple[str, str], list[ome.WellSample]] = {}
    for number, image in enumerate(images):
        if image.well is not None:
            samples.setdefault(image.well, []).append(_sample(image, number))
    return ome.Plate(
        id="Plate:0",
        name=None if plate.name is None else xml_text(plate.name),
        rows=len(plate.rows),
        columns=len(plate.columns),
        row_naming_convention=_convention(plate.rows),
        column_naming_convention=_convention(plate.columns),
        wells=[
            ome.Well(
                id=f"Well:0:{number}",
                row=rows[row],
                column=columns[column],
                well_samples=members,
            )
            for number, ((row, column), members) in enumerate(samples.items())
        ],
    )


def _sample(image: ImageLayout, number: int) -> ome.WellSample:
    fields: dict[str, Any] = {}
    if image.position.x_um is not None:
        fields |= {"position_x": image.position.x_um, "position_x_unit": "µm"}
    if image.position.y_um is not None:
        fields |= {"position_y": image.position.y_um, "position_y_unit": "µm"}
    return ome.WellSample(
        id=f"WellSample:0:{number}",
        index=number,
        image_ref=ome.ImageRef(id=f"Image:{number}"),
        **fields,
    )


def _convention(names: Sequence[str]) -> str | None:
    if all(name.isdigit() for name in names):
        return "number"
    return "letter" if all(name.isalpha() for name in names) else None
