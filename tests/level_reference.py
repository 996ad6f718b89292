"""What a resolution level should be, computed pixel by pixel from the definition."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray


def reference_levels(frame: NDArray[Any], count: int, downsample: str) -> list[NDArray[Any]]:
    """Return the levels of a frame after the full resolution.

    The mean of 2 x 2 pixels, an odd edge repeated, integers rounded to the nearest, halves up;
    or the upper left of the 2 x 2.
    """
    levels = []
    for _ in range(count - 1):
        frame = _halved(frame, downsample)
        levels.append(frame)
    return levels


def _halved(frame: NDArray[Any], downsample: str) -> NDArray[Any]:
    height, width = frame.shape[:2]
    result = np.zeros(((height + 1) // 2, (width + 1) // 2, *frame.shape[2:]), frame.dtype)
    for place in np.ndindex(*result.shape):
        rows = [2 * place[0], min(2 * place[0] + 1, height - 1)]
        columns = [2 * place[1], min(2 * place[1] + 1, width - 1)]
        if downsample == "nearest":
            result[place] = frame[(rows[0], columns[0], *place[2:])]
            continue
        pixels = [frame[(y, x, *place[2:])].item() for y in rows for x in columns]
        if frame.dtype.kind == "f":
            result[place] = (((pixels[0] + pixels[1]) + pixels[2]) + pixels[3]) / 4
        else:
            result[place] = floor(Fraction(sum(pixels), 4) + Fraction(1, 2))
    return result
