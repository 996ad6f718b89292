"""zarr-python: the arrays and their dimension names."""

from __future__ import annotations

from pathlib import Path

import zarr

from .found import Found, as_tczyx, image_groups


def read(path: Path) -> dict[str, Found]:
    root = zarr.open_group(path, mode="r")
    found = {}
    for name in image_groups(path):
        group = root[name] if name else root
        array = group["0"]
        axes = "".join(array.metadata.dimension_names)
        ome = group.attrs["ome"]["multiscales"][0]
        facts = {"axes": axes, "name": ome["name"]}
        found[name] = Found(as_tczyx(array[...], axes), facts)
    return found
