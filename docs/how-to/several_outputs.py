"""One run, several outputs: a Zarr store for analysis, a TIFF for Fiji, and a custom handler.

python docs/how-to/several_outputs.py
"""

import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po


class Brightness:
    """A handler: any object with a `frameReady` method."""

    def __init__(self) -> None:
        self.means: list[float] = []

    def frameReady(self, image, event, meta) -> None:
        """Called with every frame, in a separate thread."""
        self.means.append(float(image.mean()))


core = CMMCorePlus()
core.loadSystemConfiguration()
sequence = useq.MDASequence(channels=["DAPI"], time_plan={"interval": 0, "loops": 5})
zarr = po.Output("analysis.ome.zarr", overwrite=True)
tiff = po.Output("copy.ome.tiff", compression="deflate", overwrite=True)
brightness = Brightness()

with po.install(core):
    core.mda.run(sequence, output=[zarr, tiff, brightness])

original, copy = po.open_dataset(zarr.path), po.open_dataset(tiff.path)
print("the same pixels:", (original.images[0][...] == copy.images[0][...]).all())
print("mean of each frame:", [round(mean) for mean in brightness.means])
