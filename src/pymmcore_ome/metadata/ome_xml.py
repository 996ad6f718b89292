"""OME-XML (schema 2016-06), built with ome-types: what NGFF 0.5 has no place for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ome_types import model as ome

from pymmcore_ome.layout import Axis, ImageLayout, Layout

from .colors import channel_colors
from .ngff import physical_unit

CREATOR: Final = "pymmcore-ome"
_PIXEL_TYPES: Final = {"float32": "float", "float64": "double"}
_LENGTHS: Final = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "meter": "m"}
_TIMES: Final = {"second": "s", "millisecond": "ms", "minute": "min", "hour": "h"}


def ome_xml(layout: Layout, shapes: Sequence[tuple[int, ...]]) -> bytes:
    """Return the OME-XML of all images, in order, for pixels that are stored elsewhere.

    Parameters
    ----------
    layout : Layout
    shapes : sequence of tuple of int
        The shape of each image as it is now, in storage order.
    """
    bits = layout.schema.significant_bits
    images = [
        _image(image, shape, bits) for image, shape in zip(layout.images, shapes, strict=True)
    ]
    document = ome.OME(creator=CREATOR, images=images)
    return document.to_xml(indent=0).encode()


def _xml_text(text: str) -> str:
    """Return the text without characters that XML 1.0 cannot hold."""
    return "".join(
        c if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff") else "\ufffd" for c in text
    )


def _image(image: ImageLayout, shape: tuple[int, ...], bits: int | None) -> ome.Image:
    number = image.number
    return ome.Image(
        id=f"Image:{number}",
        name=_xml_text(image.label),
        pixels=_pixels(image, shape, bits),
        stage_label=_stage_label(image),
    )


def _pixels(image: ImageLayout, shape: tuple[int, ...], bits: int | None) -> ome.Pixels:
    sizes = {"t": 1, "c": 1, "z": 1}
    order = []
    for axis, size in zip(reversed(image.axes), reversed(shape), strict=True):
        letter = "c" if axis.kind == "other" else axis.name
        sizes[letter] = max(1, size)
        order.append(letter.upper())
    order += [letter for letter in "ZCT" if letter not in order]
    fields: dict[str, Any] = {}
    for axis in image.axes:
        fields.update(_physical(axis))
    if bits is not None:
        fields["significant_bits"] = bits
    return ome.Pixels(
        id=f"Pixels:{image.number}",
        dimension_order="".join(order),
        type=_PIXEL_TYPES.get(image.dtype, image.dtype),
        size_x=sizes["x"],
        size_y=sizes["y"],
        size_z=sizes["z"],
        size_c=sizes["c"],
        size_t=sizes["t"],
        channels=_channels(image, sizes["c"]),
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


def _channels(image: ImageLayout, count: int) -> list[ome.Channel]:
    if not image.channels:
        return [
            ome.Channel(id=f"Channel:{image.number}:{n}", samples_per_pixel=1) for n in range(count)
        ]
    return [
        ome.Channel(
            id=f"Channel:{image.number}:{n}",
            name=_xml_text(channel.name),
            color=f"#{color}",
            samples_per_pixel=1,
            fluor=channel.fluorophore,
            excitation_wavelength=channel.excitation_nm,
            emission_wavelength=channel.emission_nm,
        )
        for n, (channel, color) in enumerate(
            zip(image.channels, channel_colors(image.channels), strict=True)
        )
    ]


def _stage_label(image: ImageLayout) -> ome.StageLabel | None:
    at = image.position
    if at.x_um is None and at.y_um is None and at.z_um is None:
        return None
    coordinates = {
        letter: value
        for letter, value in (("x", at.x_um), ("y", at.y_um), ("z", at.z_um))
        if value is not None
    }
    return ome.StageLabel(
        name=_xml_text(image.label),
        **coordinates,
        **{f"{letter}_unit": "µm" for letter in coordinates},
    )
