"""Whether an array is a frame of the schema, and what is known of it beside its pixels.

Nothing is cropped, scaled or cast to make it fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.errors import FrameError
from pymmcore_ome.frames import FrameFacts
from pymmcore_ome.layout import FrameAddress, Layout


def as_array(frame: Any) -> NDArray[Any]:
    """Return what a caller gave as an array.

    Raises
    ------
    FrameError
    """
    try:
        return np.asarray(frame)
    except ValueError as error:
        raise FrameError(
            f"The frame is no array: {error}. Give a (height, width) array."
        ) from error


def check_fit(
    array: NDArray[Any],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    number: int,
    at: Mapping[str, int] | None,
) -> None:
    """Refuse an array of another shape or dtype; the byte order does not matter.

    Parameters
    ----------
    array : array
    shape, dtype
        What the schema declares for frames of this camera.
    number : int
        Of the frame, in order of arrival, for the message.
    at : mapping or None
        Its index, for the message.

    Raises
    ------
    FrameError
    """
    if array.shape == shape and (array.dtype == dtype or array.dtype.newbyteorder("=") == dtype):
        return
    where = ""
    if isinstance(at, Mapping):
        where = " at {" + ", ".join(f"{key!s}: {value}" for key, value in at.items()) + "}"
    raise FrameError(
        f"Frame {number}{where}: got {array.shape} {array.dtype}, the schema "
        f"declares {shape} {dtype}. Check the camera's ROI, binning and bit "
        "depth, and what presets set of them. The frame was not taken; what was written "
        "before is safe."
    )


def with_channel(facts: FrameFacts, layout: Layout, address: FrameAddress) -> FrameFacts:
    """Return the facts with the channel's name, where the frame did not bring one."""
    image = layout.images[address.image_number]
    if "channel" in facts.columns or image.channel_axis is None or not image.channels:
        return facts
    name = image.channels[address.index[image.channel_axis]].name
    return facts._replace(columns={**facts.columns, "channel": name})
