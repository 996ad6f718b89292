"""What the indices of an axis mean: their unit, the origin, the coordinates on the stage."""

from __future__ import annotations

from typing import Final

from pymmcore_ome.layout import Axis, ImageLayout
from pymmcore_ome.schema import MICROMETERS

_DEFAULT_UNITS: Final = {"time": "second", "space": "micrometer"}


def physical_unit(axis: Axis) -> str | None:
    """Return the axis' unit, or None where no scale is known that it could belong to."""
    if axis.scale is None:
        return None
    return axis.unit or _DEFAULT_UNITS.get(axis.kind)


def axis_origin(image: ImageLayout, axis: Axis) -> float:
    """Return the coordinate of the axis' index 0, in its unit: its origin and the stage's."""
    stage = {"x": image.position.x_um, "y": image.position.y_um, "z": image.position.z_um}
    at = stage.get(axis.name)
    return (axis.origin or 0.0) + (in_unit_of(axis, at) if at else 0.0)


def in_unit_of(axis: Axis, micrometers: float) -> float:
    """Return a length in the unit of an axis; an axis without one is in micrometers."""
    size = MICROMETERS[axis.unit or "micrometer"]
    return micrometers if size == 1.0 else micrometers / size


def stage_coordinates(image: ImageLayout, axis: Axis) -> list[float | str]:
    """Return an axis' listed coordinates, as the stage has them."""
    base = in_unit_of(axis, image.position.z_um or 0.0) if axis.name == "z" else 0.0
    return [c + base if isinstance(c, float) else c for c in axis.coords or ()]
