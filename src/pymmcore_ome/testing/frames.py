"""Frames that carry their own number, so that a test can prove where each one landed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def encoded_frame(
    number: int, shape: tuple[int, int], dtype: str = "uint16"
) -> NDArray[np.generic]:
    """Return a frame whose pixels differ from those of every other number below 65,000.

    The top left pixels spell the number in base 100, least digit first; the rest is noise
    that depends on the number, so that a shifted or mixed frame cannot pass for another.
    No frame is all zero, which would look like a place that was never written.
    """
    rng = np.random.default_rng(number)
    frame = rng.integers(1, 100, size=shape).astype(dtype)
    digits = frame.reshape(-1)
    for place in range(min(3, digits.size)):
        digits[place] = number // 100**place % 100 + 1
    return frame


def decoded_number(frame: NDArray[np.generic]) -> int:
    """Return the number of an encoded frame of at least three pixels."""
    digits = np.asarray(frame).reshape(-1)[:3].astype(int)
    return int(sum((digit - 1) * 100**place for place, digit in enumerate(digits)))
