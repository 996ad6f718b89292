"""`Plan`: a sequence and the camera that will take it, as far as both are known now.

It asks the core a few cheap questions, none while an acquisition runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import useq
from pymmcore_plus import CMMCorePlus
from pymmcore_plus.metadata.functions import image_info

from pymmcore_ome.acquisition.microscope import cameras_of, pixel_size_of
from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.schema import Camera


@dataclass(frozen=True)
class Plan:
    """What is to be acquired.

    Attributes
    ----------
    sequence : useq.MDASequence
    cameras : tuple of Camera
        Empty: no camera is loaded, so sizes are not known.
    pixel_size_um : float | None
    exposure_ms : float | None
        Of channels that set none.
    """

    sequence: useq.MDASequence
    cameras: tuple[Camera, ...] = ()
    pixel_size_um: float | None = None
    exposure_ms: float | None = None

    @classmethod
    def of(cls, core: CMMCorePlus, sequence: useq.MDASequence) -> Self:
        """Return the plan of a sequence with the camera as it is set now."""
        if not core.getCameraDevice():
            return cls(sequence)
        try:
            summary = {"image_infos": (image_info(core),)}
            return cls(
                sequence,
                tuple(cameras_of(summary)),
                pixel_size_of(summary),
                core.getExposure(),
            )
        except (RuntimeError, AcquisitionError):  # a camera that does not answer
            return cls(sequence)
