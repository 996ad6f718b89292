"""`Microscope`: which camera, frame size and pixel size each event of a sequence will have.

Presets, positions and events change the objective, the binning and the camera. What they lead
to is worked out from the summary metadata, before anything moves; no device is asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import useq

from pymmcore_ome.schema import Camera

from .engine_methods import SETS_REGIONS
from .microscope import NO_FACTS, CoreFacts, loaded_cameras, objective_label

_Setting = tuple[str, str]  # device and property
_PIXEL_TYPES: Final = {"8bit": "uint8", "16bit": "uint16", "32bit": "float32"}


class Capture(NamedTuple):
    """What frames are acquired with.

    Attributes
    ----------
    camera : Camera
        With its frame size and pixel size at this setting.
    binning : str
    objective : str | None
        Its label.
    """

    camera: Camera
    binning: str
    objective: str | None


class Microscope:
    """The settings of a microscope, as events change them one after the other.

    Parameters
    ----------
    summary : mapping
        What the engine's set-up returned: the settings before the first event.
    facts : CoreFacts
    """

    def __init__(self, summary: Mapping[str, Any], facts: CoreFacts = NO_FACTS) -> None:
        self._summary = summary
        self._cameras = {camera.name: camera for camera in loaded_cameras(summary, facts)}
        infos: Sequence[Mapping[str, Any]] = summary.get("image_infos") or ()
        self._active = str(infos[0]["camera_label"])
        self._configs: Sequence[Mapping[str, Any]] = summary.get("pixel_size_configs") or ()
        self._presets = {
            (str(group["name"]), str(preset["name"])): preset.get("settings") or ()
            for group in summary.get("config_groups") or ()
            for preset in group.get("presets") or ()
        }
        self._labels: dict[str, Sequence[str]] = {}
        self._values: dict[_Setting, str] = {}
        for device in summary.get("devices") or ():
            name = str(device.get("label"))
            self._labels[name] = device.get("labels") or ()
            for one in device.get("properties") or ():
                self._values[name, str(one.get("name"))] = str(one.get("value"))
        self._regions: dict[str, tuple[int, int, float]] = {}
        self._binnings = {name: self._binning(name) for name in self._cameras}
        size_um = infos[0].get("pixel_size_um")
        nominal = self._pixel_size_um(self._active)
        # what a magnifier adds, which no event is known to change
        self._factor = size_um / nominal if size_um and nominal else 1.0
        self._sizes_change = bool(size_um and nominal)

    @property
    def changes_camera(self) -> bool:
        """Whether a preset chooses the active camera."""
        return any(
            (s.get("dev"), s.get("prop")) == ("Core", "Camera")
            for settings in self._presets.values()
            for s in settings
        )

    def is_changed_by(self, sequence: useq.MDASequence) -> bool:
        """Whether a sequence sets anything that the frames' size or pixel size depends on."""
        return any(map(self._matters, self._settings_of(sequence)))

    def apply(self, event: Any) -> None:
        """Set what an event, or a sequence's setup, sets, in the engine's order."""
        if (channel := event.channel) is not None:
            for setting in self._presets.get((channel.group, channel.config), ()):
                self._set(setting.get("dev"), setting.get("prop"), setting.get("val"))
        for device, name, value in event.properties or ():
            self._set(device, name, value)
        if (roi := event.roi) is not None and SETS_REGIONS:
            self._regions[self._active] = roi.height, roi.width, self._binning(self._active)

    def capture(self) -> Capture:
        """Return what a frame is acquired with now."""
        name = self._active
        camera = self._cameras[name]
        binning = self._binning(name)
        height, width, binned = self._regions.get(
            name, (camera.height, camera.width, self._binnings[name])
        )
        by = binning / binned
        pixel_type = self._values.get((name, "PixelType"), "")
        size_um = self._pixel_size_um(name)
        fields: dict[str, Any] = {"height": _binned(height, by), "width": _binned(width, by)}
        if pixel_type in _PIXEL_TYPES and not camera.rgb:
            fields["dtype"] = _PIXEL_TYPES[pixel_type]
        if fields.get("dtype", camera.dtype) != camera.dtype:
            fields["significant_bits"] = None
        else:
            fields.pop("dtype", None)
        if self._sizes_change:
            fields["pixel_size_um"] = _rounded(size_um * self._factor) if size_um else None
        objective = objective_label(self._summary, self._config(), self._values)
        return Capture(camera.replace(**fields), f"{binning:g}", objective)

    def _settings_of(self, sequence: useq.MDASequence) -> Iterable[_Setting]:
        positions = sequence.stage_positions
        subs = [] if isinstance(positions, useq.WellPlatePlan) else [p.sequence for p in positions]
        for part in (sequence, *filter(None, subs)):
            for channel in part.channels:
                for setting in self._presets.get((channel.group, channel.config), ()):
                    yield str(setting.get("dev")), str(setting.get("prop"))
        for position in positions:
            for device, name, _ in getattr(position, "properties", None) or ():
                yield device, name
        for device, name, _ in (sequence.setup.properties if sequence.setup else None) or ():
            yield device, name

    def _matters(self, setting: _Setting) -> bool:
        device, name = setting
        if setting == ("Core", "Camera"):
            return True
        if device in self._cameras:
            return name in ("Binning", "PixelType")
        named = {
            (s.get("dev"), s.get("prop"))
            for config in self._configs
            for s in config.get("settings") or ()
        }
        if name in ("State", "Label"):
            return bool({(device, "State"), (device, "Label")} & named)
        return setting in named

    def _set(self, device: Any, name: Any, value: Any) -> None:
        device, name, value = str(device), str(name), str(value)
        if (device, name) == ("Core", "Camera"):
            self._active = value if value in self._cameras else self._active
        self._values[device, name] = value
        labels = self._labels.get(device, ())
        if name == "State" and value.isdigit() and int(value) < len(labels):
            self._values[device, "Label"] = labels[int(value)]
        elif name == "Label" and value in labels:
            self._values[device, "State"] = str(list(labels).index(value))

    def _binning(self, camera: str) -> float:
        match = re.match(r"\d+", self._values.get((camera, "Binning"), "1"))
        return float(match[0]) if match and int(match[0]) else 1.0

    def _config(self) -> Mapping[str, Any] | None:
        """Return the first pixel size configuration whose settings are all in force."""
        for config in self._configs:
            settings = config.get("settings") or ()
            if all(
                _is_same(self._values.get((str(s.get("dev")), str(s.get("prop")))), s.get("val"))
                for s in settings
            ):
                return config
        return None

    def _pixel_size_um(self, camera: str) -> float | None:
        config = self._config()
        size = config.get("pixel_size_um") if config is not None else None
        return float(size) * self._binning(camera) if size else None


def _binned(size: int, by: float) -> int:
    return max(1, math.floor(size / by))


def _rounded(size_um: float) -> float:
    return float(f"{size_um:.9g}")  # 0.1 * 3 is 0.3


def _is_same(value: str | None, wanted: Any) -> bool:
    if value is None or value == str(wanted):
        return value is not None
    try:
        return float(value) == float(wanted)
    except (TypeError, ValueError):
        return False
