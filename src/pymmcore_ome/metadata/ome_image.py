"""The Image and Instrument elements of OME-XML as text, without planes. It writes no file."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from ome_types import model as ome
from xsdata.formats.dataclass.serializers.writers import XmlEventWriter
from xsdata_pydantic_basemodel.bindings import SerializerConfig, XmlContext, XmlSerializer

from pymmcore_ome.layout import Axis, ImageLayout
from pymmcore_ome.schema import (
    MICROMETERS,
    SECONDS,
    UNIT_SYMBOLS,
    Channel,
    Instrument,
    Objective,
    StorageSchema,
)

from .axes import physical_unit
from .display import channel_colors

ABSENT: Final = "<MetadataOnly/>"
#: Characters that stand for other text while a document is put together; no user's text has them.
RESERVED: Final = ("\ue000", "\ue001")
_NUMBER, _NAME = RESERVED  # stand for the image's number and name
_PIXEL_TYPES: Final = {"float32": "float", "float64": "double"}
_STACK: Final = re.compile(r' Size([TZ])="\d+"')  # in Pixels, which comes before its channels


class ImageText:
    """Makes Image elements as text; ome-types is asked once for each kind of image."""

    def __init__(
        self, schema: StorageSchema, date: datetime | None, shared_labels: Container[str] = ()
    ) -> None:
        self._schema = schema
        self._shared_labels = shared_labels  # of several images, which need names of their own
        self._date = date
        self._known: dict[tuple[object, ...], list[str]] = {}
        self._alike: dict[tuple[object, ...], list[list[str]]] = {}

    def __call__(self, image: ImageLayout, number: int, shape: Sequence[int]) -> tuple[str, str]:
        """Return the element of an image, ``Image:<number>``, before and after its planes."""
        key = (image.spec, *shape)
        parts = self._alike.get(key)
        if parts is None:
            parts = [part.split(_NUMBER) for part in self._sized(image, shape)]
            self._alike[key] = parts
        before, middle, after = map(str(number).join, parts)
        name = image.name if image.label in self._shared_labels else image.label
        before = before.replace(f'"{_NAME}"', quoteattr(xml_text(name), {'"': "&quot;"}))
        return before + _stage_label(image) + middle, after

    def _sized(self, image: ImageLayout, shape: Sequence[int]) -> tuple[str, str, str]:
        """Return the parts of the element of an image of this kind and shape."""
        sizes = pixel_sizes(image, shape)
        key = (
            *((axis.name, axis.kind, axis.scale, axis.unit) for axis in image.axes),
            *(
                image.dtype,
                image.spec.significant_bits,
                image.spec.samples,
                image.spec.plane_channels,
                image.spec.camera,
            ),
            *(sizes[name] for name in "cyx"),  # images that differ along t and z are of one kind
        )
        if key not in self._known:
            self._known[key] = self._parts(image, shape)
        before, middle, after = self._known[key]
        middle = _STACK.sub(lambda size: f' Size{size[1]}="{sizes[size[1].lower()]}"', middle, 2)
        return before, middle, after

    def _parts(self, image: ImageLayout, shape: Sequence[int]) -> list[str]:
        instrument = self._schema.instrument
        element = ome.Image(
            id=f"Image:{_NUMBER}",
            name=_NAME,
            acquisition_date=self._date,
            pixels=_pixels(image, shape, self._schema),
            instrument_ref=ome.InstrumentRef(id=INSTRUMENT) if instrument else None,
            objective_settings=(
                ome.ObjectiveSettings(id=OBJECTIVE) if instrument and instrument.objective else None
            ),
        )
        text = element_text(element)
        before, pixels, rest = text.partition("<Pixels")
        middle, _, after = rest.partition(ABSENT)
        return [before, pixels + middle, after]


Element = ome.Image | ome.Plate | ome.Instrument


def element_text(element: Element) -> str:
    """Return an element as text, without the namespace that the document's root declares."""
    return _xml_of(element).replace(f' xmlns="{_NAMESPACE}"', "", 1)


@cache
def root_text(creator: str) -> str:
    """Return the start tag of a document's root."""
    location = f"{_NAMESPACE} {_NAMESPACE}/ome.xsd"
    return _xml_of(ome.OME(creator=creator), location).removesuffix("/>") + ">"


#: What xsdata knows of ome-types' classes. `to_xml` of ome-types finds that out anew in every
#: call, which takes ten times as long as the text; and it writes through lxml.sax.
_CLASSES: Final = XmlContext()
_NAMESPACE: Final = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def _xml_of(element: Element | ome.OME, schema_location: str | None = None) -> str:
    config = SerializerConfig(
        indent="",
        xml_declaration=False,
        schema_location=schema_location,
        ignore_unset_attributes=True,
    )
    serializer = XmlSerializer(config=config, context=_CLASSES, writer=XmlEventWriter)
    return serializer.render(element, {None: _NAMESPACE})


def pixel_sizes(image: ImageLayout, shape: Sequence[int]) -> dict[str, int]:
    """Return SizeT, SizeC, … by letter; what an image lacks, or has none of yet, counts 1."""
    sizes = {"t": 1, "c": image.spec.samples, "z": 1}
    for axis, size in zip(image.axes, shape, strict=True):
        sizes[letter(axis)] = max(sizes.get(letter(axis), 1), size)
    return sizes


def letter(axis: Axis) -> str:
    """Return the OME-XML letter of an axis; it has none for a custom one, which becomes C."""
    return "c" if axis.kind == "other" else axis.name


def _pixels(image: ImageLayout, shape: Sequence[int], schema: StorageSchema) -> ome.Pixels:
    sizes = pixel_sizes(image, shape)
    order = [letter(axis).upper() for axis in reversed(image.axes)]
    if image.spec.samples > 1:  # the samples of a pixel come first, whatever the storage order
        order = ["X", "Y", "C", *(name for name in order[2:] if name != "C")]
    order += [name for name in "ZCT" if name not in order]
    fields: dict[str, Any] = {}
    for axis in image.axes:
        fields.update(_physical(axis))
    if image.spec.significant_bits is not None:
        fields["significant_bits"] = image.spec.significant_bits
    if image.spec.samples > 1:
        fields["interleaved"] = True
    return ome.Pixels(
        id=f"Pixels:{_NUMBER}",
        dimension_order="".join(order),
        type=_PIXEL_TYPES.get(image.dtype, image.dtype),
        size_x=sizes["x"],
        size_y=sizes["y"],
        size_z=sizes["z"],
        size_c=sizes["c"],
        size_t=sizes["t"],
        channels=_channels(image, sizes["c"] // image.spec.samples, schema.instrument),
        metadata_only=True,
        **fields,
    )


def _physical(axis: Axis) -> dict[str, Any]:
    """Return the physical size of an axis; OME-XML knows no negative one, so its amount."""
    unit = physical_unit(axis)
    if axis.scale is None or unit is None:
        return {}
    if axis.name in ("x", "y", "z") and unit in MICROMETERS:
        key = f"physical_size_{axis.name}"
        return {key: abs(axis.scale), f"{key}_unit": UNIT_SYMBOLS[unit]}
    if axis.kind == "time" and unit in SECONDS:
        return {"time_increment": abs(axis.scale), "time_increment_unit": UNIT_SYMBOLS[unit]}
    return {}


def _channels(image: ImageLayout, count: int, instrument: Instrument | None) -> list[ome.Channel]:
    channels: Sequence[Channel | None] = image.spec.plane_channels or [None] * count
    colors: Sequence[str | None] = [None] * count
    if image.spec.plane_channels and image.spec.samples == 1:  # RGB pixels have colors of their own
        colors = channel_colors(image.spec.plane_channels)
    return [
        _channel(
            channel,
            color,
            f"Channel:{_NUMBER}:{n}",
            image.spec.samples,
            _detector(instrument, _camera_number(instrument, image, channel, n)),
        )
        for n, (channel, color) in enumerate(zip(channels, colors, strict=True))
    ]


def _channel(
    channel: Channel | None,
    color: str | None,
    identity: str,
    samples: int,
    detector: ome.DetectorSettings | None,
) -> ome.Channel:
    fields: dict[str, Any] = {}
    if channel is not None:
        fields = {
            "name": xml_text(channel.name),
            "fluor": None if channel.fluorophore is None else xml_text(channel.fluorophore),
            "excitation_wavelength": channel.excitation_nm,
            "emission_wavelength": channel.emission_nm,
        }
    if color is not None:
        fields["color"] = f"#{color}"
    return ome.Channel(id=identity, samples_per_pixel=samples, detector_settings=detector, **fields)


def _camera_number(
    instrument: Instrument | None, image: ImageLayout, channel: Channel | None, number: int
) -> int:
    """Return the detector of a channel: by name, by the image's camera, or by its number."""
    names = [detector.name for detector in instrument.detectors] if instrument else []
    if image.spec.camera is None and channel is not None and channel.camera in names:
        return names.index(channel.camera)
    return number if image.spec.camera is None else image.spec.camera


def _detector(instrument: Instrument | None, number: int) -> ome.DetectorSettings | None:
    """Return the settings of a camera; innermost among the channels, where names are unknown."""
    if instrument is None or not instrument.detectors:
        return None
    number %= len(instrument.detectors)
    detector = instrument.detectors[number]
    binning = f"{detector.binning}x{detector.binning}"
    known = [choice.value for choice in ome.Binning]
    return ome.DetectorSettings(
        id=DETECTOR.format(number),
        gain=detector.gain,
        offset=detector.offset,
        binning=binning if binning in known else None,
    )


def _stage_label(image: ImageLayout) -> str:
    at = image.position
    if at.x_um is at.y_um is at.z_um is None and image.label == image.name:
        return ""
    coordinates = {"X": at.x_um, "Y": at.y_um, "Z": at.z_um}
    known = {axis: value for axis, value in coordinates.items() if value is not None}
    numbers = "".join(f' {axis}="{value!r}" {axis}Unit="\u00b5m"' for axis, value in known.items())
    return f"<StageLabel Name={quoteattr(xml_text(image.label))}{numbers}/>"


def xml_text(text: str) -> str:
    """Return the text as one line, without characters that XML 1.0 cannot hold.

    Breaks and tabs become blanks: in an attribute they would be references (see `ome_xml`).
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c in "\t\n\r" else c if _is_sayable(c) else "\ufffd" for c in text)


def _is_sayable(c: str) -> bool:
    return c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= RESERVED[-1]


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
