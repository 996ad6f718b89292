"""Measure the longest time between two turns of the window's event loop, in three runs.

Run it on an idle computer:  python benchmarks/window_stalls.py [seconds for each run]
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from math import prod
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import useq
from pymmcore_plus import CMMCorePlus
from qtpy.QtCore import QTimer

from pymmcore_ome.gui import AcquisitionPanel, SaveSettings
from pymmcore_ome.gui.window import application

CONFIGURATION = Path(__file__).parents[1] / "demo_configs" / "demo.cfg"
PLATE = useq.WellPlatePlan(plate="1536-well", a1_center_xy=(0, 0), selected_wells=slice(None))
#: name -> (region of the camera, sequence)
RUNS = {
    "1,536 wells": ((0, 0, 64, 48), {"exposure": 1}, {"stage_positions": PLATE}),
    "100,000 frames": (
        (0, 0, 64, 48),
        {"exposure": 1},
        {"time_plan": {"interval": 0, "loops": 100_000}},
    ),
    "100 frames/s": (
        (0, 0, 512, 512),
        {"exposure": 10},
        {"time_plan": {"interval": 0, "loops": 1000}},
    ),
}


def measure(core: CMMCorePlus, name: str, most_s: float) -> None:
    """Print the longest stops while a run is loaded, started, acquired, and ended."""
    region, channel, plans = RUNS[name]
    core.setROI(*region)
    app = application()
    stops: dict[str, float] = {}
    phase, last = "load", time.perf_counter()

    def tick() -> None:
        nonlocal last
        now = time.perf_counter()
        stops[phase] = max(stops.get(phase, 0.0), now - last)
        last = now

    def work(holds: Callable[[], bool], most_s: float) -> None:
        until = time.perf_counter() + most_s
        while not holds() and time.perf_counter() < until:
            app.processEvents()
            time.sleep(0.001)

    with tempfile.TemporaryDirectory() as folder:
        settings = SaveSettings(folder=Path(folder), name="stalls")
        panel = AcquisitionPanel(core, settings=settings, measures_disk=False)
        panel.resize(1180, 860)
        panel.show()
        work(lambda: False, 1)
        last, timer = time.perf_counter(), QTimer()
        timer.setInterval(1)
        timer.timeout.connect(tick)
        timer.start()
        sequence = useq.MDASequence(channels=[{"config": "DAPI", **channel}], **plans)
        panel.editor.setValue(sequence)
        frames = prod(size for size in sequence.sizes.values() if size)
        work(lambda: panel.save_panel.estimate.frames == frames, 120)
        phase = "start"
        panel.run()
        work(lambda: panel.run_bar.pause.isEnabled(), 120)
        phase = "run"
        work(lambda: not panel.is_running, most_s)
        phase = "end"
        panel.cancel()
        work(lambda: not panel.is_running, 120)
        timer.stop()
        panel.close()
    print(name, {name: f"{1000 * stop:.0f} ms" for name, stop in stops.items()})


if __name__ == "__main__":
    app = application()  # before the core, so that its signals are Qt's
    logging.getLogger("pymmcore-plus").setLevel(logging.CRITICAL)
    demo = CMMCorePlus()
    demo.loadSystemConfiguration(CONFIGURATION)
    for run in RUNS:
        measure(demo, run, float(sys.argv[1]) if len(sys.argv) > 1 else 15.0)
