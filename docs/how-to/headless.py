"""A script without a window: run a sequence and fail unless every frame is stored.

python docs/how-to/headless.py
"""

import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po

core = CMMCorePlus()
core.loadSystemConfiguration()  # the demo microscope; use your own .cfg here

sequence = useq.MDASequence(
    stage_positions=[(0, 0), useq.Position(x=100, y=50, name="cell")],
    channels=[{"config": "DAPI", "exposure": 5}, {"config": "FITC", "exposure": 10}],
    time_plan={"interval": 0.1, "loops": 3},
    z_plan={"range": 2, "step": 1},
)
output = po.Output("headless.ome.zarr", compression="zstd", overwrite=True)

with po.install(core):
    core.mda.run(sequence, output=output)  # raises if a frame could not be stored

summary = output.result()
print(f"{summary.frames_written} of {summary.frames_planned} frames: {summary.status}")
if problems := po.validate(output.path, pixels=True):
    raise SystemExit("\n".join(problems))
