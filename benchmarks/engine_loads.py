"""A whole acquisition: `mda.run` with and without an output."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po

from .figures import Figures
from .loads import Load

_CONFIG = Path(__file__).parents[1] / "demo_configs" / "fast.cfg"


def run(load: Load, contender: str, folder: Path) -> Figures:
    """Run a time lapse as fast as the camera gives it."""
    core = _demo_core(load) if load.camera == "demo" else _python_core(load)
    sequence = useq.MDASequence(time_plan=useq.TIntervalLoops(interval=0, loops=load.frames))
    warm = useq.MDASequence(time_plan=useq.TIntervalLoops(interval=0, loops=3))
    core.mda.run(warm)
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    core.mda.events.frameReady.connect(counted)
    output = _output(contender, folder)
    start_bytes = psutil.Process().memory_info().rss
    cpu_s, began = time.process_time(), time.perf_counter()
    if contender.startswith("ours"):
        with po.install(core):
            core.mda.run(sequence, output=output)
    else:
        core.mda.run(sequence, **({} if output is None else {"output": output}))
    ended = time.perf_counter()
    if count != load.frames:
        raise ValueError(f"{count} frames came, {load.frames} were planned")
    return Figures(
        frames=count,
        nbytes=count * load.frame_bytes,
        write_s=ended - began,
        cpu_s=time.process_time() - cpu_s,
        start_bytes=start_bytes,
    )


def _output(contender: str, folder: Path) -> Any:
    name, _, format_ = contender.partition("-")
    path = folder / f"a.ome.{format_}"
    if name == "ours":
        return po.Output(path, chunks="auto" if format_ == "zarr" else None)
    return str(path) if name == "ow" else None


def _demo_core(load: Load) -> CMMCorePlus:
    """Return the demo camera as fast as it goes: it repeats its image, in one hardware burst."""
    core = CMMCorePlus()
    core.loadSystemConfiguration(_CONFIG)
    core.setProperty("Camera", "OnCameraCCDXSize", load.side)
    core.setProperty("Camera", "OnCameraCCDYSize", load.side)
    core.setExposure(0.1)
    return core


def _python_core(load: Load) -> Any:
    """Return a camera in Python, whose frames cost next to nothing to make."""
    from pymmcore_plus.experimental.unicore import CameraDevice, UniMMCore

    frame = np.random.default_rng(0).poisson(200, (load.side, load.side)).astype("uint16")

    class Camera(CameraDevice):
        def get_exposure(self) -> float:
            return 0.1

        def set_exposure(self, exposure: float) -> None:
            return None

        def shape(self) -> tuple[int, int]:
            return frame.shape

        def dtype(self) -> Any:
            return frame.dtype

        def start_sequence(self, n: int | None, get_buffer: Any) -> Any:
            number = 0
            while n is None or number < n:
                get_buffer(frame.shape, frame.dtype)[:] = frame
                number += 1
                yield {}

    core = UniMMCore()
    core.loadPyDevice("Camera", Camera())
    core.initializeDevice("Camera")
    core.setCameraDevice("Camera")
    return core
