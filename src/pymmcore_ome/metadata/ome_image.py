"""The Image element of OME-XML: Pixels and Channels, without planes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from ome_types import model as ome

from pymmcore_ome.layout import Axis, ImageLayout
from pymmcore_ome.schema import Channel, Instrument, StorageSchema

from .colors import channel_colors
from .ngff import physical_unit
from .ome_instrument import DETECTOR, INSTRUMENT, OBJECTIVE

_PIXEL_TYPES: Final = {"float32": "float", "float64": "double"}
_LENGTHS: Final = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "meter": "m"}
_TIMES: Final = {"second": "s", "millisecond": "ms", "minute": "min", "hour": "h"}


def image_element(
    image: ImageLayout,
    number: int,
    shape: Sequence[int],
    schema: StorageSchema,
    date: datetime | None,
) -> ome.Image:
    """Return the element of an image, ``Image:<number>``, whose pixels are not said yet."""
    instrument = schema.instrument
    return ome.Image(
        id=f"Image:{number}",
        name=xml_text(image.label if image.path != image.name else image.name),
        acquisition_date=date,
        pixels=_pixels(image, number, shape, schema),
        stage_label=_stage_label(image),
        instrument_ref=ome.InstrumentRef(id=INSTRUMENT) if instrument else None,
        objective_settings=(
            ome.ObjectiveSettings(id=OBJECTIVE) if instrument and instrument.objective else None
        ),
    )


def xml_text(text: str) -> str:
    """Return the text without characters that XML 1.0 cannot hold."""
    return "".join(
        c
        if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff")
        else "\ufffd"
        for c in text
    )


def pixel_sizes(image: ImageLayout, shape: Sequence[int]) -> dict[str, int]:
    """Return SizeT, SizeC, … by letter; what an image lacks, or has none of yet, counts 1."""
    sizes = {"t": 1, "c": image.samples, "z": 1}
    for axis, size in zip(image.axes, shape, strict=True):
        sizes[letter(axis)] = max(sizes.get(letter(axis), 1), size)
    return sizes


def letter(axis: Axis) -> str:
    """Return the OME-XML letter of an axis; it has none for a custom one, which becomes C."""
    return "c" if axis.kind == "other" else axis.name


def _pixels(
    image: ImageLayout, number: int, shape: Sequence[int], schema: StorageSchema
) -> ome.Pixels:
    sizes = pixel_sizes(image, shape)
    order = [letter(axis).upper() for axis in reversed(image.axes)]
    if image.samples > 1:  # the samples of a pixel come first, whatever the storage order
        order = ["X", "Y", "C", *(name for name in order[2:] if name != "C")]
    order += [name for name in "ZCT" if name not in order]
    fields: dict[str, Any] = {}
    for axis in image.axes:
        fields.update(_physical(axis))
    if schema.significant_bits is not None:
        fields["significant_bits"] = schema.significant_bits
    if image.samples > 1:
        fields["interleaved"] = True
    return ome.Pixels(
        id=f"Pixels:{number}",
        dimension_order="".join(order),
        type=_PIXEL_TYPES.get(image.dtype, image.dtype),
        size_x=sizes["x"],
        size_y=sizes["y"],
        size_z=sizes["z"],
        size_c=sizes["c"],
        size_t=sizes["t"],
        channels=_channels(image, number, sizes["c"] // image.samples, schema.instrument),
        metadata_only=True,
        **fields,
    )


def _physical(axis: Axis) -> dict[str, Any]:
    """Return the physical size of an axis; OME-XML knows no negative one, so its amount."""
    unit = physical_unit(axis)
    if axis.scale is None or unit is None:
        return {}
    if axis.name in ("x", "y", "z") and unit in _LENGTHS:
        key = f"physical_size_{axis.name}"
        return {key: abs(axis.scale), f"{key}_unit": _LENGTHS[unit]}
    if axis.kind == "time" and unit in _TIMES:
        return {"time_increment": abs(axis.scale), "time_increment_unit": _TIMES[unit]}
    return {}


def _channels(
    image: ImageLayout, number: int, count: int, instrument: Instrument | None
) -> list[ome.Channel]:
    channels: Sequence[Channel | None] = image.plane_channels or [None] * count
    colors: Sequence[str | None] = [None] * count
    if image.plane_channels and image.samples == 1:  # RGB pixels have colours of their own
        colors = channel_colors(image.plane_channels)
    return [
        _channel(channel, color, f"Channel:{number}:{n}", image.samples, _detector(instrument, n))
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


def _detector(instrument: Instrument | None, channel: int) -> ome.DetectorSettings | None:
    """Return the settings of a channel's camera; cameras are innermost among the channels."""
    if instrument is None or not instrument.detectors:
        return None
    number = channel % len(instrument.detectors)
    detector = instrument.detectors[number]
    binning = f"{detector.binning}x{detector.binning}"
    known = [choice.value for choice in ome.Binning]
    return ome.DetectorSettings(
        id=DETECTOR.format(number),
        gain=detector.gain,
        offset=detector.offset,
        binning=binning if binning in known else None,
    )


def _stage_label(image: ImageLayout) -> ome.StageLabel | None:
    at = image.position
    coordinates = {
        axis: value
        for axis, value in (("x", at.x_um), ("y", at.y_um), ("z", at.z_um))
        if value is not None
    }
    if not coordinates and image.label == image.name:
        return None
    return ome.StageLabel(
        name=xml_text(image.label),
        **coordinates,
        **{f"{axis}_unit": "µm" for axis in coordinates},
    )
