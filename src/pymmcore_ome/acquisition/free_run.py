"""`FreeRun`: where frames go when events are from an iterator, and their number is unknown.

Decided by the first event: with an index, frames are placed by it, and every position becomes
an image that grows; without one, frames follow each other on one time axis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import useq
from numpy.typing import NDArray

from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.schema import Dimension, Instrument, StorageSchema
from pymmcore_ome.stream import JoinedView

from .cameras_in_use import CamerasInUse
from .useq.plans import camera_dimension
from .useq.schema import check_cameras, frame_dimensions, frame_fields


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
        if self._in_use.one_each:
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
        cameras = self._in_use.cameras
        of_size = [n for n in own if (cameras[n].height, cameras[n].width) == frame.shape[:2]]
        of_scale = [n for n in of_size if cameras[n].pixel_size_um == (pixel_size_um or None)]
        return (of_scale or of_size or own)[0]


def _without_camera(event: useq.MDAEvent) -> dict[str, int]:
    return {str(k): int(v) for k, v in event.index.items() if str(k) != "cam"}
