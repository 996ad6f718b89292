"""Choose the next event from the last image: acquire a stack wherever something is bright.

python docs/how-to/event_driven.py
"""

from queue import Queue

import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po

core = CMMCorePlus()
core.loadSystemConfiguration()
events: Queue[useq.MDAEvent | None] = Queue()  # None ends the run
fields = [(0.0, 0.0), (300.0, 0.0), (300.0, 300.0)]


def look(field: int) -> None:
    """Request one plane of a field."""
    x, y = fields[field]
    events.put(useq.MDAEvent(index={"p": field, "z": 0}, x_pos=x, y_pos=y, channel="DAPI"))


def decide(image, event, meta) -> None:
    """Called with every frame, in the thread of the run: `image` is read-only."""
    field = event.index["p"]
    if event.index["z"] == 0 and image.mean() > 100:
        for plane in (1, 2):
            events.put(event.replace(index={"p": field, "z": plane}, z_pos=float(plane)))
    if event.index["z"] == 0:
        look(field + 1) if field + 1 < len(fields) else events.put(None)


core.mda.events.frameReady.connect(decide)
look(0)
output = po.Output("smart.ome.zarr", overwrite=True)
with po.install(core):
    core.mda.run(iter(events.get, None), output=output)

for image in po.open_dataset(output.path).images:
    print(image.name, dict(image.sizes))
