"""What pymmcore-plus reports of the microscope and of each frame, in our words.

Reads the summary metadata (`SummaryMetaV1`) and the frame metadata (`FrameMetaV1`); asks no
device anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import useq

from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.frames import json_bytes
from pymmcore_ome.schema import PIXEL_DTYPES, Camera, Detector, Instrument, Objective

#: Frame metadata that has a place of its own, or that only repeats the event.
_PLACED: Final = frozenset(
    {"format", "version", "mda_event", "runner_time_ms", "exposure_ms", "position"}
)


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
    is_standard : bool
        The engine sets up the microscope as that of pymmcore-plus does, no more and no less.
    """

    camera_channels: int | None = None
    python_cameras: Mapping[str, Camera] = field(default_factory=dict)
    is_standard: bool = False

    @classmethod
    def of_engine(cls, engine: Any, is_standard: bool = False) -> CoreFacts:
        """Ask the core of an engine, if it has one."""
        core = getattr(engine, "mmcore", None)
        if core is None:
            return cls()
        return cls(int(core.getNumberOfCameraChannels()), _python_cameras(core), is_standard)


NO_FACTS: Final = CoreFacts()


def cameras_of(summary: Mapping[str, Any] | None, facts: CoreFacts = NO_FACTS) -> list[Camera]:
    """Return the cameras that deliver a frame for every event.

    The first entry of `image_infos` is the active camera; a multi-camera adapter delivers
    as many frames of that kind as it has channels. An engine that reads several cameras by
    itself describes them there: the core then knows of fewer channels, and each camera has an
    entry of its own.

    Parameters
    ----------
    summary : mapping or None
    facts : CoreFacts
        What the core knows of its cameras.

    Raises
    ------
    AcquisitionError
        When the engine described no camera, or one that delivers no known pixels.
    """
    infos = (summary or {}).get("image_infos") or ()
    if not infos:
        raise AcquisitionError(
            "The engine's setup_sequence returned no image_infos, so the frames' size is not "
            "known. Load a camera, or use an engine that returns the summary metadata."
        )
    camera = _camera(infos[0], facts)
    count = camera_count(summary, facts)
    if count <= 1:
        return [camera]
    if facts.camera_channels is not None and facts.camera_channels < count <= len(infos):
        return [_camera(info, facts, of_several=True) for info in infos[:count]]
    names = camera_labels(summary)
    if len(names) != count:
        names = [f"{camera.name} {number}" for number in range(count)]
    return [camera.replace(name=name) for name in names]


def camera_count(summary: Mapping[str, Any] | None, facts: CoreFacts = NO_FACTS) -> int:
    """Return how many frames an event delivers; pymmcore-plus before 0.18 leaves it to the core."""
    infos: Sequence[Mapping[str, Any]] = (summary or {}).get("image_infos") or ({},)
    channels = infos[0].get("num_camera_adapter_channels")
    return int(channels or facts.camera_channels or 1)


def loaded_cameras(summary: Mapping[str, Any] | None, facts: CoreFacts = NO_FACTS) -> list[Camera]:
    """Return all cameras that are loaded and whose pixels are known, the active one first."""
    infos: Sequence[Mapping[str, Any]] = (summary or {}).get("image_infos") or ()
    return [
        _camera(info, facts, of_several=True)
        for info in infos
        if info is infos[0] or _dtype(info) in PIXEL_DTYPES
    ]


def _camera(info: Mapping[str, Any], facts: CoreFacts, of_several: bool = False) -> Camera:
    pixel_size_um = (info.get("pixel_size_um") or None) if of_several else None
    python_camera = facts.python_cameras.get(info["camera_label"])
    if python_camera is not None:
        return python_camera.replace(pixel_size_um=pixel_size_um)
    dtype, components = _dtype(info), (*info.get("plane_shape", ()), 1)[2]
    if dtype not in PIXEL_DTYPES or components not in (1, 3):
        raise AcquisitionError(
            f"Camera {info['camera_label']!r} reports pixels of {components} x {dtype}; "
            f"1 or 3 of {', '.join(PIXEL_DTYPES)} can be stored. Set its pixel type; give the "
            "cameras behind a Multi Camera the same one."
        )
    return Camera(
        info["camera_label"],
        info["height"],
        info["width"],
        dtype,
        rgb=components == 3,
        significant_bits=_bits(info.get("pixel_format"), dtype),
        pixel_size_um=pixel_size_um,
    )


def _dtype(info: Mapping[str, Any]) -> str:
    """Return the pixel type; for color of three components the summary has it wrong (0.18)."""
    color = re.fullmatch(r"RGB(8|16)", str(info.get("pixel_format")))
    return f"uint{color[1]}" if color else str(info["dtype"])


def pixel_size_of(summary: Mapping[str, Any] | None) -> float | None:
    """Return the pixel size in micrometers, or None when it is not set."""
    infos = (summary or {}).get("image_infos") or ()
    size = infos[0].get("pixel_size_um") if infos else None
    return float(size) if size else None


def acquisition_notes(
    sequence: useq.MDASequence, summary: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the sequence and the summary metadata as plain JSON values."""
    metadata = {key: value for key, value in (summary or {}).items() if key != "mda_sequence"}
    notes: dict[str, Any] = json.loads(
        json_bytes({"sequence": sequence.model_dump(exclude_unset=True), "summary": metadata})
    )
    return notes


def frame_metadata(event: useq.MDAEvent, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return a frame's metadata with the keys that `Stream.append` knows.

    Stage coordinates are those that were measured; where the frame has none (hardware-
    sequenced frames), those that the event asked for.
    """
    measured = meta.get("position") or {}
    time_ms, exposure_ms = meta.get("runner_time_ms"), meta.get("exposure_ms")
    placed: dict[str, Any] = {
        "delta_t_s": None if time_ms is None else time_ms / 1000,
        "exposure_ms": event.exposure if exposure_ms is None else exposure_ms,
        "x_um": measured.get("x", event.x_pos),
        "y_um": measured.get("y", event.y_pos),
        "z_um": measured.get("z", event.z_pos),
        "channel": event.channel.config if event.channel else None,
    }
    rest = {
        key: value
        for key, value in meta.items()
        if key not in _PLACED and not (isinstance(value, tuple) and not value)
    }
    if event.pos_name is not None:
        rest["pos_name"] = event.pos_name
    own = {key: value for key, value in event.metadata.items() if key != "runner_t0"}
    if own:
        rest["event_metadata"] = own
    return {**placed, **rest}


def _bits(pixel_format: str | None, dtype: str) -> int | None:
    match = re.fullmatch(r"(?:Mono|RGB)(\d+)", pixel_format or "")
    return min(int(match[1]), np.dtype(dtype).itemsize * 8) if match else None


def _python_cameras(core: Any) -> dict[str, Camera]:
    if not hasattr(core, "isPyDevice"):
        return {}
    # UniMMCore has no public way from a label to its device; without this one, the summary counts
    devices = getattr(core, "_pydevices", {})
    cameras = {}
    for label in devices:
        device = devices[label]
        if callable(getattr(device, "dtype", None)) and callable(getattr(device, "shape", None)):
            shape, dtype = device.shape(), np.dtype(device.dtype()).name
            if dtype in PIXEL_DTYPES and (len(shape) == 2 or shape[2:] == (3,)):
                height, width = shape[:2]
                cameras[str(label)] = Camera(label, height, width, dtype, rgb=len(shape) == 3)
    return cameras


_MAGNIFICATION: Final = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*[xX\u00d7](?![a-z])")
_APERTURE: Final = re.compile(r"(?:NA\s*[=:]?\s*|[xX\u00d7]\s*/\s*)(\d?\.\d+|1)")
_MAX_BINNING: Final = 64


def instrument_of(
    summary: Mapping[str, Any] | None,
    cameras: Sequence[str] | None = None,
    objectives: Collection[str | None] | None = None,
) -> Instrument | None:
    """Return what the summary metadata has of objective and cameras; None for nothing.

    The objective is the label that the active pixel size configuration asks for, else that
    of the device called an objective.

    Parameters
    ----------
    summary : mapping or None
    cameras : sequence of str, optional
        Labels of the cameras in use, in the order of their numbers. None: those of the active one.
    objectives : collection of str, optional
        Labels of those that the run uses. None: the one in the light path. Of several, none is
        named: each would be wrong of some frames.
    """
    summary = summary or {}
    devices = {str(device.get("label")): device for device in summary.get("devices") or ()}
    labels = {_objective(summary, devices)} if objectives is None else set(objectives)
    label = labels.pop() if len(labels) == 1 else None
    objective = _named_objective(label) if label else None
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
            physical = [
                str(p["value"])
                for p in device.get("properties") or ()
                if re.fullmatch(r"Physical Camera \d+", str(p.get("name"))) and p.get("value")
            ]
            used = [name for name in physical if name not in ("", "Undefined")]
            return used or [label]
    return [label]


def objective_label(
    summary: Mapping[str, Any],
    config: Mapping[str, Any] | None,
    values: Mapping[tuple[str, str], str],
) -> str | None:
    """Return the label of the objective in the light path; None where it is not known.

    Parameters
    ----------
    summary : mapping
    config : mapping or None
        The active pixel size configuration: the label that it requires has priority.
    values : mapping of (device, property) to value
        For the device called an objective.
    """
    for setting in (config or {}).get("settings") or ():
        if setting.get("prop") == "Label" and _MAGNIFICATION.search(str(setting.get("val"))):
            return str(setting["val"])
    for device in summary.get("devices") or ():
        if "objective" in f"{device.get('label')} {device.get('name')}".lower():
            return values.get((str(device.get("label")), "Label"))
    return None


def _objective(summary: Mapping[str, Any], devices: Mapping[str, Mapping[str, Any]]) -> str | None:
    infos: Sequence[Mapping[str, Any]] = summary.get("image_infos") or ({},)
    active = infos[0].get("pixel_size_config_name")
    configs = summary.get("pixel_size_configs") or ()
    config = next((c for c in configs if c.get("name") == active), None)
    labels = {(name, "Label"): _property(device, "Label") for name, device in devices.items()}
    return objective_label(summary, config, {k: v for k, v in labels.items() if v})


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
    value = next((p.get("value") for p in properties if p.get("name") == name), None)
    return None if value is None else str(value)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < float("inf") else None
