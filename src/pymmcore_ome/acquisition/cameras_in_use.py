"""Cameras that channels choose: presets of Micro-Manager that set ``Core-Camera``.

A camera that was chosen stays the active one until another is, so a channel whose preset chooses
none is taken by whichever was active before. It asks no device anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import useq

from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.schema import Camera

from .capture import Capture, Microscope
from .microscope import NO_FACTS, CoreFacts, cameras_of, loaded_cameras, pixel_size_of
from .useq.event_cameras import CameraPresets, EventCameras
from .useq.walk import frames_of


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
    """Return the labels of the cameras that may acquire frames of a sequence, the active one first.

    Parameters
    ----------
    sequence : useq.MDASequence
    presets : mapping
    active : str
        The camera that acquires the channels that choose none.
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
        What delivers frames: for every event all of them, unless `one_each`.
    labels : list of str
        Of the devices, for the metadata.
    pixel_size_um : float | None
        Of the frames whose camera has none of its own.
    presets : mapping
        Which channels choose a camera.
    one_each : bool
        Every event is acquired by one of the cameras, which differ.
    by_event : EventCameras | None
        By which one, where the run has a plan.
    objectives : collection of str, optional
        Labels of those that the run uses. None: the one in the light path.
    """

    cameras: list[Camera]
    labels: list[str]
    pixel_size_um: float | None
    presets: CameraPresets = MappingProxyType({})
    one_each: bool = False
    by_event: EventCameras | None = None
    objectives: Collection[str | None] | None = None


def cameras_in_use(
    sequence: useq.MDASequence | Sequence[useq.MDAEvent] | None,
    summary: Mapping[str, Any] | None,
    facts: CoreFacts = NO_FACTS,
) -> CamerasInUse:
    """Return the cameras of a run, each with the frame size and pixel size that it will have.

    Parameters
    ----------
    sequence : useq.MDASequence, list of MDAEvent, or None
        None: the events are not known.
    summary : mapping or None
        What the engine's set-up returned.
    facts : CoreFacts
        What the core knows of its cameras.

    Raises
    ------
    AcquisitionError
        When the engine described no camera; when some channels choose a camera that delivers
        several frames at once, and others do not; when cameras that are read at once change
        their frame size or pixel size.
    """
    if not isinstance(sequence, useq.MDASequence):
        in_use = _chosen_cameras(None, summary, facts)
        if not sequence or summary is None:
            return in_use
        frames = [e for e in sequence if isinstance(e.action, useq.AcquireImage)]
        return _as_set(in_use, Microscope(summary, facts), frames)
    in_use = _chosen_cameras(sequence, summary, facts)
    if summary is None:
        return in_use
    microscope = Microscope(summary, facts)
    if not in_use.one_each and not microscope.is_changed_by(sequence):
        return in_use
    if sequence.setup is not None:
        microscope.apply(sequence.setup)
    return _as_set(in_use, microscope, frames_of(sequence))


def _chosen_cameras(
    sequence: useq.MDASequence | None, summary: Mapping[str, Any] | None, facts: CoreFacts
) -> CamerasInUse:
    """Return the cameras that presets choose, as they are set now."""
    active = cameras_of(summary, facts)
    presets = camera_presets(summary)
    loaded = loaded_cameras(summary, facts)
    label, pixel_size_um = loaded[0].name, pixel_size_of(summary)
    as_it_is = CamerasInUse(active, [camera.name for camera in active], pixel_size_um, presets)
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
            labels = [camera.name for camera in cameras]
            return CamerasInUse(cameras, labels, pixel_size_um, presets)
        for name in chosen:
            if (len(active) > 1 and name == label) or _frames_of(summary, name) > 1:
                raise AcquisitionError(
                    f"Some channels are acquired by camera {name!r}, which delivers several "
                    f"frames at once, and others by {[n for n in chosen if n != name]}. Let all "
                    "channels choose it (Core-Camera in their presets), or none."
                )
    cameras = [by_label[name] for name in chosen]
    if len({camera.kind for camera in cameras}) > 1:
        return CamerasInUse(cameras, chosen, pixel_size_um, presets, one_each=True)
    return CamerasInUse([_of_one_kind(cameras)], chosen, pixel_size_um, presets)


def _as_set(
    in_use: CamerasInUse, microscope: Microscope, events: Iterable[useq.MDAEvent]
) -> CamerasInUse:
    """Return the cameras as events set them, one after the other."""
    settings: dict[tuple[Any, ...], Capture] = {}
    keys, objectives = [], set()
    for event in events:
        microscope.apply(event)
        capture = microscope.capture()
        key = (capture.camera.name, capture.camera.kind)
        settings.setdefault(key, capture)
        objectives.add(capture.objective)
        keys.append(key)
    if not settings:
        return in_use
    in_use = in_use._replace(objectives=objectives)
    captures = list(settings.values())
    kinds = {capture.camera.kind for capture in captures}
    if not in_use.one_each and len(in_use.cameras) > 1:
        if len(kinds) > 1:
            raise AcquisitionError(
                f"Cameras {', '.join(in_use.labels)} are read at once, and presets or positions "
                f"change their frames ({_listed(captures)}). Acquire each setting in a run of "
                "its own."
            )
        now = captures[0].camera
        changes = {
            "height": now.height, "width": now.width, "pixel_size_um": now.pixel_size_um,
        }  # fmt: skip
        if len({camera.kind for camera in in_use.cameras}) > 1:
            return in_use
        cameras = [camera.replace(**changes) for camera in in_use.cameras]
        return in_use._replace(cameras=cameras, pixel_size_um=now.pixel_size_um)
    if len(kinds) == 1:
        camera = _of_one_kind([capture.camera for capture in captures])
        return in_use._replace(cameras=[camera], one_each=False, pixel_size_um=camera.pixel_size_um)
    # the first gives the schema its pixel size, which those without one would take over
    ordered = sorted(settings, key=lambda key: settings[key].camera.pixel_size_um is not None)
    captures = [settings[key] for key in ordered]
    labels = [capture.camera.name for capture in captures]
    cameras = [
        capture.camera.replace(name=name)
        for capture, name in zip(captures, _names(captures), strict=True)
    ]
    numbers = [ordered.index(key) for key in keys]
    by_event = EventCameras(cameras, labels, numbers)
    return in_use._replace(
        cameras=cameras, labels=labels, pixel_size_um=None, one_each=True, by_event=by_event
    )


def _of_one_kind(cameras: Sequence[Camera]) -> Camera:
    bits = [camera.significant_bits for camera in cameras]
    most = None if None in bits else max(n for n in bits if n is not None)
    return cameras[0].replace(significant_bits=most)


def _names(captures: Sequence[Capture]) -> list[str]:
    """Return a name for each camera setting: the label, and what differs where one has several."""
    names = []
    for number, capture in enumerate(captures):
        label = capture.camera.name
        others = [c for n, c in enumerate(captures) if c.camera.name == label and n != number]
        if not others:
            names.append(label)
        elif capture.binning not in {other.binning for other in others}:
            names.append(f"{label} {capture.binning}x{capture.binning}")
        elif capture.objective and capture.objective not in {o.objective for o in others}:
            names.append(f"{label} {capture.objective}")
        elif _size(capture) not in map(_size, others):
            names.append(f"{label} {capture.camera.width}x{capture.camera.height}")
        else:
            names.append(f"{label} {number}")
    return names


def _size(capture: Capture) -> tuple[int, int]:
    return capture.camera.height, capture.camera.width


def _listed(captures: Sequence[Capture]) -> str:
    def shown(camera: Camera) -> str:
        size = f"{camera.height} x {camera.width}"
        return f"{size} at {camera.pixel_size_um} um" if camera.pixel_size_um else size

    return ", ".join(shown(capture.camera) for capture in captures)


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
