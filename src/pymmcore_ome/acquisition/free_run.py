"""`FreeRun`: where frames go when events come from an iterator, and nobody knows how many.

Decided by the first event: with an index, frames are placed by it, and every position becomes
an image that grows; without one, frames follow each other on one time axis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import useq

from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.schema import Camera, Dimension, Instrument, StorageSchema
from pymmcore_ome.stream import JoinedView

from .useq.plans import camera_dimension
from .useq.schema import check_cameras, frame_dimensions, frame_fields


class FreeRun:
    """Places the frames of a run without a plan.

    Parameters
    ----------
    cameras : sequence of Camera
        What delivers frames: every event is taken by all, unless `by_channel`.
    by_channel : bool
        Every event is taken by one of the cameras, which its frame names.
    pixel_size_um : float | None
    instrument : Instrument | None
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        pixel_size_um: float | None,
        instrument: Instrument | None = None,
        by_channel: bool = False,
    ) -> None:
        check_cameras(cameras)
        self._instrument = instrument
        self._cameras = cameras
        self._by_channel = by_channel
        self._scale = pixel_size_um
        self._channels: dict[int, dict[int, int]] = {}
        self._is_indexed: bool | None = None
        self._arrived: Counter[int] = Counter()

    def schema(self, first: useq.MDAEvent | None) -> StorageSchema:
        """Return the schema, by the first event; None: no event ever came."""
        self._is_indexed = first is not None and bool(_without_camera(first))
        names = "tcz" if self._is_indexed else "t"
        cameras = [camera_dimension(self._cameras)] if len(self._cameras) > 1 else []
        return StorageSchema(
            dimensions=[
                *(Dimension(name=name) for name in names),
                *cameras,
                *frame_dimensions(self._cameras[0], self._scale),
            ],
            instrument=self._instrument,
            grows=self._is_indexed,
            **frame_fields(self._cameras),
        )

    def view(self) -> JoinedView:
        """Return a view that is blank until the stream comes that it is to follow.

        It has every axis that the run may turn out to have.
        """
        cameras = self._cameras
        return JoinedView(
            ("t", "c", "z", "y", "x"),
            np.result_type(*(camera.dtype for camera in cameras)),
            (max(c.height for c in cameras), max(c.width for c in cameras)),
        )

    def at(self, event: useq.MDAEvent, camera_label: str | None = None) -> dict[str, int]:
        """Return where an event's frame goes.

        Without an index: the next time of its camera. In a run with indices, such frames
        have an image of their own, so that they take no place that an index may ask for.
        In a run without, an index that comes later is kept in the frame table only.
        """
        index = _without_camera(event)
        camera = {str(k): int(v) for k, v in event.index.items() if str(k) == "cam"}
        if self._by_channel:
            number = self._number(camera_label)
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

    def _number(self, label: str | None) -> int:
        """Return which camera a frame came from; the active one where it does not say."""
        names = [camera.name for camera in self._cameras]
        if label is not None and label not in names:
            raise AcquisitionError(
                f"Camera {label!r} took a frame, and the run began with {names}. The frame was not "
                "taken; what was written before is safe."
            )
        return 0 if label is None else names.index(label)


def _without_camera(event: useq.MDAEvent) -> dict[str, int]:
    return {str(k): int(v) for k, v in event.index.items() if str(k) != "cam"}
