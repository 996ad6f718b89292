"""How channels are displayed: their colors, and the range of pixel values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from pymmcore_ome.schema import Channel

#: What common preset and dye names look like through the eyepiece, roughly.
_BY_NAME: Final = (
    (r"dapi|hoechst|bfp|405|385|uv", "0000FF"),
    (r"cfp|cerulean|440|445", "00FFFF"),
    (r"fitc|gfp|488|470|alexa ?488|green", "00FF00"),
    (r"yfp|venus|514|yellow", "FFFF00"),
    (r"tritc|rhodamine|cy3|550|555|561|orange", "FF8000"),
    (r"mcherry|rfp|texas|594|red", "FF0000"),
    (r"cy5|647|640|635|far", "FF00FF"),
    (r"bf|bright|trans|dia|phase|dic", "FFFFFF"),
)
_BY_ORDER: Final = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF", "FF8000")


def channel_colors(channels: Sequence[Channel]) -> list[str]:
    """Return six hexadecimal digits a channel, distinct while there are enough colors."""
    if len(channels) == 1 and channels[0].color is None:
        return [_guess(channels[0].name) or "FFFFFF"]
    colors: list[str | None] = [
        channel.color.removeprefix("#") if channel.color else None for channel in channels
    ]
    for number, channel in enumerate(channels):
        guess = _guess(channel.name)
        if colors[number] is None and guess not in colors:
            colors[number] = guess
    free = [color for color in _BY_ORDER if color not in colors] or list(_BY_ORDER)
    return [
        color if color is not None else free[number % len(free)]
        for number, color in enumerate(colors)
    ]


def _guess(name: str) -> str | None:
    for pattern, color in _BY_NAME:
        if re.search(pattern, name.lower()):
            return color
    return None


def pixel_range(dtype: str, significant_bits: int | None) -> tuple[float, float]:
    """Return the lowest and highest pixel value; 0 and 1 for floating point."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return 0.0, 1.0
    info = np.iinfo(kind)
    high = info.max
    if significant_bits is not None:
        high = min(high, 2**significant_bits - 1)
    return float(max(info.min, -high - 1)) if info.min else 0.0, float(high)
