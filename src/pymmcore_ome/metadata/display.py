"""How channels are displayed: their colors, and the range of pixel values that a viewer shows.

Each channel has one range for all images of a store, so that images can be compared. It holds all
but the darkest and the brightest 0.1 % of the pixels, of a few frames (`ContrastSampler`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.layout import ArraySpec
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
_PERCENT: Final = (0.1, 99.9)
_MOST_FRAMES: Final = 64  # kept a channel; then every other one, and half as many from then on
_SIDE: Final = 64  # pixels of a frame along each side
_MOST_CHANNELS: Final = 256  # a store that grows could have any number

Window = tuple[float, float]
_Key = tuple[int | None, int | str]


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


class ContrastSampler:
    """Gathers pixels of every channel while frames pass. One thread at a time.

    It keeps at most 64 frames a channel, evenly spread over the run, of at most 128 x 128 pixels
    each. RGB frames are left out: their colors are right only in the range of the camera.

    Parameters
    ----------
    grows : bool
        The channels of the store are named only when it is closed.
    """

    def __init__(self, *, grows: bool = False) -> None:
        self._grows = grows
        self._channels: dict[_Key, _Samples] = {}
        self._of_spec: dict[ArraySpec, list[_Samples]] = {}

    def add(
        self,
        spec: ArraySpec,
        index: Sequence[int],
        frame: NDArray[Any] | Callable[[], NDArray[Any]],
    ) -> None:
        """Look at a frame of an array, at its index; its pixels are copied if they are kept.

        Parameters
        ----------
        spec : ArraySpec
        index : sequence of int
            In storage order, without y and x.
        frame : array, (height, width), or callable
            What returns it, called only if it is kept.
        """
        samples = self._of_spec.get(spec)
        if samples is None:
            samples = self._of_spec[spec] = []
        axis = spec.channel_axis
        number = 0 if axis is None else index[axis]
        while number >= len(samples):
            samples.append(self._samples(spec, len(samples)))
        channel = samples[number]
        channel.seen += 1
        if channel.seen >= channel.due:
            channel.keep(frame() if callable(frame) else frame)

    def _samples(self, spec: ArraySpec, number: int) -> _Samples:
        if spec.samples > 1 or len(self._channels) >= _MOST_CHANNELS:
            return _Samples(is_kept=False)
        is_named = number < len(spec.channels) and not self._grows
        name = spec.channels[number].name if is_named else number
        return self._channels.setdefault((spec.camera, name), _Samples())

    def windows(self, specs: Iterable[ArraySpec]) -> dict[str, Window]:
        """Return the window of each channel, by `window_key`.

        Parameters
        ----------
        specs : iterable of ArraySpec
            Of the closed store, with the names of its channels.
        """
        found: dict[str, Window] = {}
        known: dict[_Key, Window | None] = {}
        for spec in specs:
            for number in range(max(1, len(spec.channels))):
                name = spec.channels[number].name if spec.channels else number
                for key in ((spec.camera, name), (spec.camera, number)):
                    samples = self._channels.get(key)
                    if samples is None:
                        continue
                    if key not in known:
                        known[key] = samples.window()
                    if (window := known[key]) is not None:
                        found.setdefault(window_key(spec, number), window)
                    break
        return found


class _Samples:
    """Pixels of one channel."""

    __slots__ = ("_kept", "_step", "due", "seen")

    def __init__(self, *, is_kept: bool = True) -> None:
        self.seen = 0
        self.due: float = 1 if is_kept else np.inf
        self._step = 1
        self._kept: list[NDArray[Any]] = []

    def keep(self, frame: NDArray[Any]) -> None:
        y, x = (max(1, size // _SIDE) for size in frame.shape[:2])
        self._kept.append(frame[::y, ::x].flatten())
        if len(self._kept) >= _MOST_FRAMES:
            del self._kept[1::2]
            self._step *= 2
        self.due = self.seen + self._step

    def window(self) -> Window | None:
        """Return the lowest and highest value to show; None where all pixels are alike."""
        if not self._kept:
            return None
        pixels = np.concatenate(self._kept)
        if pixels.dtype.kind == "f":
            pixels = pixels[np.isfinite(pixels)]
        if not pixels.size:
            return None
        ranks = [round((pixels.size - 1) * percent / 100) for percent in _PERCENT]
        low, high = np.partition(pixels, ranks)[ranks].tolist()
        if low == high:  # as in a dark frame with a few bright pixels
            low, high = pixels.min().item(), pixels.max().item()
        return (float(low), float(high)) if low < high else None


def window_key(spec: ArraySpec, channel: int) -> str:
    """Return what the store record calls the channel of an array.

    Its name, after the number of its camera where cameras have images of their own.
    """
    name = spec.channels[channel].name if channel < len(spec.channels) else ""
    return name if spec.camera is None else f"{spec.camera}/{name}"


def window_of(windows: Mapping[str, Any], spec: ArraySpec, channel: int) -> Window | None:
    """Return the window of a channel in a store record; None where there is none, or no numbers."""
    found = windows.get(window_key(spec, channel))
    if not isinstance(found, (list, tuple)) or len(found) != 2:
        return None
    if not all(isinstance(value, (int, float)) and np.isfinite(value) for value in found):
        return None
    low, high = float(found[0]), float(found[1])
    return (low, high) if low < high else None
