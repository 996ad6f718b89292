"""`PlannedRun`: a sequence and the microscope that is to run it, and what that will take.

It is made in the window's thread, and asked in another: nothing moves, and no file is made.
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

#: Of a run that is not saved, the sizes are those of a store; it is never made.
_NOWHERE: Final = Path("nowhere.ome.zarr")
ImageInfos = Sequence[Mapping[str, Any]]


def image_infos_of(core: CMMCorePlus) -> ImageInfos:
    """Return what pymmcore-plus says of all cameras, the active one first.

    Of several, each becomes the active one for a moment: not to be called while anything is
    acquired, nor more often than needed. Of one alone, the core is only asked.
    """
    if not core.getCameraDevice():
        return ()
    if len(core.getLoadedDevicesOfType(DeviceType.Camera)) == 1:
        return (image_info(core),)
    return image_infos_of_all(core)


@dataclass(frozen=True)
class PlannedRun:
    """What is to be acquired.

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
        """Return the plan of a sequence with the cameras as they are set now."""
        return cls(core, sequence, image_infos_of(core))

    def forecast(self, output: Output | None) -> Forecast | None:
        """Return what a run will store. May take seconds, for a long sequence.

        Parameters
        ----------
        output : Output | None
            None: nothing is saved. What only a store would refuse is then no error, and the
            forecast None.

        Raises
        ------
        PymmcoreOmeError
            Whatever the run would be refused for.
        RuntimeError
            When a device does not answer.
        """
        is_refused = output is None or output.unready == "refuse"
        if is_refused and is_standard(self.core.mda.engine):
            check_ready(self.core, self.sequence)  # a window cannot run it all the same
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
                "This sequence takes no frame. Add a channel, a position, a time or a plane."
            )
        return expected

    def fastest_bytes_per_s(self, expected: Forecast) -> float | None:
        """Return what the cameras bring when one exposure follows the other; None: not known."""
        exposures_ms = [c.exposure or self.core.getExposure() for c in self.sequence.channels] or [
            self.core.getExposure()
        ]
        frames, cameras = expected.frames, self.core.getNumberOfCameraChannels()
        if not frames or not sum(exposures_ms):
            return None
        if cameras > 1:  # all of them at once, which may differ in size
            event_bytes = cameras * expected.pixel_bytes / frames
        else:
            event_bytes = max(expected.plan.frame_bytes)
        return event_bytes * 1000 * len(exposures_ms) / sum(exposures_ms)
