"""`Found`: what a reader makes of one image, in words that all readers share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class Found:
    """One image as a reader sees it.

    `pixels` are (t, c, z, y, x), the samples of a pixel being channels. `facts` are what it
    says of them, by the names of `expected.facts`.
    """

    pixels: Any
    facts: dict[str, Any] = field(default_factory=dict)


def as_tczyx(pixels: Any, axes: str) -> Any:
    """Return pixels of any axes (s: samples) as t, c, z, y, x, a missing one being of size 1."""
    pixels, axes = np.asarray(pixels), axes.lower()
    assert len(axes) == pixels.ndim, (axes, pixels.shape)
    for name in "tczyxs":
        if name not in axes:
            pixels, axes = pixels[..., np.newaxis], axes + name
    moved = np.transpose(pixels, [axes.index(name) for name in "tcszyx"])
    t, c, s, *rest = moved.shape
    return moved.reshape(t, c * s, *rest)


def ome_attributes(group: Path) -> dict[str, Any]:
    """Return what a Zarr group says of itself, read as JSON."""
    found = json.loads((group / "zarr.json").read_bytes())["attributes"]["ome"]
    assert isinstance(found, dict)
    return found


def image_groups(path: Path) -> list[str]:
    """Return the paths of all images of an OME-Zarr, as its documents list them."""
    root = ome_attributes(path)
    if "multiscales" in root:
        return [""]
    if "plate" in root:
        wells = [well["path"] for well in root["plate"]["wells"]]
        return [
            f"{well}/{image['path']}"
            for well in wells
            for image in ome_attributes(path / well)["well"]["images"]
        ]
    return list(ome_attributes(path / "OME")["series"])


def tiff_files(path: Path) -> list[Path]:
    """Return the one file, or those of the folder, in order."""
    if path.is_file():
        return [path]
    return sorted(path.glob("*.tiff"), key=lambda file: int(file.name.partition(".")[0]))
