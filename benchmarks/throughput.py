"""Throughput of `open_stream` beside plain writes of the same bytes, as a ratio.

Run by hand: ``python benchmarks/throughput.py [FOLDER]``.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import pymmcore_ome as po

LOADS = ((2048, 200), (256, 5000))
ROUNDS = 3


def ours(folder: Path, frame: np.ndarray, count: int) -> float:
    """Return the seconds from open to closed."""
    side = frame.shape[0]
    dims = [po.Dimension(name="t", size=count), *(po.Dimension(name=n, size=side) for n in "yx")]
    schema = po.StorageSchema(dimensions=dims, dtype="uint16")
    began = time.perf_counter()
    with po.open_stream(folder / "a.ome.zarr", schema) as stream:
        for _ in range(count):
            stream.append(frame)
    return time.perf_counter() - began


def raw(folder: Path, frame: np.ndarray, count: int) -> float:
    """Return the seconds that plain writes into one file take."""
    began = time.perf_counter()
    with (folder / "raw.bin").open("wb", buffering=0) as file:
        for _ in range(count):
            file.write(frame.data)
    return time.perf_counter() - began


def main() -> None:
    """Print a line a load: MB/s of both, and the median ratio."""
    parent = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for side, count in LOADS:
        frame = np.random.default_rng(0).integers(0, 4096, (side, side), dtype="uint16")
        ratios, speeds = [], []
        for _ in range(ROUNDS):
            times = []
            for work in (raw, ours):
                folder = Path(tempfile.mkdtemp(dir=parent))
                times.append(work(folder, frame, count))
                shutil.rmtree(folder)
            ratios.append(times[0] / times[1])
            speeds.append([frame.nbytes * count / 1e6 / t for t in times])
        plain, stream = (statistics.median(column) for column in zip(*speeds, strict=True))
        print(
            f"{side} x {side} x {count}: raw {plain:.0f} MB/s, open_stream {stream:.0f} MB/s, "
            f"ratio {statistics.median(ratios):.2f}"
        )


if __name__ == "__main__":
    main()
