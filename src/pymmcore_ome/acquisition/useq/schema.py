"""`schema_from_useq`: from a useq sequence and its cameras to a storage schema.

Two ways that lead to the same places: arithmetic on the plans where the sequence is a loop
nest (`useq_grid`), and a walk over its events for everything else (`useq_walk`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import useq

from pymmcore_ome.errors import SequenceError
from pymmcore_ome.schema import Camera, Dimension, Instrument, StorageSchema

from .event_cameras import CameraPresets, EventCameras, with_their_cameras
from .grid import grid_parts, is_loop_nest
from .walk import walked_parts


def schema_from_useq(
    sequence: useq.MDASequence,
    *,
    cameras: Sequence[Camera] | Camera,
    pixel_size_um: float | None = None,
    compression: str | None = None,
    instrument: Instrument | None = None,
    is_set_up: bool = False,
    by_event: EventCameras | None = None,
    presets: CameraPresets | None = None,
) -> StorageSchema:
    """Return the schema of what a sequence will deliver.

    `list(sequence)` is the truth: every event that acquires a frame has a place, and no two
    the same. Images are the distinct pairs of position and grid tile, in order of first
    visit, each with its own axes, sizes and channels.

    Parameters
    ----------
    sequence : useq.MDASequence
        Never changed. Where its events must be walked (about 70 µs each), a copy is walked.
    cameras : sequence of Camera
        What delivers the frames. Several of one size and dtype fold into the channels;
        cameras that differ have one image each for every position.
    pixel_size_um : float, optional
        Micrometers a pixel. None or 0: not known.
    compression : str, optional
        As `StorageSchema`.
    instrument : Instrument, optional
        The microscope, for the metadata.
    is_set_up : bool
        The engine has set the sequence up already (it sets the field of view of grids), so
        that its own object may be walked, and random points are those that the run will visit.
    by_event : EventCameras, optional
        The cameras differ, and every event is acquired by one of them, not by all. It then has
        the place of each event.
    presets : mapping of (group, preset) to camera label, optional
        Which channels choose a camera, for the metadata.

    Raises
    ------
    SequenceError
        When useq itself cannot iterate the sequence, naming the plan at fault; when there is
        no camera.
    """
    if not isinstance(sequence, useq.MDASequence):
        raise SequenceError(f"sequence must be a useq.MDASequence, got {sequence!r:.80}.")
    if pixel_size_um is not None and not 0 <= pixel_size_um < math.inf:
        raise SequenceError(f"pixel_size_um must be a length, got {pixel_size_um}.")
    if isinstance(cameras, Camera):
        cameras = [cameras]
    check_cameras(cameras)
    if is_loop_nest(sequence) and by_event is None:
        parts = grid_parts(sequence)
    else:
        parts = walked_parts(sequence if is_set_up else sequence.model_copy(deep=True))
    if presets:
        parts = parts.with_channels(lambda channels: with_their_cameras(channels, presets))
    if by_event is not None:
        parts = by_event.split(parts)
    elif len(cameras) > 1:
        parts = parts.with_cameras(cameras)
    return StorageSchema(
        dimensions=(*parts.dimensions, *frame_dimensions(cameras[0], pixel_size_um)),
        plate=parts.plate,
        compression=compression,
        instrument=instrument,
        images=parts.images,
        order=parts.order,
        **frame_fields(cameras),
    )


def frame_dimensions(camera: Camera, pixel_size_um: float | None) -> tuple[Dimension, Dimension]:
    """Return y and x of a camera's frames."""
    scale = camera.pixel_size_um or pixel_size_um or None
    unit = "micrometer" if scale else None
    return (
        Dimension(name="y", size=camera.height, scale=scale, unit=unit),
        Dimension(name="x", size=camera.width, scale=scale, unit=unit),
    )


def frame_fields(cameras: Sequence[Camera]) -> dict[str, Any]:
    """Return what a schema has of the pixels of frames: those of the first camera's kind."""
    bits = [camera.significant_bits for camera in cameras if camera.kind == cameras[0].kind]
    declared = [n for n in bits if n is not None]
    return {
        "dtype": cameras[0].dtype,
        "rgb": cameras[0].rgb,
        "significant_bits": max(declared) if len(declared) == len(bits) else None,
    }


def check_cameras(cameras: Sequence[Camera]) -> None:
    """Refuse what are no cameras.

    Raises
    ------
    SequenceError
    """
    if not cameras or not all(isinstance(camera, Camera) for camera in cameras):
        raise SequenceError(f"cameras must be Camera objects, at least one, got {cameras!r:.80}.")
