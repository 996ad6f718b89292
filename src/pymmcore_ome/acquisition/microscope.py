"""What pymmcore-plus says of the microscope and of each frame, in our words.

Reads the summary metadata (`SummaryMetaV1`) and the frame metadata (`FrameMetaV1`); asks no
device anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import useq

from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.frames import json_bytes
from pymmcore_ome.schema import Camera
from pymmcore_ome.schema.pixels import PIXEL_DTYPES

from .core_facts import CoreFacts
from .instrument import camera_labels

NO_FACTS: Final = CoreFacts()
#: Frame metadata that has a place of its own, or that only repeats the event.
_PLACED: Final = frozenset(
    {"format", "version", "mda_event", "runner_time_ms", "exposure_ms", "position"}
)


def cameras_of(summary: Mapping[str, Any] | None, facts: CoreFacts = NO_FACTS) -> list[Camera]:
    """Return the cameras that deliver a frame for every event.

    The first entry of `image_infos` is the active camera; a multi-camera adapter delivers
    as many frames of that kind as it has channels. An engine that reads several cameras by
    itself says so there, too: the core then knows of fewer channels, and each camera has an
    entry of its own.

    Parameters
    ----------
    summary : mapping or None
    facts : CoreFacts
        What the core says besides.

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
    """Return how many frames an event brings; pymmcore-plus before 0.18 leaves it to the core."""
    infos: Sequence[Mapping[str, Any]] = (summary or {}).get("image_infos") or ({},)
    told = infos[0].get("num_camera_adapter_channels")
    return int(told or facts.camera_channels or 1)


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
    known = facts.python_cameras.get(info["camera_label"])
    if known is not None:
        return known.replace(pixel_size_um=pixel_size_um)
    dtype, components = _dtype(info), (*info.get("plane_shape", ()), 1)[2]
    if dtype not in PIXEL_DTYPES or components not in (1, 3):
        raise AcquisitionError(
            f"Camera {info['camera_label']!r} says that its pixels are {components} x {dtype}; "
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
    """Return the pixel type; for colour of three components the summary has it wrong (0.18)."""
    colour = re.fullmatch(r"RGB(8|16)", str(info.get("pixel_format")))
    return f"uint{colour[1]}" if colour else str(info["dtype"])


def pixel_size_of(summary: Mapping[str, Any] | None) -> float | None:
    """Return the pixel size in micrometres, or None when it is not set."""
    infos = (summary or {}).get("image_infos") or ()
    size = infos[0].get("pixel_size_um") if infos else None
    return float(size) if size else None


def acquisition_notes(
    sequence: useq.MDASequence, summary: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the sequence and the summary metadata as plain JSON values."""
    told = {key: value for key, value in (summary or {}).items() if key != "mda_sequence"}
    notes: dict[str, Any] = json.loads(
        json_bytes({"sequence": sequence.model_dump(exclude_unset=True), "summary": told})
    )
    return notes


def frame_metadata(event: useq.MDAEvent, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return a frame's metadata with the keys that `Stream.append` knows.

    Stage coordinates are those that were measured; where the frame has none (hardware-
    sequenced frames), those that the event asked for.
    """
    measured = meta.get("position") or {}
    time_ms, exposure_ms = meta.get("runner_time_ms"), meta.get("exposure_ms")
    known: dict[str, Any] = {
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
    return {**known, **rest}


def _bits(pixel_format: str | None, dtype: str) -> int | None:
    found = re.fullmatch(r"(?:Mono|RGB)(\d+)", pixel_format or "")
    return min(int(found.group(1)), np.dtype(dtype).itemsize * 8) if found else None
