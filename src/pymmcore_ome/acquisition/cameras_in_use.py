"""Cameras that channels choose: presets of Micro-Manager that set ``Core-Camera``.

A camera that was chosen stays the active one until another is, so a channel whose preset chooses
none is taken by whichever was active before. It asks no device anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import useq

from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.schema import Camera

from .microscope import NO_FACTS, CoreFacts, cameras_of, loaded_cameras
from .useq.channel_cameras import CameraPresets, ChannelCameras


def camera_presets(summary: Mapping[str, Any] | None) -> dict[tuple[str, str], str]:
    """Return which presets choose a camera, and which."""
    return {
        (str(group.get("name")), str(preset.get("name"))): str(setting.get("val"))
        for group in (summary or {}).get("config_groups") or ()
        for preset in group.get("presets") or ()
        for setting in preset.get("settings") or ()
        if (setting.get("dev"), setting.get("prop")) == ("Core", "Camera")
    }


def chosen_labels(
    sequence: useq.MDASequence, presets: CameraPresets, active: str
) -> dict[str, None]:
    """Return the labels of the cameras that may take frames of a sequence, the active one first.

    Parameters
    ----------
    sequence : useq.MDASequence
    presets : mapping
    active : str
        The camera that takes the frames of channels that choose none.
    """
    chosen = [presets.get((c.group, c.config), active) for c in _channels(sequence)] or [active]
    return dict.fromkeys([active, *chosen] if active in chosen else chosen)


def _channels(sequence: useq.MDASequence) -> list[useq.Channel]:
    channels = list(sequence.channels)
    if not isinstance(sequence.stage_positions, useq.WellPlatePlan):
        for position in sequence.stage_positions:
            if position.sequence is not None:
                channels += _channels(position.sequence)
    return channels


class CamerasInUse(NamedTuple):
    """The cameras of a run.

    Attributes
    ----------
    cameras : list of Camera
        What delivers frames: for every event all of them, unless `by_channel`.
    labels : list of str
        Of the devices, for the metadata.
    by_channel : ChannelCameras | None
        Every event is taken by one of the cameras, which differ.
    presets : mapping
        Which channels choose a camera.
    """

    cameras: list[Camera]
    labels: list[str]
    by_channel: ChannelCameras | None = None
    presets: CameraPresets = MappingProxyType({})


def cameras_in_use(
    sequence: useq.MDASequence | None,
    summary: Mapping[str, Any] | None,
    facts: CoreFacts = NO_FACTS,
) -> CamerasInUse:
    """Return the cameras of a run.

    Parameters
    ----------
    sequence : useq.MDASequence or None
        None: any event may come.
    summary : mapping or None
        What the engine's set-up returned.
    facts : CoreFacts
        What the core says of its cameras besides.

    Raises
    ------
    AcquisitionError
        When the engine described no camera; when some channels choose a camera that delivers
        several frames at once, and others do not.
    """
    active = cameras_of(summary, facts)
    presets = camera_presets(summary)
    loaded = loaded_cameras(summary, facts)
    label = loaded[0].name
    as_it_is = CamerasInUse(active, [camera.name for camera in active], presets=presets)
    by_label = {camera.name: camera for camera in loaded}
    if not presets:
        return as_it_is
    if sequence is None:
        chosen = list(by_label)
        if len(active) > 1 or not set(presets.values()) - {label}:
            return as_it_is
        chosen = [name for name in chosen if _frames_of(summary, name) == 1]
    else:
        chosen = [name for name in chosen_labels(sequence, presets, label) if name in by_label]
        if chosen in ([label], []):
            return as_it_is
        if len(chosen) == 1:
            first = _with_first(summary, chosen[0])
            cameras = cameras_of(first)
            if len(cameras) == 1:
                cameras = [by_label[chosen[0]]]
            return CamerasInUse(cameras, [camera.name for camera in cameras], presets=presets)
        for name in chosen:
            if (len(active) > 1 and name == label) or _frames_of(summary, name) > 1:
                raise AcquisitionError(
                    f"Some channels are taken by camera {name!r}, which delivers several frames "
                    f"at once, and others by {[n for n in chosen if n != name]}. Let all channels "
                    "choose it (Core-Camera in their presets), or none."
                )
    cameras = [by_label[name] for name in chosen]
    if len({camera.kind for camera in cameras}) > 1:
        by_channel = ChannelCameras(cameras, presets, label)
        return CamerasInUse(cameras, chosen, by_channel, presets)
    bits = [camera.significant_bits for camera in cameras]
    most = None if None in bits else max(n for n in bits if n is not None)
    return CamerasInUse([cameras[0].replace(significant_bits=most)], chosen, presets=presets)


def _infos(summary: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    return (summary or {}).get("image_infos") or ()


def _frames_of(summary: Mapping[str, Any] | None, label: str) -> int:
    """Return how many frames a camera delivers for an event."""
    info = next(info for info in _infos(summary) if info["camera_label"] == label)
    return int(info.get("num_camera_adapter_channels", 1))


def _with_first(summary: Mapping[str, Any] | None, label: str) -> dict[str, Any]:
    """Return the summary as it would be with another active camera."""
    infos = sorted(_infos(summary), key=lambda info: info["camera_label"] != label)
    return {**(summary or {}), "image_infos": tuple(infos)}
