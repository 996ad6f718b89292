"""tifffile: its series, and the OME-XML as it parses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tifffile

from .found import Found, as_tczyx, tiff_files


def read(path: Path) -> dict[str, Found]:
    found = {}
    for file in tiff_files(path):
        with tifffile.TiffFile(file) as tiff:
            assert tiff.is_ome
            images = _list(tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"])
            for series, image in zip(tiff.series, images, strict=True):
                pixels = as_tczyx(series.asarray(), series.axes)
                facts = {"name": series.name, **_facts(image)}
                found[str(len(found))] = Found(pixels, facts)
    return found


def _facts(image: dict[str, Any]) -> dict[str, Any]:
    pixels = image["Pixels"]
    steps = {name: pixels.get(f"PhysicalSize{name.upper()}") for name in "xyz"}
    steps["t"] = pixels.get("TimeIncrement")
    return {
        "step": {name: step for name, step in steps.items() if step is not None},
        "channels": [channel.get("Name") for channel in _list(pixels["Channel"])],
        "planes": {
            (plane["TheT"], plane["TheC"], plane["TheZ"]): {
                "delta_t_s": plane["DeltaT"],
                "exposure_ms": plane["ExposureTime"],
                "x_um": plane["PositionX"],
                "y_um": plane["PositionY"],
                "z_um": plane["PositionZ"],
            }
            for plane in _list(pixels.get("Plane", []))
            if "DeltaT" in plane
        },
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
