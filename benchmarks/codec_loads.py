"""Compression: ours beside the same codec called by nobody but two threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs

from . import stream_loads
from .figures import Figures
from .loads import Load, frames_of


def run(load: Load, contender: str, folder: Path) -> Figures:
    """Compress frames with zstd:3 and write them."""
    if contender != "imagecodecs":
        return stream_loads.run(load, contender, folder)
    frames = frames_of(load)
    cpu_s, began = time.process_time(), time.perf_counter()
    with (folder / "a.bin").open("wb", buffering=0) as file, ThreadPoolExecutor(2) as pool:
        count = load.frame_count
        given = (frames[number % len(frames)] for number in range(count))
        for strip in pool.map(lambda frame: imagecodecs.zstd_encode(frame, level=3), given):
            file.write(strip)
    return Figures(
        frames=count,
        nbytes=count * load.frame_bytes,
        write_s=time.perf_counter() - began,
        cpu_s=time.process_time() - cpu_s,
    )
