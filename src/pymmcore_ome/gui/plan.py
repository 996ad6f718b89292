"""`Plan`: a sequence and the microscope that is to run it, and what that will take.

It asks the core only: nothing moves, and no file is made.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import useq
from pymmcore_plus import CMMCorePlus

from pymmcore_ome.acquisition import Forecast, Output, check_ready, forecast
from pymmcore_ome.errors import PymmcoreOmeError

#: Of a run that is not saved, the sizes are those of a store; it is never made.
_NOWHERE: Final = Path("nowhere.ome.zarr")


@dataclass(frozen=True)
class Plan:
    """What is to be acquired.

    Attributes
    ----------
    core : CMMCorePlus
        With its configuration loaded.
    sequence : useq.MDASequence
    """

    core: CMMCorePlus
    sequence: useq.MDASequence

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
        if output is not None:
            return forecast(self.core, self.sequence, output)
        check_ready(self.core, self.sequence)
        with suppress(PymmcoreOmeError):
            return forecast(self.core, self.sequence, Output(_NOWHERE, overwrite=True))
        return None

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
