"""Which planned frames a store lacks. It reads the plan and the frame table, no pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import product

from pymmcore_ome.layout import FrameRouter

from .dataset import Dataset

#: An image's path, and an index in storage order without y and x.
Where = tuple[str, tuple[int, ...]]


def missing_frames(dataset: Dataset, stored: Collection[Where]) -> Iterator[Where]:
    """Yield the planned places that hold no frame, in the order of the plan.

    Nothing where the number of frames was not planned. Places that the sequence leaves out
    (a channel at every second time point) are no holes.

    Parameters
    ----------
    dataset : Dataset
    stored : collection of (path, index)
        The places that the frame table lists.
    """
    planned = dataset.layout.frame_count
    if planned is None or planned == len(stored):
        return
    if dataset.layout.order is None:  # all places of all images, in no order of time
        expected: Iterator[Where] = (
            (image.path, index)
            for image in dataset.layout.images
            for index in product(*map(range, image.shape[:-2]))
            if image.samples == 1 or not index[image.channel_axis or 0] % image.samples
        )
    else:
        expected = ((at.image, at.index) for at in FrameRouter(dataset.layout))
    yield from (place for place in expected if place not in stored)
