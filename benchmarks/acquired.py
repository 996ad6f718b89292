"""Indices and metadata of frames, as pymmcore-plus hands them over with each frame.

The frames are those of a hardware burst at a stage position: only a burst is as fast as these
loads. It writes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import useq

from .loads import Load
from .sequences import jagged_sequence

Metadata = Callable[[int], dict[str, Any]]
_DIFFERENT: Final = 256  # mappings made before the clock starts, used again and again
_FRAME_S: Final = 1e-4


def indices_of(load: Load) -> list[Mapping[str, int]]:
    """Return ``event.index`` of every frame, made before the clock starts.

    An engine, too, has all events of a burst before its first frame.
    """
    if load.jagged:
        return [event.index for event in jagged_sequence(load.frames)]
    return [useq.MDAEvent(index=index).index for index in _grid(load)]


def _grid(load: Load) -> Iterator[dict[str, int]]:
    for image in range(load.images):
        for number in range(load.frames):
            yield {"t": number} if load.images == 1 else {"p": image, "t": number}


def metadata_of(load: Load) -> Metadata:
    """Return what makes the metadata of a frame, as `Sink.append` passes it to `Stream.append`.

    Times, exposure and stage coordinates; and what a camera's adapter tags its images with,
    which the frame table keeps.
    """
    several = [_rest(load, number) for number in range(_DIFFERENT)]

    def metadata(number: int) -> dict[str, Any]:
        return {
            "delta_t_s": number * _FRAME_S, "exposure_ms": 0.1,
            "x_um": 1250.5, "y_um": -310.25, "z_um": 4.5, "channel": None,
            **several[number % _DIFFERENT],
        }  # fmt: skip

    return metadata


def ome_writers_metadata_of(load: Load) -> Metadata:
    """Return the same in the keywords of ome-writers: what pymmcore-plus itself passes to it.

    pymmcore-plus passes times, exposure and stage coordinates, and no tags of the camera.
    """

    def metadata(number: int) -> dict[str, Any]:
        return {
            "delta_t": number * _FRAME_S, "exposure_time": 1e-4,
            "position_x": 1250.5, "position_y": -310.25, "position_z": 4.5,
        }  # fmt: skip

    return metadata


def runner_metadata_of(load: Load) -> Callable[[int, useq.MDAEvent], dict[str, Any]]:
    """Return what makes the metadata that pymmcore-plus emits with ``frameReady``."""
    several = [_rest(load, number) for number in range(_DIFFERENT)]

    def metadata(number: int, event: useq.MDAEvent) -> dict[str, Any]:
        return {
            "format": "frame-dict", "version": "1.0", "mda_event": event,
            "runner_time_ms": number * _FRAME_S * 1e3, "exposure_ms": 0.1, "property_values": (),
            **several[number % _DIFFERENT],
        }  # fmt: skip

    return metadata


def _rest(load: Load, number: int) -> dict[str, Any]:
    return {
        "pixel_size_um": 0.325,
        "camera_device": "Camera",
        "hardware_triggered": True,
        "images_remaining_in_buffer": number % 3,
        "camera_metadata": {
            "Binning": "1",
            "Camera": "Camera",
            "ElapsedTime-ms": f"{number * _FRAME_S * 1e3 + 1.25:.2f}",
            "Height": str(load.side),
            "ImageNumber": str(number),
            "PixelType": "GRAY16",
            "ROI-X-start": "0",
            "ROI-Y-start": "0",
            "TimeReceivedByCore": f"2026-01-01 12:00:00.{number:06}",
            "Width": str(load.side),
        },
    }
