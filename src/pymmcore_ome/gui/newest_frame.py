"""`NewestFrame`: the latest frame, and how to show it. It holds only one frame.

The acquisition thread puts frames, and the window's thread takes them when it has time, so that
it never delays an acquisition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import useq
from numpy.typing import NDArray

_SAMPLES_PER_SIDE = 128  # pixels that determine the contrast


class ShownFrame(NamedTuple):
    """A frame with its position, channel, indices, and camera."""

    pixels: NDArray[Any]
    position: str
    channel: str
    place: str  # the other axes, such as "t 3, z 5"
    camera: str

    @property
    def caption(self) -> str:
        """Position, channel, indices, and camera, as one line."""
        position = f"Position {self.position}" if self.position else ""
        return " · ".join(
            part for part in (position, self.channel, self.place, self.camera) if part
        )


class NewestFrame:
    """Holds the newest frame. `put` is safe in any thread and costs next to nothing."""

    def __init__(self) -> None:
        self.count = 0
        self._newest: tuple[NDArray[Any], useq.MDAEvent, Mapping[str, Any]] | None = None

    def put(self, pixels: NDArray[Any], event: useq.MDAEvent, meta: Mapping[str, Any]) -> None:
        """Keep a frame instead of the previous one. The array is not copied."""
        self._newest = pixels, event, meta
        self.count += 1

    def take(self) -> ShownFrame | None:
        """Return the newest frame, or None if it was already returned."""
        newest, self._newest = self._newest, None
        return None if newest is None else _described(*newest)

    def start_again(self) -> None:
        """Count from 0 again, when an acquisition starts."""
        self.count = 0


def _described(pixels: NDArray[Any], event: useq.MDAEvent, meta: Mapping[str, Any]) -> ShownFrame:
    index = {str(axis): int(value) for axis, value in event.index.items()}
    position = event.pos_name or (f"{index['p']}" if "p" in index else "")
    if "g" in index:
        position = f"{position}, tile {index['g']}" if position else f"tile {index['g']}"
    channel = event.channel.config if event.channel is not None else ""
    rest = [
        f"{axis} {value}" for axis, value in index.items() if axis not in ("p", "g", "c", "cam")
    ]
    return ShownFrame(
        pixels,
        position,
        channel if channel else "",
        ", ".join(rest),
        str(meta.get("camera_device") or ""),
    )


def as_gray8(pixels: NDArray[Any], height: int, width: int) -> NDArray[np.uint8]:
    """Return a frame as 8-bit gray or RGB, with its contrast stretched.

    Parameters
    ----------
    pixels : array, (height, width) or (height, width, 3)
    height, width : int
        The size to show: larger frames are subsampled.

    Returns
    -------
    array of uint8, (height, width) or (height, width, 3), C-contiguous
    """
    step = max(1, min(pixels.shape[0] // max(1, height), pixels.shape[1] // max(1, width)))
    shown = pixels[::step, ::step]
    low, high = contrast_of(pixels)
    scaled = (shown.astype(np.float32) - low) * (255 / max(high - low, 1e-9))
    return np.ascontiguousarray(scaled.clip(0, 255).astype(np.uint8))


def contrast_of(pixels: NDArray[Any]) -> tuple[float, float]:
    """Return the values to show as black and white, from percentiles of the pixels."""
    steps = tuple(max(1, size // _SAMPLES_PER_SIDE) for size in pixels.shape[:2])
    low, high = np.percentile(pixels[:: steps[0], :: steps[1]], (0.2, 99.8))
    return float(low), float(high)
