"""The router alone: where does a frame go, by its index or by its number."""

from __future__ import annotations

import time
from pathlib import Path

import pymmcore_ome as po

from .figures import Figures
from .loads import Load
from .sequences import jagged_sequence


def run(load: Load, contender: str, folder: Path) -> Figures:
    """Ask for the place of every frame."""
    kind, by = contender.split("-")
    if kind == "regular":
        sizes = {"t": load.frames // 100, "p": 5, "c": 4, "z": 5}
        dims = [po.Dimension(name=name, size=size) for name, size in sizes.items()]
        plane = [po.Dimension(name=name, size=64) for name in "yx"]
        schema = po.StorageSchema(dimensions=[*dims, *plane], dtype="uint16")
    else:
        camera = po.Camera("Camera", 64, 64, "uint16")
        schema = po.schema_from_useq(jagged_sequence(load.frames // 10), cameras=[camera])
    router = po.FrameRouter(schema)
    indices = [dict(index) for index, _ in router.frames()]
    began = time.perf_counter()
    if by == "index":
        for index in indices:
            router.by_index(index)
    else:
        for number in range(len(indices)):
            router.by_number(number)
    return Figures(frames=len(indices), write_s=time.perf_counter() - began)
