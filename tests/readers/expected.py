"""What every reader must say of an image, computed from the data set alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from .corpus import CHANNELS, STEP_S, UM_X, UM_Y, UM_Z, DataSet, Picture

_STEPS = {"t": STEP_S, "z": UM_Z, "y": UM_Y, "x": UM_X}
_RGB = {"Red": "FF0000", "Green": "00FF00", "Blue": "0000FF"}


def facts(data: DataSet, picture: Picture, format_: str) -> dict[str, Any]:
    """Return every fact of an image in a format, by name."""
    at = picture.position
    stage = {"x": at.x_um, "y": at.y_um, "z": at.z_um}
    axes = [*picture.sizes, "y", "x"]
    step = {name: _STEPS[name] for name in axes if name != "c"}
    common = {
        "step": step,
        "pixel size": {name: size for name, size in step.items() if name != "t"},
        "planes": data.planes(picture),
    }
    if format_ == "ome-zarr":
        labels, colors = _shown(data, picture)
        return {
            **common,
            "name": picture.label,
            "axes": "".join(axes),
            "scale": {name: _STEPS.get(name, 1.0) for name in axes},
            "origin": {name: stage.get(name) or 0.0 for name in axes},
            "channels": labels,
            "colors": colors,
            "window": _windows(data, len(labels)),
        }
    channels = data.channels(picture)
    names = [channel.name for channel in channels]
    if not names:
        names = ["Channel 0"] if data.schema.rgb else [None]
    return {
        **common,
        "name": picture.label,
        "channels": names,
        "stage": stage,
        "optics": [(c.fluorophore, c.excitation_nm, c.emission_nm) for c in channels],
        "colors": [] if data.schema.rgb else [(c.color or "").lstrip("#") for c in channels],
        "detector": [("2x2", 1.5)] * len(names),
        "objective": 40.0,
        "bits": data.schema.significant_bits or np.dtype(data.schema.dtype).itemsize * 8,
        "well": _well(data, picture),
    }


def _shown(data: DataSet, picture: Picture) -> tuple[list[str], list[str]]:
    """Return the labels and colours of the channel axis of an OME-Zarr."""
    if not data.schema.rgb:
        channels = CHANNELS[: picture.sizes.get("c", 0)]
        return [c.name for c in channels], [(c.color or "").lstrip("#") for c in channels]
    names = [c.name for c in data.channels(picture)]
    labels = [f"{name} {color}" for name in names for color in _RGB] if names[1:] else list(_RGB)
    return labels, list(_RGB.values()) * max(1, len(names))


def _windows(data: DataSet, count: int) -> list[tuple[float, float]]:
    """Return the range of the pixels of each channel in all images; of colors, the camera's."""
    if data.schema.rgb:
        return [(0, 4095 if data.schema.significant_bits else 255)] * count
    found = []
    for channel in range(count):
        pixels = [
            data.frame(number).ravel()
            for number, event in enumerate(data.events)
            # frames of an image without channels are of none that has a name
            if event.get("c", 0) == channel and "c" in data.picture(event).sizes
        ]
        low, high = np.percentile(np.concatenate(pixels), (0.1, 99.9), method="nearest")
        found.append((float(low), float(high)))
    return found


def _well(data: DataSet, picture: Picture) -> tuple[Any, ...] | None:
    if data.schema.plate is None:
        return None
    plate, at = data.schema.plate, picture.position
    row, column = plate.rows.index(at.plate_row), plate.columns.index(at.plate_column)
    return plate.name, row, column, at.x_um
