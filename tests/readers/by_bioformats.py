"""Bio-Formats: all series of a file, and all that its metadata store says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .bioformats import BioFormats
from .found import Found, as_tczyx, tiff_files

_TYPES = {"float": "f4", "double": "f8"}


def read(path: Path, bioformats: BioFormats) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for file in tiff_files(path):
        said, folder = bioformats.read(file)
        assert said["format"] == "OME-TIFF"
        assert said["valid"]
        assert said["used_files"] == 1
        wells = {
            sample["image"]: (sample["plate"], sample["row"], sample["column"], sample["x_um"])
            for sample in said["wells"]
        }
        for number, series in enumerate(said["series"]):
            facts = {**_facts(series), "well": wells.get(f"Image:{number}")}
            found[str(len(found))] = Found(_pixels(series, folder / f"{number}.raw"), facts)
    return found


def _pixels(series: dict[str, Any], raw: Path) -> Any:
    samples = series["samples"]
    dtype = np.dtype(_TYPES.get(series["type"], series["type"]))
    dtype = dtype.newbyteorder("<" if series["little"] else ">")
    planes = (series["t"], series["c"] // samples, series["z"])
    frame = (series["y"], series["x"])
    shape = (*planes, *frame, samples) if series["interleaved"] else (*planes, samples, *frame)
    pixels = np.fromfile(raw, dtype).reshape(shape)
    found = as_tczyx(pixels, "tczyxs" if series["interleaved"] else "tczsyx")
    return found.astype(dtype.newbyteorder("="))


def _facts(series: dict[str, Any]) -> dict[str, Any]:
    steps = {"t": series["step_s"], **{name: series[f"size_{name}_um"] for name in "zyx"}}
    channels = series["channels"]
    columns = ("delta_t_s", "exposure_ms", "x_um", "y_um", "z_um")
    named = [channel for channel in channels if channel["excitation_nm"] is not None]
    return {
        "name": series["name"],
        "channels": [channel["name"] for channel in channels],
        "step": {name: step for name, step in steps.items() if step is not None},
        "stage": {name: series[f"stage_{name}_um"] for name in "xyz"},
        "optics": [(c["fluor"], c["excitation_nm"], c["emission_nm"]) for c in named],
        "colors": [_rgb(c["color"]) for c in channels if c["color"] is not None],
        "detector": [(c["binning"], c["gain"]) for c in channels],
        "objective": series["objective"],
        "bits": series["bits"],
        "planes": {
            (plane["t"], plane["c"], plane["z"]): {name: plane[name] for name in columns}
            for plane in series["planes"]
            if plane["delta_t_s"] is not None
        },
    }


def _rgb(rgba: int) -> str:
    return f"{rgba % 2**32 >> 8:06X}"
