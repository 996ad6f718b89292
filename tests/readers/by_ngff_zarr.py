"""ngff-zarr: each image by its path, scale, translation and omero channels."""

from __future__ import annotations

from pathlib import Path

import ngff_zarr

from .found import Found, as_tczyx, image_groups


def read(path: Path) -> dict[str, Found]:
    found = {}
    for name in image_groups(path):
        multiscales = ngff_zarr.from_ngff_zarr(path / name if name else path, validate=True)
        image = multiscales.images[0]
        axes = "".join(image.dims)
        omero = multiscales.metadata.omero
        channels = [] if omero is None else omero.channels
        facts = {
            "axes": axes,
            "name": multiscales.metadata.name,
            "scale": dict(image.scale),
            "origin": dict(image.translation),
            "channels": [channel.label for channel in channels],
            "colors": [channel.color for channel in channels],
            "window": [(channel.window.start, channel.window.end) for channel in channels],
        }
        found[name] = Found(as_tczyx(image.data.compute(), axes), facts)
    return found
