"""bioio-ome-zarr: each image by its path, pixel sizes and channel names."""

from __future__ import annotations

from pathlib import Path

from bioio_ome_zarr import Reader

from .found import Found, as_tczyx, image_groups


def read(path: Path) -> dict[str, Found]:
    found = {}
    for name in image_groups(path):
        reader = Reader(path / name if name else path)
        axes = reader.dims.order.lower()
        scale = {key.lower(): getattr(reader.scale, key) for key in reader.dims.order}
        facts = {
            "name": reader.current_scene,
            "axes": axes,
            "scale": scale,
            "channels": reader.channel_names or [],
        }
        found[name] = Found(as_tczyx(reader.data, axes), facts)
    return found
