"""What the summary metadata leaves out, asked of the core itself. It moves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pymmcore_ome.schema import Camera
from pymmcore_ome.schema.pixels import PIXEL_DTYPES


@dataclass(frozen=True)
class CoreFacts:
    """What a core knows of its cameras.

    Attributes
    ----------
    camera_channels : int | None
        Frames that the core delivers for an event; None for an engine without a core.
    python_cameras : mapping of label to Camera
        The cameras of a `UniMMCore` that are Python objects. The summary metadata calls every
        pixel type unsigned (pymmcore-plus 0.18), and these may deliver floats or signed
        numbers.
    """

    camera_channels: int | None = None
    python_cameras: Mapping[str, Camera] = field(default_factory=dict)

    @classmethod
    def of_engine(cls, engine: Any) -> CoreFacts:
        """Ask the core of an engine, if it has one."""
        core = getattr(engine, "mmcore", None)
        if core is None:
            return cls()
        return cls(int(core.getNumberOfCameraChannels()), _python_cameras(core))


def _python_cameras(core: Any) -> dict[str, Camera]:
    if not hasattr(core, "isPyDevice"):
        return {}
    # UniMMCore has no public way from a label to its device; without this one, the summary counts
    devices = getattr(core, "_pydevices", {})
    found = {}
    for label in devices:
        device = devices[label]
        if callable(getattr(device, "dtype", None)) and callable(getattr(device, "shape", None)):
            shape, dtype = device.shape(), np.dtype(device.dtype()).name
            if dtype in PIXEL_DTYPES and (len(shape) == 2 or shape[2:] == (3,)):
                height, width = shape[:2]
                found[str(label)] = Camera(label, height, width, dtype, rgb=len(shape) == 3)
    return found
