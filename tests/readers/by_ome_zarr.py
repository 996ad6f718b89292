"""ome-zarr (the reference implementation): each image by its path."""

from __future__ import annotations

from pathlib import Path

from ome_zarr.io import parse_url
from ome_zarr.reader import Reader

from .found import Found, as_tczyx, image_groups


def read(path: Path) -> dict[str, Found]:
    found = {}
    for name in image_groups(path):
        node = next(iter(Reader(parse_url(path / name if name else path))()))
        axes = "".join(axis["name"] for axis in node.metadata["axes"])
        transforms = {
            t["type"]: t[t["type"]] for t in node.metadata["coordinateTransformations"][0]
        }
        facts = {
            "axes": axes,
            "name": node.metadata["name"],
            "scale": dict(zip(axes, transforms["scale"], strict=True)),
            "channels": node.metadata.get("channel_names", []),
        }
        found[name] = Found(as_tczyx(node.data[0].compute(), axes), facts)
    return found
