"""Kills writers at random instants: `python kill_loop.py FOLDER WAY TRIALS SEED`.

Imports once, then forks a writer a trial, so that a trial costs a tenth of a second. A kill waits
until the store lists a number of frames, drawn at random, so that it comes as late on any machine;
and then for some milliseconds, so that it comes at any instant. Every fourth comes at any instant
of the opening. Prints a line a trial: the store's name, how many frames were listed before the
kill, and how many the writer knew to be written.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time
from importlib import import_module
from pathlib import Path

TIMES = 1500
MOST_LISTED = 60


def write(path: Path, way_name: str, unbounded: bool, told: int) -> None:
    """Write until killed; say through the pipe how many frames are down."""
    import pymmcore_ome as po
    from faults.ways import WAYS, frame, schema

    way = next(way for way in WAYS if way.name == way_name)
    stream = po.open_stream(
        path, schema(None if unbounded else TIMES), checkpoint_s=0.02, **way.options
    )
    for number in range(3 * TIMES):
        t, p = divmod(number, 3)
        stream.append(frame(number), at={"t": t, "p": p}, metadata={"delta_t_s": number})
        os.write(told, struct.pack("<q", stream.progress.frames_written))
        if number > 2 * MOST_LISTED:
            time.sleep(0.001)  # a fast machine would write more than is worth reading back
    time.sleep(600)  # until it is killed


def wait_until_listed(path: Path, frames: int, child: int) -> int:
    """Return how many frames the store lists, once they are as many as that."""
    from faults.ways import frames_listed

    while (listed := frames_listed(path)) < frames:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the writer ended by itself"
        time.sleep(0.002)
    return listed


def main() -> None:
    folder, way, trials, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import faults.ways

    for name in ("stream", "dataset", "backends.zarr.acquire", "backends.zarr.tensorstore",
                 "backends.zarr.native",
                 "backends.tiff.backend", "backends.zarr.zarr_python"):  # fmt: skip
        import_module(f"pymmcore_ome.{name}")  # once, so that every fork finds it imported

    suffix = next(w.suffix for w in faults.ways.WAYS if w.name == way)
    chance = random.Random(seed)
    for trial in range(trials):
        path = folder / f"{way} {trial}{suffix}"
        from_writer, told = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(from_writer)
            write(path, way, trial % 2 == 1, told)
            os._exit(0)
        os.close(told)
        listed = 0
        if trial % 4 != 3:
            listed = wait_until_listed(path, chance.randint(1, MOST_LISTED), child)
        time.sleep(chance.uniform(0.0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        data = b""
        while piece := os.read(from_writer, 1 << 16):
            data += piece
        os.close(from_writer)
        whole = len(data) // 8
        down = struct.unpack(f"<{whole}q", data[: whole * 8])[-1] if whole else -1
        print(path.name, listed, down, sep="\t", flush=True)


if __name__ == "__main__":
    main()
