"""A run that kills its own process at one instant: `resume_child.py PATH BACKEND CASE INSTANT CFG`.

An instant is a number of calls that touch the store: of the file system, or of a frame that came.
A store at the path is resumed, and the process dies while it is opened again, or later.
"""

from __future__ import annotations

import os
import signal
import sys

import useq

import pymmcore_ome as po

_PLATE = useq.WellPlatePlan(
    plate=useq.WellPlate(rows=2, columns=2, well_spacing=9, well_size=6),
    a1_center_xy=(0, 0),
    selected_wells=([0, 1], [0, 1]),
)
#: Of different shapes, times and orders.
CASES = {
    "jagged": useq.MDASequence(
        channels=["DAPI", "FITC"],
        stage_positions=[
            (0, 0, 0),
            useq.Position(x=1, y=1, z=0, sequence=useq.MDASequence(z_plan={"range": 2, "step": 1})),
        ],
        time_plan={"interval": 0.0, "loops": 5},
    ),
    "plate": useq.MDASequence(
        stage_positions=_PLATE, channels=["DAPI", "FITC"], z_plan={"range": 4, "step": 1}
    ),
    "holes": useq.MDASequence(
        channels=["DAPI", {"config": "FITC", "do_stack": False}],
        z_plan={"range": 4, "step": 1},
        time_plan={"interval": 0.0, "loops": 6},
    ),
    "burst": useq.MDASequence(
        z_plan={"range": 9, "step": 1}, time_plan={"interval": 0.0, "loops": 4}
    ),
}
OPTIONS = {
    "native": {"compression": "zstd", "levels": 2},
    "tensorstore": {"chunks": "auto", "levels": 2},
    "zarr-python": {"chunks": "auto"},
    "tiff": {"compression": "zstd", "levels": 2},
}


def suffix(backend: str) -> str:
    return ".ome.tiff" if backend == "tiff" else ".ome.zarr"


def output(path, backend: str) -> po.Output:
    return po.Output(path, backend=backend, resume=True, checkpoint_s=0.05, **OPTIONS[backend])


def main() -> None:
    path, backend, case, instant, config = sys.argv[1:]
    from pymmcore_plus import CMMCorePlus

    core = CMMCorePlus()
    core.loadSystemConfiguration(config)
    core.setROI(0, 0, 64, 48)
    core.setExposure(1)
    core.mda.engine.use_hardware_sequencing = case == "burst"
    left = int(instant)

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    def audit(event: str, values: tuple) -> None:
        if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.truncate") and path in str(
            values[0]
        ):
            count()

    po.install(core)
    core.mda.events.frameReady.connect(lambda *_: count())
    sys.addaudithook(audit)
    core.mda.run(CASES[case], output=output(path, backend))


if __name__ == "__main__":
    main()
