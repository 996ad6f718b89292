"""What a sequence asks of a microscope that it does not have. It moves and changes nothing.

The engine only logs a warning where it cannot set a channel, a stage or a property, and goes on:
the frames then are not what they are called. So it is asked for here, before a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import useq
from pymmcore_plus import CMMCorePlus

from pymmcore_ome.errors import AcquisitionError


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
    # a copy: looking at plans fills caches that the run needs empty
    found = list(dict.fromkeys(_missing(core, sequence.model_copy(deep=True))))
    if found:
        raise AcquisitionError(
            "The microscope cannot run this sequence:"
            + "".join(f"\n  {reason}" for reason in found)
            + "\nNothing was moved, and nothing was created."
        )


def _missing(core: CMMCorePlus, sequence: useq.MDASequence) -> Iterator[str]:
    if not core.getCameraDevice():
        yield "no camera is set (Property,Core,Camera,… in the configuration)"
    parts = [sequence, *(p.sequence for p in sequence.stage_positions if p.sequence is not None)]
    for part in parts:
        for channel in part.channels:
            yield from _missing_channel(core, channel)
        if part.autofocus_plan is not None and part.autofocus_plan.autofocus_device_name:
            yield from _missing_device(
                core, part.autofocus_plan.autofocus_device_name, "the autofocus_plan"
            )
    yield from _missing_stages(core, sequence, parts)
    if sequence.setup is not None:
        yield from _missing_properties(core, sequence.setup.properties or (), "setup")
    for number, position in enumerate(sequence.stage_positions):
        asked = getattr(position, "properties", None) or ()
        yield from _missing_properties(core, asked, f"stage_positions[{number}]")


def _missing_channel(core: CMMCorePlus, channel: useq.Channel) -> Iterator[str]:
    groups = list(core.getAvailableConfigGroups())
    if channel.group not in groups:
        yield (
            f"channel {channel.config!r} is of group {channel.group!r}, which the configuration "
            f"does not have ({_listed(groups, channel.group, 'groups')})"
        )
        return
    presets = list(core.getAvailableConfigs(channel.group))
    if channel.config not in presets:
        yield (
            f"group {channel.group!r} has no channel {channel.config!r} "
            f"({_listed(presets, channel.config, 'channels')})"
        )
    if camera := getattr(channel, "camera", None):
        yield from _missing_device(core, camera, f"channel {channel.config!r}")


def _missing_stages(
    core: CMMCorePlus, sequence: useq.MDASequence, parts: Iterable[useq.MDASequence]
) -> Iterator[str]:
    positions = list(sequence.stage_positions)
    parts = list(parts)
    moves_xy = any(p.x is not None or p.y is not None for p in positions)
    if (moves_xy or any(part.grid_plan for part in parts)) and not core.getXYStageDevice():
        yield "it moves in x and y, and no XY stage is set; leave x, y and grid_plan out"
    moves_z = any(p.z is not None for p in positions)
    if (moves_z or any(part.z_plan for part in parts)) and not core.getFocusDevice():
        yield "it moves in z, and no focus device is set; leave z and z_plan out"


def _missing_properties(core: CMMCorePlus, properties: Iterable[Any], asker: str) -> Iterator[str]:
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
            continue
        allowed = list(core.getAllowedPropertyValues(device, name))
        if allowed and not _is_among(value, allowed):
            yield (
                f"{asker} sets {device}.{name} to {value!r} "
                f"({_listed(allowed, str(value), 'its values')})"
            )


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


def _listed(known: Sequence[str], asked: str, what: str) -> str:
    """Say what there is, the nearest first."""
    near = get_close_matches(asked, known, n=1, cutoff=0.6)
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}{what}: {shown or 'none'}"
