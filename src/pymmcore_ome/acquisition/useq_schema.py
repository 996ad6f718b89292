"""`schema_from_useq`: from a useq sequence and its cameras to a storage schema.

Two ways that lead to the same places: arithmetic on the plans where the sequence is a loop
nest (`useq_grid`), and a walk over its events for everything else (`useq_walk`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import useq

from pymmcore_ome.errors import SequenceError
from pymmcore_ome.schema import Camera, Dimension, Instrument, StorageSchema

from .useq_grid import grid_parts, is_loop_nest
from .useq_walk import walked_parts


def schema_from_useq(
    sequence: useq.MDASequence,
    *,
    cameras: Sequence[Camera] | Camera,
    pixel_size_um: float | None = None,
    compression: str | None = None,
    instrument: Instrument | None = None,
    is_set_up: bool = False,
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
        What delivers the frames. Several of one size and dtype fold into the channels.
    pixel_size_um : float, optional
        Micrometres a pixel. None or 0: not known.
    compression : str, optional
        As `StorageSchema`.
    instrument : Instrument, optional
        The microscope, for the metadata.
    is_set_up : bool
        The engine has set the sequence up already (it sets the field of view of grids), so
        that its own object may be walked, and random points are those that the run will visit.

    Raises
    ------
    SequenceError
        When useq itself cannot iterate the sequence, naming the plan at fault; when the
        cameras cannot be stored together.
    """
    if not isinstance(sequence, useq.MDASequence):
        raise SequenceError(f"sequence must be a useq.MDASequence, got {sequence!r:.80}.")
    if pixel_size_um is not None and not 0 <= pixel_size_um < math.inf:
        raise SequenceError(f"pixel_size_um must be a length, got {pixel_size_um}.")
    if isinstance(cameras, Camera):
        cameras = [cameras]
    camera = one_kind(cameras)
    if is_loop_nest(sequence):
        parts = grid_parts(sequence)
    else:
        parts = walked_parts(sequence if is_set_up else sequence.model_copy(deep=True))
    if len(cameras) > 1:
        parts = parts.with_cameras([camera.name for camera in cameras])
    return StorageSchema(
        dimensions=(*parts.dimensions, *frame_dimensions(camera, pixel_size_um)),
        dtype=camera.dtype,
        plate=parts.plate,
        compression=compression,
        rgb=camera.rgb,
        instrument=instrument,
        significant_bits=camera.significant_bits,
        images=parts.images,
        order=parts.order,
    )


def frame_dimensions(camera: Camera, pixel_size_um: float | None) -> tuple[Dimension, Dimension]:
    """Return y and x of a camera's frames."""
    unit = "micrometer" if pixel_size_um else None
    return (
        Dimension(name="y", size=camera.height, scale=pixel_size_um or None, unit=unit),
        Dimension(name="x", size=camera.width, scale=pixel_size_um or None, unit=unit),
    )


def one_kind(cameras: Sequence[Camera]) -> Camera:
    """Return the camera that stands for all, which must deliver the same kind of frame.

    Raises
    ------
    SequenceError
    """
    if not cameras or not all(isinstance(camera, Camera) for camera in cameras):
        raise SequenceError(f"cameras must be Camera objects, at least one, got {cameras!r:.80}.")
    first = cameras[0]
    for camera in cameras:
        if _kind(camera) != _kind(first):
            raise SequenceError(
                f"Cameras {first.name!r} and {camera.name!r} differ in size or dtype, which is "
                "not supported yet. Give them the same ROI, binning and bit depth."
            )
    return first


def _kind(camera: Camera) -> tuple[object, ...]:
    return camera.height, camera.width, camera.dtype, camera.rgb
