"""`FreeRun`: where frames go when events come from an iterator, and nobody knows how many.

Decided by the first event: with an index, frames are placed by it, and every position becomes
an image that grows; without one, frames follow each other on one time axis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import useq

from pymmcore_ome.schema import Camera, Dimension, Instrument, StorageSchema

from .useq_schema import frame_dimensions, one_kind


class FreeRun:
    """Places the frames of a run without a plan.

    Parameters
    ----------
    cameras : sequence of Camera
        Of one size and dtype.
    pixel_size_um : float | None
    instrument : Instrument | None
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        pixel_size_um: float | None,
        instrument: Instrument | None = None,
    ) -> None:
        self._instrument = instrument
        self._camera = one_kind(cameras)
        self._names = [camera.name for camera in cameras]
        self._scale = pixel_size_um
        self._is_indexed: bool | None = None
        self._arrived: Counter[int] = Counter()

    def schema(self, first: useq.MDAEvent | None) -> StorageSchema:
        """Return the schema, by the first event; None: no event ever came."""
        self._is_indexed = first is not None and bool(_without_camera(first))
        names = "tcz" if self._is_indexed else "t"
        cameras = [Dimension(name="cam", coords=self._names)] if len(self._names) > 1 else []
        return StorageSchema(
            dimensions=[
                *(Dimension(name=name) for name in names),
                *cameras,
                *frame_dimensions(self._camera, self._scale),
            ],
            dtype=self._camera.dtype,
            rgb=self._camera.rgb,
            instrument=self._instrument,
            significant_bits=self._camera.significant_bits,
            grows=self._is_indexed,
        )

    def at(self, event: useq.MDAEvent) -> dict[str, int]:
        """Return where an event's frame goes.

        Without an index: the next time of its camera. In a run with indices, such frames
        have an image of their own, so that they take no place that an index may ask for.
        In a run without, an index that comes later is kept in the frame table only.
        """
        index = _without_camera(event)
        camera = {str(k): int(v) for k, v in event.index.items() if str(k) == "cam"}
        if index and self._is_indexed:
            return {**index, **camera}
        number = camera.get("cam", 0)
        self._arrived[number] += 1
        place = {"t": self._arrived[number] - 1, **camera}
        return {**place, "unindexed": 1} if self._is_indexed else place


def _without_camera(event: useq.MDAEvent) -> dict[str, int]:
    return {str(k): int(v) for k, v in event.index.items() if str(k) != "cam"}
