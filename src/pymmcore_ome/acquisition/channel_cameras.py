"""Cameras that channels choose: presets of Micro-Manager that set ``Core-Camera``.

Where such cameras deliver frames of other sizes or dtypes, every camera has images of its
own, with the channels that it takes. It asks no device anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import useq

from pymmcore_ome.schema import Camera, Dimension, EventOrder, ImagePlan

from .useq_parts import Parts, of_camera

#: Camera labels by (group, preset); both names as Micro-Manager has them.
CameraPresets = Mapping[tuple[str, str], str]
_DEFAULT_GROUP: Final = "Channel"


def camera_presets(summary: Mapping[str, Any] | None) -> dict[tuple[str, str], str]:
    """Return which presets choose a camera, and which."""
    return {
        (str(group.get("name")), str(preset.get("name"))): str(setting.get("val"))
        for group in (summary or {}).get("config_groups") or ()
        for preset in group.get("presets") or ()
        for setting in preset.get("settings") or ()
        if (setting.get("dev"), setting.get("prop")) == ("Core", "Camera")
    }


def cameras_in_use(
    sequence: useq.MDASequence | None, cameras: Sequence[Camera], presets: CameraPresets
) -> list[Camera]:
    """Return the cameras that take the frames of a sequence, the active one first.

    A channel that chooses none is taken by the active one.

    Parameters
    ----------
    sequence : useq.MDASequence or None
        None: any channel may come.
    cameras : sequence of Camera
        All that are loaded, the active one first.
    presets : mapping
    """
    active = cameras[0].name
    if sequence is None:
        chosen = {active, *presets.values()}
    else:
        channels = _channels(sequence)
        chosen = {presets.get((c.group, c.config), active) for c in channels} or {active}
    return [camera for camera in cameras if camera.name in chosen] or [cameras[0]]


def is_mixed(cameras: Sequence[Camera]) -> bool:
    """Whether frames of some cameras cannot be planes of one image."""
    return len({camera.kind for camera in cameras}) > 1


def _channels(sequence: useq.MDASequence) -> list[useq.Channel]:
    found = list(sequence.channels)
    if not isinstance(sequence.stage_positions, useq.WellPlatePlan):
        for position in sequence.stage_positions:
            if position.sequence is not None:
                found += _channels(position.sequence)
    return found


@dataclass
class ChannelCameras:
    """From an event's index to that of its camera's image.

    Parameters
    ----------
    cameras : sequence of Camera
        In use, the one that takes frames without a channel first.
    presets : mapping
    """

    cameras: Sequence[Camera]
    presets: CameraPresets
    _places: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)

    def split(self, parts: Parts) -> Parts:
        """Return the parts with images of their own for every camera, and remember their places.

        Parameters
        ----------
        parts : Parts
            With `images` and `order`: a sequence that was walked.
        """
        plans: list[ImagePlan] = []
        for plan in parts.images or ():
            plans += self._split_plan(plan)
        assert parts.order is not None
        axes = parts.order.axes
        rows = []
        for row in parts.order.rows:
            at = self.at({name: n for name, n in zip(axes, row, strict=True) if n >= 0})
            rows.append(tuple(at.get(name, -1) for name in (*axes, "cam")))
        return replace(
            parts, images=tuple(plans), order=EventOrder(axes=(*axes, "cam"), rows=tuple(rows))
        )

    def at(self, index: Mapping[str, int]) -> dict[str, int]:
        """Return where a frame of this index goes: its camera, and its channel there."""
        at = {str(axis): int(value) for axis, value in index.items()}
        channel = at.get("c")
        places = self._places.get((at.get("p", 0), at.get("g", 0)), [])
        if channel is None or not 0 <= channel < len(places):  # no place: the stream says so
            return {**at, "cam": 0}
        at["cam"], at["c"] = places[channel]
        return at

    def _split_plan(self, plan: ImagePlan) -> list[ImagePlan]:
        channels = next((d for d in plan.dimensions if d.name == "c"), None)
        if channels is None:
            return [of_camera(plan, 0, self.cameras[0])]
        takes: dict[int, list[int]] = {}
        places = self._places[plan.at.get("p", 0), plan.at.get("g", 0)] = []
        for number, channel in enumerate(channels.channels):
            camera = self._camera(channel.group or _DEFAULT_GROUP, channel.name)
            own = takes.setdefault(camera, [])
            places.append((camera, len(own)))
            own.append(number)
        return [
            of_camera(_with_channels(plan, channels, numbers), camera, self.cameras[camera])
            for camera, numbers in takes.items()
        ]

    def _camera(self, group: str, config: str) -> int:
        label = self.presets.get((group, config))
        return next((n for n, camera in enumerate(self.cameras) if camera.name == label), 0)


def _with_channels(plan: ImagePlan, channels: Dimension, numbers: Sequence[int]) -> ImagePlan:
    own = channels.replace(size=None, coords=[channels.channels[n] for n in numbers])
    return plan.replace(
        dimensions=[own if d.name == "c" else d for d in plan.dimensions],
    )
