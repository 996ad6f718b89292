"""What a run asks of a microscope that it does not have. It moves and changes nothing.

The engine only logs a warning where it cannot set a channel, a stage or a property, and goes on:
the frames then are not what they are called. So it is checked here, before a run. It names only
what is known to fail: a value that another setting may make possible is not.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

import useq
from pymmcore_plus import CMMCorePlus, DeviceType

from pymmcore_ome.errors import AcquisitionError, Option

from .engine_methods import SETS_REGIONS, is_standard
from .useq.fields import UnappliedFields

logger = logging.getLogger("pymmcore-ome")
#: The end of a message: how it may be run anyway.
HOW_TO_RUN_IT: Final = (
    " To run anyway and flag the affected frames, pass ",
    Option("unready", "record"),
    ".",
)


def how_to_run_it(core: CMMCorePlus) -> tuple[str | Option, ...]:
    """Return the end of a message: how to run anyway. Empty where there is no camera.

    Parameters
    ----------
    core : CMMCorePlus
    """
    return HOW_TO_RUN_IT if core.getCameraDevice() else ()


def check_ready(core: CMMCorePlus, sequence: useq.MDASequence) -> None:
    """Raise unless the microscope has all channels, devices and properties of a sequence.

    Parameters
    ----------
    core : CMMCorePlus
        With its configuration loaded.
    sequence : useq.MDASequence
        Never changed, and not walked.

    Raises
    ------
    AcquisitionError
        Naming everything that is missing, and what is there instead.
    """
    if reasons := missing_of(core, sequence):
        raise unready(reasons, "Nothing was moved, and nothing was created.")


def refuse_unready(engine: Any, events: Iterable[useq.MDAEvent], outputs: Iterable[Any]) -> None:
    """Raise when the microscope cannot run events as they ask, unless no output minds.

    It asks nothing of an engine that sets up the microscope in its own way.

    Parameters
    ----------
    engine : PMDAEngine
    events : iterable of MDAEvent
        An iterator is left alone.
    outputs : iterable of Output

    Raises
    ------
    AcquisitionError
        Naming everything that is missing.
    """
    reasons = missing_of(engine.mmcore, events) if is_standard(engine) else []
    if reasons and any(output.unready == "refuse" for output in outputs):
        raise unready(reasons, "Nothing was created.", *how_to_run_it(engine.mmcore))
    for reason in reasons:
        logger.warning("The microscope cannot do what the run requests: %s", reason)


def missing_of(core: CMMCorePlus, events: Iterable[useq.MDAEvent]) -> list[str]:
    """Return what the microscope lacks for a sequence or a list of events.

    Nothing is known of an iterator, which is left alone.
    """
    if isinstance(events, useq.MDASequence):
        # a copy: looking at plans fills caches that the run needs empty
        return list(dict.fromkeys(_missing(core, events.model_copy(deep=True))))
    if isinstance(events, (list, tuple)):
        return list(dict.fromkeys(_missing_of_events(core, events)))
    return []


def unready(reasons: Iterable[str], *left: str | Option) -> AcquisitionError:
    """Return the error that names what is missing, and what is left."""
    return AcquisitionError(
        "The microscope cannot run this sequence:",
        *(f"\n  {reason}" for reason in reasons),
        "\n",
        *left,
    )


def _missing(core: CMMCorePlus, sequence: useq.MDASequence) -> Iterator[str]:
    yield from _missing_camera(core)
    positions = list(sequence.stage_positions)
    parts = [sequence, *(p.sequence for p in positions if p.sequence is not None)]
    channels = [channel for part in parts for channel in part.channels]
    for channel in channels:
        yield from missing_channel(core, channel)
    for part in parts:
        if part.autofocus_plan is not None and part.autofocus_plan.autofocus_device_name:
            yield from _missing_device(
                core, part.autofocus_plan.autofocus_device_name, "the autofocus_plan"
            )
    yield from _missing_stages(
        core,
        {(p.x, p.y) for p in positions if p.x is not None or p.y is not None},
        {p.z for p in positions if p.z is not None},
        has_grid=any(part.grid_plan for part in parts),
        has_stack=any(part.z_plan for part in parts),
    )
    asked = {
        f"stage_positions[{n}]": getattr(position, "properties", None) or ()
        for n, position in enumerate(positions)
    }
    fields = UnappliedFields(sequence)
    yield from fields.reasons()
    yield from _other_cameras(core, fields, channels)
    if sequence.setup is not None:
        if not SETS_REGIONS:
            yield "it has a setup, which this pymmcore-plus leaves out; install 0.18 or newer"
        asked = {"setup": sequence.setup.properties or (), **asked}
    alone = _devices_with_one_setting(core, channels, asked.values())
    for asker, properties in asked.items():
        yield from missing_properties(core, properties, asker, alone)


def _other_cameras(
    core: CMMCorePlus, fields: UnappliedFields, channels: Sequence[Any]
) -> Iterator[str]:
    """Yield which channels name a camera that will not acquire them: nothing switches to it."""
    chosen = {
        (channel.group, channel.config): _camera_of_preset(core, channel) for channel in channels
    }
    active = core.getCameraDevice()
    for group, config, camera in fields.cameras():
        asker = f"channel {config!r}"
        missing = list(_missing_device(core, camera, asker))
        yield from missing
        # a preset that chooses none leaves the camera of the channel before it
        acquires = chosen[group, config] or (None if any(chosen.values()) else active)
        if not missing and acquires not in (None, camera):
            yield (
                f"{asker} requests camera {camera!r}, but {acquires!r} will acquire it; set "
                "Core-Camera in the channel's preset, and leave camera out"
            )


def _camera_of_preset(core: CMMCorePlus, channel: Any) -> str | None:
    if list(missing_channel(core, channel)):
        return None
    data = core.getConfigData(channel.group, channel.config)
    return next((str(v) for d, name, v in data if (d, name) == ("Core", "Camera")), None)


def _missing_of_events(core: CMMCorePlus, events: Sequence[useq.MDAEvent]) -> Iterator[str]:
    yield from _missing_camera(core)
    channels = {(e.channel.group, e.channel.config): e.channel for e in events if e.channel}
    for channel in channels.values():
        yield from missing_channel(core, channel)
    yield from _missing_stages(
        core,
        {(e.x_pos, e.y_pos) for e in events if e.x_pos is not None or e.y_pos is not None},
        {e.z_pos for e in events if e.z_pos is not None},
    )
    properties = {(d, name): (d, name, v) for e in events for d, name, v in e.properties or ()}
    yield from missing_properties(core, properties.values(), "an event")


def _missing_camera(core: CMMCorePlus) -> Iterator[str]:
    if not core.getCameraDevice():
        yield "no camera is set (Property,Core,Camera,… in the configuration)"


def missing_channel(core: CMMCorePlus, channel: Any) -> Iterator[str]:
    """Yield why a channel, of a sequence or an event, cannot be set."""
    groups = list(core.getAvailableConfigGroups())
    if channel.group not in groups:
        having = [g for g in groups if channel.config in core.getAvailableConfigs(g)]
        elsewhere = f"group {having[0]!r} has such a preset; " if having else ""
        yield (
            f"channel {channel.config!r} is of group {channel.group!r}, which the configuration "
            f"does not have ({elsewhere}{_listed(groups, channel.group, 'groups')})"
        )
        return
    presets = list(core.getAvailableConfigs(channel.group))
    if channel.config not in presets:
        yield (
            f"group {channel.group!r} has no channel {channel.config!r} "
            f"({_listed(presets, channel.config, 'channels')})"
        )


def _missing_stages(
    core: CMMCorePlus,
    places: Collection[Any],
    heights: Collection[float],
    *,
    has_grid: bool = False,
    has_stack: bool = False,
) -> Iterator[str]:
    """Yield which stage is missing; one place alone is no move between frames."""
    if (has_grid or len(places) > 1) and not core.getXYStageDevice():
        there = _loaded(core, DeviceType.XYStage, "XYStage")
        yield f"it moves in x and y, and no XY stage is set{there}; leave x, y and grid_plan out"
    if (has_stack or len(heights) > 1) and not core.getFocusDevice():
        there = _loaded(core, DeviceType.Stage, "Focus")
        yield f"it moves in z, and no focus device is set{there}; leave z and z_plan out"


def _loaded(core: CMMCorePlus, kind: DeviceType, role: str) -> str:
    loaded = list(core.getLoadedDevicesOfType(kind))
    return f" (Property,Core,{role},{loaded[0]} in the configuration sets it)" if loaded else ""


def missing_properties(
    core: CMMCorePlus,
    properties: Iterable[Any],
    asker: str,
    with_values: Container[str] = (),
) -> Iterator[str]:
    """Yield which properties cannot be set, with their values for some devices only."""
    for device, name, value in properties:
        unknown = list(_missing_device(core, device, asker))
        yield from unknown
        if unknown or name == "Position":  # the engine moves a stage by that word
            continue
        if not core.hasProperty(device, name):
            names = list(core.getDevicePropertyNames(device))
            yield (
                f"{asker} sets {device}.{name}, a property that the device does not have "
                f"({_listed(names, name, 'properties')})"
            )
        elif device in with_values:
            allowed = list(core.getAllowedPropertyValues(device, name))
            if allowed and not _is_among(value, allowed):
                yield (
                    f"{asker} sets {device}.{name} to {value!r} "
                    f"({_listed(allowed, str(value), 'its values')})"
                )


def _devices_with_one_setting(
    core: CMMCorePlus, channels: Iterable[Any], asked: Iterable[Iterable[Any]]
) -> set[str]:
    """Return the devices of which a sequence sets a single property.

    Where it sets several, one may decide which values another takes.
    """
    settings = {(device, name) for properties in asked for device, name, _ in properties}
    for channel in channels:
        if not list(missing_channel(core, channel)):
            data = core.getConfigData(channel.group, channel.config)
            settings |= {(device, name) for device, name, _ in data}
    count = Counter(device for device, _ in settings)
    return {device for device, number in count.items() if number == 1}


def _missing_device(core: CMMCorePlus, device: str, asker: str) -> Iterator[str]:
    loaded = list(core.getLoadedDevices())
    if device not in loaded:
        yield (
            f"{asker} names device {device!r}, which is not loaded "
            f"({_listed(loaded, device, 'devices')})"
        )


def _is_among(value: Any, allowed: list[str]) -> bool:
    if str(value) in allowed:
        return True
    try:  # 1 and 1.0 are the same to Micro-Manager, and so are True and 1
        return any(float(value) == float(text) for text in allowed)
    except (TypeError, ValueError):
        return False


def _listed(names: Sequence[str], wanted: str, what: str) -> str:
    """List the names that exist, the nearest first."""
    folded = {name.casefold(): name for name in names}
    near = [folded[name] for name in get_close_matches(wanted.casefold(), folded, n=1, cutoff=0.6)]
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}{what}: {shown or 'none'}"


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

    Without `install`, it is not known which core runs.
    """
    if not is_standard(engine):
        return False
    described = {str(device.get("label")) for device in summary.get("devices") or ()}
    return described | {"Core"} == {*engine.mmcore.getLoadedDevices(), "Core"}


class EventChecks:
    """Looks at events as they arrive, each channel and property once.

    Parameters
    ----------
    engine
        It finds nothing of one that sets up the microscope in its own way, nor of None.
    """

    def __init__(self, engine: Any) -> None:
        self._core = engine.mmcore if is_standard(engine) else None
        self._seen: dict[tuple[Any, ...], list[str]] = {}

    def unapplied_settings(self, event: Any) -> list[str]:
        """Return what an event asks that the microscope does not have."""
        if self._core is None:
            return []
        return [*lacking_devices(self._core, event), *self.unknown_settings(event)]

    def unknown_settings(self, event: Any) -> list[str]:
        """Return which channel and properties of an event the microscope does not have."""
        if self._core is None:
            return []
        reasons: list[str] = []
        if (channel := event.channel) is not None:
            key: tuple[Any, ...] = (channel.group, channel.config)
            if key not in self._seen:
                self._seen[key] = list(missing_channel(self._core, channel))
            reasons += self._seen[key]
        for device, name, _ in event.properties or ():
            if (key := ("property", device, name)) not in self._seen:
                asked = [(device, name, None)]
                self._seen[key] = list(missing_properties(self._core, asked, "the event"))
            reasons += self._seen[key]
        return reasons
