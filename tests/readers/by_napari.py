"""napari-ome-zarr: what napari gets when a store is dropped on it. No window is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari_ome_zarr._reader import napari_get_reader

from .found import Found, as_tczyx, image_groups, ome_attributes


def read(path: Path) -> dict[str, Found]:
    reader = napari_get_reader(str(path))
    assert reader is not None
    layers = reader(str(path))
    root = ome_attributes(path)
    if "plate" in root:
        ((levels, meta, _),) = layers
        return _fields(np.asarray(levels[0]), meta, root["plate"])
    names = image_groups(path)
    return {
        name: _found(np.asarray(levels[0]), meta)
        for name, (levels, meta, _) in zip(names, layers, strict=True)
    }


def _fields(pixels: Any, meta: dict[str, Any], plate: dict[str, Any]) -> dict[str, Found]:
    """Cut the stitched plate into wells; napari shows the first field of each."""
    height = pixels.shape[-2] // len(plate["rows"])
    width = pixels.shape[-1] // len(plate["columns"])
    found = {}
    for well in plate["wells"]:
        y, x = well["rowIndex"] * height, well["columnIndex"] * width
        found[f"{well['path']}/0"] = _found(pixels[..., y : y + height, x : x + width], meta)
    return found


def _found(pixels: Any, meta: dict[str, Any]) -> Found:
    channel_axis = meta.get("channel_axis")
    axes = list(meta["axis_labels"])
    scale = dict(zip(axes, meta["scale"], strict=True))
    names = meta.get("name", [])
    labels = [name.rpartition(": ")[2] for name in names] if channel_axis is not None else []
    if channel_axis is not None:
        axes.insert(channel_axis, "c")
    facts = {"axes": "".join(axes), "step": scale, "channels": labels}
    return Found(as_tczyx(pixels, "".join(axes)), facts)
