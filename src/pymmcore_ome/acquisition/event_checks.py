"""What a single event asks of devices, channels and properties that are not there.

For events of which nobody knows before they come. It moves and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import useq

from .readiness import SETS_REGIONS, is_standard, missing_channel, missing_properties


def lacking_devices(core: Any, event: Any) -> Iterator[str]:
    """Yield what an event asks of stages and the like that are not set; the engine leaves it out.

    Parameters
    ----------
    core : CMMCorePlus
    event : MDAEvent
    """
    if (event.x_pos is not None or event.y_pos is not None) and not core.getXYStageDevice():
        yield "no XY stage is set, so the stage was not moved to x and y"
    if event.z_pos is not None and not core.getFocusDevice():
        yield "no focus device is set, so the focus was not moved to z"
    if event.roi is not None and not SETS_REGIONS:
        yield "this pymmcore-plus does not set an event's region; install 0.18 or newer"
    if event.slm_image is not None and not (event.slm_image.device or core.getSLMDevice()):
        yield "no SLM is set, so its image was not shown"
    if isinstance(event.action, useq.HardwareAutofocus) and not core.getAutoFocusDevice():
        yield "no autofocus device is set, so there was no autofocus"


def is_described(engine: Any, summary: Mapping[str, Any]) -> bool:
    """Whether summary metadata is of an engine's microscope: the same devices are loaded.

    Without `install`, nobody says which core runs.
    """
    if not is_standard(engine):
        return False
    told = {str(device.get("label")) for device in summary.get("devices") or ()}
    return told | {"Core"} == {*engine.mmcore.getLoadedDevices(), "Core"}


class EventChecks:
    """Looks at events as they come, each channel and property once.

    Parameters
    ----------
    engine
        It finds nothing of one that sets up the microscope in its own way, nor of None.
    """

    def __init__(self, engine: Any) -> None:
        self._core = engine.mmcore if is_standard(engine) else None
        self._seen: dict[tuple[Any, ...], list[str]] = {}

    def problems(self, event: Any) -> list[str]:
        """Return what an event asks that the microscope does not have."""
        if self._core is None:
            return []
        found = list(lacking_devices(self._core, event))
        if (channel := event.channel) is not None:
            key: tuple[Any, ...] = (channel.group, channel.config)
            if key not in self._seen:
                self._seen[key] = list(missing_channel(self._core, channel))
            found += self._seen[key]
        for device, name, _ in event.properties or ():
            if (key := ("property", device, name)) not in self._seen:
                asked = [(device, name, None)]
                self._seen[key] = list(missing_properties(self._core, asked, "the event"))
            found += self._seen[key]
        return found
