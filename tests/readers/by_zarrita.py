"""zarrita, the Zarr library of the browser's viewers: the arrays and their dimension names."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from . import node
from .found import Found, as_tczyx, image_groups


def read(path: Path) -> dict[str, Found]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in image_groups(path):
            target = Path(folder, "pixels")
            array = path / name / "0"
            said = node.ask("zarrita.mjs", {"folder": str(array), "target": str(target)})
            pixels = np.fromfile(target, said["dtype"]).reshape(said["shape"])
            axes = "".join(said["axes"])
            found[name] = Found(as_tczyx(pixels, axes), {"axes": axes})
    return found
