"""`Downsampler`: every pixel of a level, by numpy and by opencv, against the definition."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from level_reference import reference_levels
from pymmcore_ome.backends import downsample
from pymmcore_ome.backends.downsample import Downsampler, numpy_mean, opencv_mean

DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
SIZES = [(1, 1), (1, 65), (65, 1), (2, 2), (3, 5), (17, 16), (64, 33), (65, 65)]


@pytest.fixture(params=["opencv", "numpy"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Compute by opencv, or as if it were not installed."""
    if request.param == "opencv" and opencv_mean() is None:
        pytest.skip("opencv is not installed: python -m pip install opencv-python-headless")
    if request.param == "numpy":
        monkeypatch.setattr(downsample, "opencv_mean", lambda: None)
    return str(request.param)


def frame_of(dtype: str, shape: tuple[int, ...], seed: int = 0) -> NDArray[Any]:
    """Return pixels over the whole range of a dtype, its ends and small numbers included."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (rng.standard_normal(shape) * 1000).astype(dtype)
    info = np.iinfo(dtype)
    anything = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    small = rng.integers(max(info.min, -3), 4, shape).astype(dtype)
    ends = rng.choice(np.array([info.min, info.max - 1, info.max], dtype), shape)
    return rng.choice(np.stack([anything, small, ends]), axis=0)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["mean", "nearest"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SIZES)
def test_levels_are_those_of_the_definition(
    library: str, shape: tuple[int, int], dtype: str, kind: Any
) -> None:
    for colors in ((), (3,)):
        for seed in range(3):
            frame = frame_of(dtype, (*shape, *colors), seed)
            found = Downsampler(kind).levels(frame, 4)
            for level, expected in zip(found, reference_levels(frame, 4, kind), strict=True):
                np.testing.assert_array_equal(level, expected, strict=True)
                assert level.flags.c_contiguous


@pytest.mark.parametrize("dtype", downsample._BY_OPENCV)
def test_opencv_rounds_every_sum_of_four_pixels_as_numpy_does(dtype: str) -> None:
    by_opencv = opencv_mean()
    if by_opencv is None:
        pytest.skip("opencv is not installed: python -m pip install opencv-python-headless")
    info = np.iinfo(dtype)
    # every sum that two pixels can have, and each of the other two at both ends of the range
    values = np.arange(info.min, info.max + 1, dtype=np.int64).astype(dtype)
    for others in ((0, 0), (info.min, info.max), (info.max, info.max), (1, 2), (info.min, 1)):
        frame = np.empty((2, 2 * len(values)), dtype)
        frame[0, ::2] = values
        frame[0, 1::2] = values[::-1]
        frame[1, ::2], frame[1, 1::2] = others
        np.testing.assert_array_equal(by_opencv(frame), numpy_mean(frame))
        frame[0, 1::2] = values
        np.testing.assert_array_equal(by_opencv(frame), numpy_mean(frame))


def test_frames_of_any_memory_layout_are_accepted(library: str) -> None:
    frame = frame_of("uint16", (40, 50))
    expected = Downsampler("mean").halved(np.ascontiguousarray(frame))
    frame.flags.writeable = False
    for same in (frame, np.asfortranarray(frame), np.repeat(frame, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(Downsampler("mean").halved(same), expected)


def test_a_library_that_rounds_otherwise_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Floors:
        INTER_AREA = 3

        @staticmethod
        def resize(frame: NDArray[Any], size: tuple[int, int], interpolation: int) -> Any:
            return numpy_mean(frame) - 1

    monkeypatch.setitem(sys.modules, "cv2", Floors)
    opencv_mean.cache_clear()
    try:
        assert opencv_mean() is None
        assert "rounds means differently" in caplog.text
    finally:
        opencv_mean.cache_clear()


def test_a_missing_opencv_is_a_warning_with_the_factor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    opencv_mean.cache_clear()
    try:
        downsample.warn_without_opencv()
    finally:
        opencv_mean.cache_clear()
    assert f"about {downsample.NUMPY_FACTOR} times" in caplog.text
    assert "[levels]" in caplog.text
