"""From the summary metadata of pymmcore-plus to our `Instrument`. It asks no device anything.

Micro-Manager knows labels and settings, not optics: what a label does not say stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymmcore_ome.schema import Detector, Instrument, Objective

_MAGNIFICATION: Final = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*[xX\u00d7](?![a-z])")
_APERTURE: Final = re.compile(r"(?:NA\s*[=:]?\s*|[xX\u00d7]\s*/\s*)(\d?\.\d+|1)")
_MAX_BINNING: Final = 64


def instrument_of(
    summary: Mapping[str, Any] | None, cameras: Sequence[str] | None = None
) -> Instrument | None:
    """Return what the summary metadata says of objective and cameras; None for nothing.

    The objective is the label that the active pixel size configuration asks for, else that
    of the device called an objective.

    Parameters
    ----------
    summary : mapping or None
    cameras : sequence of str, optional
        Labels of the cameras in use, in the order of their numbers. None: those of the active one.
    """
    summary = summary or {}
    devices = {str(device.get("label")): device for device in summary.get("devices") or ()}
    objective = _objective(summary, devices)
    detectors = [
        _detector(name, devices.get(name, {}))
        for name in (camera_labels(summary) if cameras is None else cameras)
        if name in devices or cameras
    ]
    if objective is None and not detectors:
        return None
    return Instrument(objective=objective, detectors=detectors)


def camera_labels(summary: Mapping[str, Any] | None) -> list[str]:
    """Return the labels of the cameras that deliver frames, in the order of their frames.

    Those behind Micro-Manager's "Multi Camera" are named by its "Physical Camera" properties.
    """
    infos = (summary or {}).get("image_infos") or ()
    if not infos:
        return []
    label = str(infos[0].get("camera_label"))
    for device in (summary or {}).get("devices") or ():
        if device.get("label") == label:
            found = [
                str(p["value"])
                for p in device.get("properties") or ()
                if re.fullmatch(r"Physical Camera \d+", str(p.get("name"))) and p.get("value")
            ]
            used = [name for name in found if name not in ("", "Undefined")]
            return used or [label]
    return [label]


def _objective(
    summary: Mapping[str, Any], devices: Mapping[str, Mapping[str, Any]]
) -> Objective | None:
    infos: Sequence[Mapping[str, Any]] = summary.get("image_infos") or ({},)
    active = infos[0].get("pixel_size_config_name")
    for config in summary.get("pixel_size_configs") or ():
        if config.get("name") != active:
            continue
        for setting in config.get("settings") or ():
            if setting.get("prop") == "Label" and _MAGNIFICATION.search(str(setting.get("val"))):
                return _named_objective(str(setting["val"]))
    for label, device in devices.items():
        if "objective" in f"{label} {device.get('name')}".lower():
            shown = _property(device, "Label")
            return _named_objective(shown) if shown else None
    return None


def _named_objective(label: str) -> Objective:
    magnification, aperture = _MAGNIFICATION.search(label), _APERTURE.search(label)
    return Objective(
        name=label,
        magnification=float(magnification[1]) or None if magnification else None,
        numerical_aperture=float(aperture[1]) or None if aperture else None,
    )


def _detector(label: str, device: Mapping[str, Any]) -> Detector:
    binning = re.match(r"(\d+)", _property(device, "Binning") or "")
    binned = int(binning[1]) if binning else 0
    return Detector(
        name=label,
        manufacturer=str(device["library"]) if device.get("library") else None,
        model=str(device["description"]) if device.get("description") else None,
        gain=_number(_property(device, "Gain")),
        offset=_number(_property(device, "Offset")),
        binning=binned if 1 <= binned <= _MAX_BINNING else None,
    )


def _property(device: Mapping[str, Any], name: str) -> str | None:
    properties: Sequence[Mapping[str, Any]] = device.get("properties") or ()
    found = next((p.get("value") for p in properties if p.get("name") == name), None)
    return None if found is None else str(found)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < float("inf") else None
