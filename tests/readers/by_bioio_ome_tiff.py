"""bioio-ome-tiff: scenes, pixel sizes, channel names, and the planes of its OME object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bioio_ome_tiff import Reader

from .found import Found, as_tczyx, tiff_files


def read(path: Path) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for file in tiff_files(path):
        reader = Reader(file)
        for number, scene in enumerate(reader.scenes):
            reader.set_scene(scene)
            image = reader.ome_metadata.images[number]
            sizes = reader.physical_pixel_sizes
            steps = {"x": sizes.X, "y": sizes.Y, "z": sizes.Z}
            facts = {
                "name": image.name,
                "channels": [
                    None if str(name).startswith("Channel:") else name  # its own word for none
                    for name in reader.channel_names
                ],
                "pixel size": {name: step for name, step in steps.items() if step is not None},
                "planes": {
                    (plane.the_t, plane.the_c, plane.the_z): _plane(plane)
                    for plane in image.pixels.planes
                    if plane.delta_t is not None
                },
            }
            found[str(len(found))] = Found(as_tczyx(reader.data, reader.dims.order), facts)
    return found


def _plane(plane: Any) -> dict[str, float]:
    return {
        "delta_t_s": plane.delta_t,
        "exposure_ms": plane.exposure_time,
        "x_um": plane.position_x,
        "y_um": plane.position_y,
        "z_um": plane.position_z,
    }
