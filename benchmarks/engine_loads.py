"""A whole acquisition: `mda.run` with and without an output."""

from __future__ import annotations

import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po

from .contender import Contender
from .figures import Figures
from .loads import Load
from .warm import warm_up

_CONFIG = Path(__file__).parents[1] / "demo_configs" / "fast.cfg"


def run(load: Load, contender: str, folder: Path) -> Figures:
    """Run a time lapse as fast as the camera gives it."""
    core = _demo_core(load) if load.camera == "demo" else _python_core(load)
    sequence = useq.MDASequence(time_plan=useq.TIntervalLoops(interval=0, loops=load.frames))
    # a run of three frames first: what is imported then is not what a frame costs
    first = useq.MDASequence(time_plan=useq.TIntervalLoops(interval=0, loops=3))
    _run(core, first, contender, folder.parent / "first")
    came = array("d")
    core.mda.events.frameReady.connect(lambda *_: came.append(time.perf_counter()))
    warm_up(folder.parent, load.frame_count * load.frame_bytes)
    start_bytes = psutil.Process().memory_info().rss
    cpu_s, began = time.process_time(), time.perf_counter()
    _run(core, sequence, contender, folder)
    ended = time.perf_counter()
    if len(came) != load.frames:
        raise ValueError(f"{len(came)} frames came, {load.frames} were planned")
    return Figures(
        frames=load.frames,
        nbytes=load.frames * load.frame_bytes,
        open_s=came[0] - began,  # the engine lists its events then, too
        write_s=came[-1] - came[0],
        close_s=ended - came[-1],
        cpu_s=time.process_time() - cpu_s,
        start_bytes=start_bytes,
    )


def _run(core: CMMCorePlus, sequence: useq.MDASequence, contender: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    who = Contender.of(contender)
    path = folder / f"a.ome.{who.kind}"
    if who.is_ours:
        with po.install(core):
            core.mda.run(sequence, output=po.Output(path, **who.options))
    else:
        core.mda.run(sequence, **({"output": str(path)} if who.who == "ow" else {}))


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
