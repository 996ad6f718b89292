"""A well plate: its metadata lists wells and fields, so that viewers show it as a plate.

python docs/how-to/plate.py
"""

import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po

core = CMMCorePlus()
core.loadSystemConfiguration()

plate = useq.WellPlatePlan(
    plate="96-well",
    a1_center_xy=(0, 0),
    selected_wells=([0, 0, 1], [0, 1, 3]),  # A1, A2, B4
    well_points_plan=useq.GridRowsColumns(rows=1, columns=2, fov_width=512, fov_height=512),
)
sequence = useq.MDASequence(stage_positions=plate, channels=["DAPI", "FITC"])
output = po.Output("plate.ome.zarr", overwrite=True)

with po.install(core):
    core.mda.run(sequence, output=output)

dataset = po.open_dataset("plate.ome.zarr")
for image in dataset.images:
    print(image.path, image.name, image.position.x_um, image.position.y_um)
