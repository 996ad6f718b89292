"""`PlannedRun`: a sequence, the microscope that will run it, and what the run will store.

It is created in the window's thread and used in another: nothing moves, and no file is created.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import useq
from pymmcore_plus import CMMCorePlus, DeviceType
from pymmcore_plus.metadata.functions import image_info
from pymmcore_plus.metadata.functions import image_infos as image_infos_of_all

from pymmcore_ome.acquisition import Forecast, Output, check_ready, forecast, is_standard
from pymmcore_ome.errors import AcquisitionError, PymmcoreOmeError

#: The sizes of an unsaved run are those of this store, which is never created.
_NOWHERE: Final = Path("nowhere.ome.zarr")
ImageInfos = Sequence[Mapping[str, Any]]


def image_infos_of(core: CMMCorePlus) -> ImageInfos:
    """Return the image infos of pymmcore-plus for all cameras, the active one first.

    With several cameras, each becomes the active one for a moment: do not call this during an
    acquisition, nor more often than necessary. A single camera stays active.
    """
    if not core.getCameraDevice():
        return ()
    if len(core.getLoadedDevicesOfType(DeviceType.Camera)) == 1:
        return (image_info(core),)
    return image_infos_of_all(core)


@dataclass(frozen=True)
class PlannedRun:
    """A sequence that will be acquired.

    Attributes
    ----------
    core : CMMCorePlus
        With its configuration loaded.
    sequence : useq.MDASequence
    image_infos : sequence of mapping
        As `image_infos_of`.
    """

    core: CMMCorePlus
    sequence: useq.MDASequence
    image_infos: ImageInfos

    @classmethod
    def of(cls, core: CMMCorePlus, sequence: useq.MDASequence) -> Self:
        """Return the planned run of a sequence with the current settings of the cameras."""
        return cls(core, sequence, image_infos_of(core))

    def forecast(self, output: Output | None) -> Forecast | None:
        """Return what a run will store. May take seconds for a long sequence.

        Parameters
        ----------
        output : Output | None
            None: nothing is saved. Errors of a store alone are then ignored, and the forecast is
            None.

        Raises
        ------
        PymmcoreOmeError
            When the run would be refused.
        RuntimeError
            When a device does not answer.
        """
        is_refused = output is None or output.unready == "refuse"
        if is_refused and is_standard(self.core.mda.engine):
            check_ready(self.core, self.sequence)  # a window cannot run it anyway
        expected = None
        with suppress(PymmcoreOmeError) if output is None else nullcontext():
            expected = forecast(
                self.core,
                self.sequence,
                output or Output(_NOWHERE, overwrite=True),
                image_infos=self.image_infos,
            )
        if expected is not None and expected.frames == 0:
            raise AcquisitionError(
                "This sequence acquires no frame. Add a channel, a position, a time, or a plane."
            )
        return expected

    def fastest_bytes_per_s(self, expected: Forecast) -> float | None:
        """Return the rate of the cameras with one exposure directly after the other, or None."""
        exposures_ms = [c.exposure or self.core.getExposure() for c in self.sequence.channels] or [
            self.core.getExposure()
        ]
        frames, cameras = expected.frames, self.core.getNumberOfCameraChannels()
        if not frames or not sum(exposures_ms):
            return None
        if cameras > 1:  # all at once; they may differ in size
            event_bytes = cameras * expected.pixel_bytes / frames
        else:
            event_bytes = max(expected.plan.frame_bytes)
        return event_bytes * 1000 * len(exposures_ms) / sum(exposures_ms)
