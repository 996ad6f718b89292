"""Two cameras: matching ones become channels; different ones get separate images.

python docs/how-to/two_cameras.py
"""

from pathlib import Path

import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po

configs = Path(__file__).parents[2] / "demo_configs"
sequence = useq.MDASequence(
    channels=["DAPI", "FITC"],
    time_plan={"interval": 0, "loops": 2},
    stage_positions=[(0, 0), (50, 50)],
)

for name in ("two_cameras", "two_kinds_of_camera"):
    core = CMMCorePlus()
    core.loadSystemConfiguration(configs / f"{name}.cfg")
    path = f"{name}.ome.zarr"
    with po.install(core):
        core.mda.run(sequence, output=po.Output(path, overwrite=True))
    core.unloadAllDevices()
    print(path)
    for image in po.open_dataset(path).images:
        print(f"  {image.name}: {image.shape} {image.dtype}", [c.name for c in image.channels])
