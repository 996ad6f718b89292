"""The Instrument element of OME-XML: microscope, objective, detectors."""

from __future__ import annotations

from typing import Final

from ome_types import model as ome

from pymmcore_ome.schema import Instrument, Objective

from .xml_text import xml_text

INSTRUMENT: Final = "Instrument:0"
OBJECTIVE: Final = "Objective:0:0"
DETECTOR: Final = "Detector:0:{}"


def instrument_element(instrument: Instrument) -> ome.Instrument:
    """Return the element; every image refers to it."""
    has_microscope = instrument.name or instrument.manufacturer
    return ome.Instrument(
        id=INSTRUMENT,
        microscope=(
            ome.Microscope(
                model=_text(instrument.name), manufacturer=_text(instrument.manufacturer)
            )
            if has_microscope
            else None
        ),
        objectives=[] if instrument.objective is None else [_objective(instrument.objective)],
        detectors=[
            ome.Detector(
                id=DETECTOR.format(number),
                model=_text(detector.model or detector.name),
                manufacturer=_text(detector.manufacturer),
                gain=detector.gain,
                offset=detector.offset,
            )
            for number, detector in enumerate(instrument.detectors)
        ],
    )


def _objective(objective: Objective) -> ome.Objective:
    return ome.Objective(
        id=OBJECTIVE,
        model=_text(objective.name),
        manufacturer=_text(objective.manufacturer),
        nominal_magnification=objective.magnification,
        lens_na=objective.numerical_aperture,
    )


def _text(value: str | None) -> str | None:
    return None if value is None else xml_text(value)
