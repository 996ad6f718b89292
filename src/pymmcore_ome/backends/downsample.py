"""`Downsampler`: frames of half the size. Exact: both ways of computing give the same numbers.

Means of 2 x 2 pixels are by opencv where it is installed and rounds as it should, else by numpy.
It knows neither files nor images.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.errors import how_to_install
from pymmcore_ome.layout import Downsample

logger = logging.getLogger("pymmcore-ome")

#: How many times longer numpy takes than opencv, for the warning; see the benchmarks.
NUMPY_FACTOR: Final = 30
#: What opencv sums without rounding errors, and rounds up at a half. It lacks 32-bit integers, and
#: sums floats in their own precision.
_BY_OPENCV: Final = ("uint8", "uint16", "int16")

_OPENCV_DTYPES: Final = frozenset(map(np.dtype, _BY_OPENCV))

Frame = NDArray[Any]


class Downsampler:
    """Makes the levels of frames. From any thread.

    Parameters
    ----------
    downsample : ``"mean"`` | ``"nearest"``
    """

    def __init__(self, downsample: Downsample) -> None:
        self._is_mean = downsample == "mean"

    def levels(self, frame: Frame, count: int) -> list[Frame]:
        """Return the levels of a frame after the full resolution, each from the one before.

        Parameters
        ----------
        frame : array, (height, width), or (height, width, 3)
        count : int
            Levels, the full resolution included.

        Returns
        -------
        list of array
            C-contiguous, of the frame's dtype.
        """
        found = []
        for _ in range(count - 1):
            frame = self.halved(frame)
            found.append(frame)
        return found

    def halved(self, frame: Frame) -> Frame:
        """Return a frame of half the height and width, rounded up; an odd edge is repeated.

        Integers are rounded to the nearest, halves up. A mean of floats is computed in double
        precision.
        """
        if not self._is_mean:
            return np.ascontiguousarray(frame[::2, ::2])
        height, width = frame.shape[:2]
        rows, columns = height // 2, width // 2
        if (height, width) == (2 * rows, 2 * columns):
            return _mean(frame)
        halved = np.empty((height - rows, width - columns, *frame.shape[2:]), frame.dtype)
        if rows and columns:
            halved[:rows, :columns] = _mean(frame[: 2 * rows, : 2 * columns])
        # the edges alone are padded: a copy of a large frame would double the memory
        if width % 2:
            halved[:, columns:] = numpy_mean(_padded(frame[:, -1:]))
        if height % 2:
            halved[rows:] = numpy_mean(_padded(frame[-1:]))
        return halved


def _mean(frame: Frame) -> Frame:
    """Return the means of 2 x 2 pixels of a frame of even height and width."""
    by_opencv = opencv_mean() if frame.dtype in _OPENCV_DTYPES else None
    return numpy_mean(frame) if by_opencv is None else by_opencv(frame)


def _padded(frame: Frame) -> Frame:
    """Return a frame whose odd edges are repeated."""
    edges = ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0))[: frame.ndim]
    return np.pad(frame, edges, mode="edge")


def numpy_mean(frame: Frame) -> Frame:
    """Return the means of 2 x 2 pixels of a frame of even height and width."""
    parts = frame[::2, ::2], frame[::2, 1::2], frame[1::2, ::2], frame[1::2, 1::2]
    if frame.dtype.kind == "f":
        mean = parts[0].astype(np.float64)
        for part in parts[1:]:
            mean += part
        mean *= 0.25
        return mean.astype(frame.dtype)
    total: Frame = parts[0].astype(np.int32 if frame.dtype.itemsize < 4 else np.int64)
    for part in parts[1:]:
        total += part
    total += 2
    total >>= 2  # rounds down, also below 0: a half goes up
    return total.astype(frame.dtype)


@cache
def opencv_mean() -> Callable[[Frame], Frame] | None:
    """Return opencv's mean of 2 x 2 pixels; None where it is not installed, or rounds otherwise."""
    try:
        cv2 = import_module("cv2")
    except ImportError:
        return None

    def mean(frame: Frame) -> Frame:
        size = (frame.shape[1] // 2, frame.shape[0] // 2)
        halved: Frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        return halved

    if not all(_is_exact(mean, np.dtype(name)) for name in _BY_OPENCV):
        logger.warning("This version of opencv rounds means differently, and is not used.")
        return None
    return mean


def _is_exact(mean: Callable[[Frame], Frame], dtype: np.dtype[Any]) -> bool:
    """Whether a function gives the numbers of `numpy_mean` where rounding matters."""
    info = np.iinfo(dtype)
    ends = [info.min, info.min + 1, -1, 0, 1, 2, 3, info.max - 1, info.max]
    values = np.array([n for n in ends if n >= info.min], dtype)
    frame = np.random.default_rng(0).choice(values, (46, 134))
    colors = np.ascontiguousarray(frame[:, :132].reshape(46, 44, 3))
    return all(np.array_equal(mean(one), numpy_mean(one)) for one in (frame, colors))


def warn_without_opencv() -> None:
    """Log that levels take longer than they need to, where opencv cannot be used."""
    if opencv_mean() is None:
        logger.warning(
            "opencv is not installed, so that resolution levels take about %d times longer to "
            "compute. Run: %s",
            NUMPY_FACTOR,
            how_to_install("levels"),
        )
