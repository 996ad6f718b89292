"""`FreeRun`: where frames go when events are from an iterator, and their number is unknown.

Decided by the first event: with an index, frames are placed by it, and every position becomes
an image that grows; without one, frames follow each other on one time axis.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import useq
from numpy.typing import NDArray

from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.schema import Camera, Dimension, Instrument, StorageSchema
from pymmcore_ome.stream import JoinedView

from .cameras_in_use import CamerasInUse
from .useq.plans import camera_dimension
from .useq.schema import check_cameras, frame_dimensions, frame_fields

logger = logging.getLogger("pymmcore-ome")


class FreeRun:
    """Places the frames of a run without a plan.

    Parameters
    ----------
    in_use : CamerasInUse
        What delivers frames.
    instrument : Instrument | None
    """

    def __init__(self, in_use: CamerasInUse, instrument: Instrument | None = None) -> None:
        check_cameras(in_use.cameras)
        self._instrument = instrument
        self._in_use = in_use
        self._channels: dict[int, dict[int, int]] = {}
        self._is_indexed: bool | None = None
        self._arrived: Counter[int] = Counter()
        self._names: dict[str, int] = {}
        self._retakes: Counter[tuple[tuple[str, int], ...]] = Counter()
        self._variants: list[Camera] = []
        self._new_variants: list[Camera] = []
        self._names_of: dict[int, str] = {}  # the camera that a variant is a setting of

    @property
    def cameras(self) -> list[Camera]:
        """The cameras, and their settings that were added, by the value of ``cam``."""
        return [*self._in_use.cameras, *self._variants]

    def new_variants(self) -> list[Camera]:
        """Return the settings that the last frame added, once: the stream must know them."""
        new, self._new_variants = self._new_variants, []
        return new

    def begin(self, frame: NDArray[Any], pixel_size_um: float | None) -> CamerasInUse:
        """Return the cameras as the first frame has them: its event may have set them anew.

        Parameters
        ----------
        frame : array
        pixel_size_um : float or None
            The frame's; 0: not known.
        """
        if len(self._in_use.cameras) == 1:
            camera, scale = self._in_use.cameras[0], self._in_use.pixel_size_um
            if pixel_size_um is not None:
                scale = pixel_size_um or None
                camera = camera.replace(pixel_size_um=scale)
            if len(frame.shape) == 2 + camera.rgb:
                camera = camera.replace(height=frame.shape[0], width=frame.shape[1])
            self._in_use = self._in_use._replace(cameras=[camera], pixel_size_um=scale)
        return self._in_use

    def schema(self, first: useq.MDAEvent | None) -> StorageSchema:
        """Return the schema, by the first event; None: there was no event."""
        self._is_indexed = first is not None and bool(_without_camera(first))
        names = "tcz" if self._is_indexed else "t"
        cameras = [camera_dimension(self._in_use.cameras)] if len(self._in_use.cameras) > 1 else []
        return StorageSchema(
            dimensions=[
                *(Dimension(name=name) for name in names),
                *cameras,
                *frame_dimensions(self._in_use.cameras[0], self._in_use.pixel_size_um),
            ],
            instrument=self._instrument,
            grows=self._is_indexed,
            **frame_fields(self._in_use.cameras),
        )

    def view(self) -> JoinedView:
        """Return a view that is blank until it follows a stream.

        It has every axis that the run may turn out to have.
        """
        cameras = self._in_use.cameras
        return JoinedView(
            ("t", "c", "z", "y", "x"),
            np.result_type(*(camera.dtype for camera in cameras)),
            (max(c.height for c in cameras), max(c.width for c in cameras)),
        )

    def at(
        self,
        event: useq.MDAEvent,
        frame: NDArray[Any],
        camera_label: str | None = None,
        pixel_size_um: float | None = None,
    ) -> dict[str, int]:
        """Return where an event's frame goes.

        Without an index: the next time of its camera. In a run with indices, such frames
        have an image of their own, so that they take no place that an index may ask for.
        In a run without, a later index is kept in the frame table only.
        """
        index = _without_camera(event)
        if index and "p" not in index and event.pos_name:
            index["p"] = self._names.setdefault(event.pos_name, len(self._names))
        camera = {str(k): int(v) for k, v in event.index.items() if str(k) == "cam"}
        if self._is_indexed and len(self._in_use.cameras) == 1 and not camera.get("cam"):
            number = self._number_of_setting([0], frame, pixel_size_um)
            camera = {"cam": number} if number else {}
        elif self._in_use.one_each:
            number = self._number(camera_label, frame, pixel_size_um)
            camera = {"cam": number}
            if "c" in index:  # every camera counts its own channels, in order of first use
                own = self._channels.setdefault(number, {})
                index["c"] = own.setdefault(index["c"], len(own))
        if index and self._is_indexed:
            return {**index, **camera}
        number = camera.get("cam", 0)
        self._arrived[number] += 1
        place = {"t": self._arrived[number] - 1, **camera}
        return {**place, "unindexed": 1} if self._is_indexed else place

    def retake_of(self, at: Mapping[str, int]) -> dict[str, int]:
        """Return where a frame goes whose place is already filled: none replaces another.

        Every image has one of its own for them, whose time axis counts them.
        """
        at = {**at, "retake": 1}
        at.pop("t", None)
        key = tuple(sorted(at.items()))
        self._retakes[key] += 1
        return {**at, "t": self._retakes[key] - 1}

    def _number(self, label: str | None, frame: NDArray[Any], pixel_size_um: float | None) -> int:
        """Return which camera, at which setting, a frame came from."""
        labels = self._in_use.labels
        if label is not None and label not in labels:
            raise AcquisitionError(
                f"Camera {label!r} acquired a frame, and the run began with {labels}. The frame "
                "was rejected; earlier frames are safe."
            )
        own = [n for n, name in enumerate(labels) if label in (None, name)]
        if self._is_indexed:
            return self._number_of_setting(own, frame, pixel_size_um)
        cameras = self._in_use.cameras
        of_size = [n for n in own if (cameras[n].height, cameras[n].width) == frame.shape[:2]]
        of_scale = [n for n in of_size if cameras[n].pixel_size_um == (pixel_size_um or None)]
        return (of_scale or of_size or own)[0]

    def _number_of_setting(
        self, own: Sequence[int], frame: NDArray[Any], pixel_size_um: float | None
    ) -> int:
        """Return which of a camera's settings a frame has; one that is new is added.

        A pixel size that is not known is no setting of its own.
        """
        if frame.shape[2:] not in ((), (3,)):
            return own[0]  # no camera's: the stream refuses it
        cameras, count = self.cameras, len(self._in_use.cameras)
        name = cameras[own[0]].name
        numbers = [*own, *(n for n in range(count, len(cameras)) if self._names_of[n] == name)]
        alike = [n for n in numbers if _delivers(cameras[n], frame)]
        scales = [cameras[n].pixel_size_um or self._in_use.pixel_size_um for n in alike]
        if alike and not pixel_size_um:
            return alike[0]
        for number, scale in zip(alike, scales, strict=True):
            if scale is not None and math.isclose(scale, pixel_size_um or 0, rel_tol=1e-6):
                return number
        variant = _variant(cameras[own[0]], frame, pixel_size_um, len(self._variants))
        self._variants.append(variant)
        self._new_variants.append(variant)
        self._names_of[len(cameras)] = name
        own_size = "" if not pixel_size_um else f", {pixel_size_um:g} um a pixel"
        logger.warning(
            "Frames of camera %r are now %d x %d pixels, %s%s: they are stored in separate images",
            name, frame.shape[1], frame.shape[0], frame.dtype, own_size,
        )  # fmt: skip
        return len(cameras)


def _delivers(camera: Camera, frame: NDArray[Any]) -> bool:
    """Whether a frame has the size and the type of a camera's."""
    shape = (camera.height, camera.width, *((3,) if camera.rgb else ()))
    return frame.shape == shape and frame.dtype.newbyteorder("=") == np.dtype(camera.dtype)


def _variant(
    camera: Camera, frame: NDArray[Any], pixel_size_um: float | None, number: int
) -> Camera:
    """Return a camera as a frame shows it, with a name of its own."""
    dtype = frame.dtype.newbyteorder("=").name
    return Camera(
        f"{camera.name}_{frame.shape[1]}x{frame.shape[0]}_{number + 1}",
        frame.shape[0],
        frame.shape[1],
        dtype,
        rgb=frame.ndim == 3,
        significant_bits=camera.significant_bits if dtype == camera.dtype else None,
        pixel_size_um=pixel_size_um or camera.pixel_size_um,
    )


def _without_camera(event: useq.MDAEvent) -> dict[str, int]:
    return {str(k): int(v) for k, v in event.index.items() if str(k) != "cam"}
