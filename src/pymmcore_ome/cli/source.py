"""`Source`: frames of a camera, and how fast it delivers them. It stores nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus

from pymmcore_ome.errors import AcquisitionError

from .microscope import load_core

_MOST_BYTES: Final = 256 << 20
_PATIENCE_S: Final = 10.0


class Source(NamedTuple):
    """Frames to write, and at what rate they come.

    Attributes
    ----------
    frames : list of array
        (height, width), or (height, width, 3).
    frames_per_s : float | None
        None: no camera was asked.
    description : str
        In a sentence.
    """

    frames: list[NDArray[Any]]
    frames_per_s: float | None
    description: str


def made_up_source() -> Source:
    """Return frames of 2048 x 2048 with the noise of a camera."""
    frames = _noise((2048, 2048), np.dtype("uint16"))
    return Source(frames, None, "Made-up frames, 2048 x 2048 uint16 (8.4 MB).")


def camera_source(config: Path, seconds: float) -> Source:
    """Return frames of a camera as it is configured, and how fast it streams them.

    Raises
    ------
    AcquisitionError
        When there is no camera, or no frame comes.
    """
    core = load_core(config)
    camera = core.getCameraDevice()
    if not camera:
        raise AcquisitionError(f"{config} sets no camera (Property,Core,Camera,…).")
    frames, rate = _stream(core, seconds)
    shape, dtype = frames[0].shape, frames[0].dtype
    black = ""
    if not any(frame.any() for frame in frames):  # black chunks are not even written
        frames = _noise(shape, dtype)
        black = " Its frames are black: noise is written in their place."
    return Source(
        frames,
        rate,
        f"Camera {camera}: {' x '.join(map(str, shape))} {dtype}, exposure "
        f"{core.getExposure():g} ms, streams {rate:,.1f} frames/s "
        f"({rate * frames[0].nbytes / 1e6:,.0f} MB/s).{black}",
    )


def _stream(core: CMMCorePlus, seconds: float) -> tuple[list[NDArray[Any]], float]:
    """Let the camera stream; return frames, of which no more than fit, and frames a second."""
    frames: list[NDArray[Any]] = []
    count, began, ended = 0, 0.0, 0.0
    patience_s = seconds + _PATIENCE_S + 2 * core.getExposure() / 1000
    until = time.monotonic() + patience_s
    try:
        core.startContinuousSequenceAcquisition(0)
        while time.monotonic() < until:
            if core.getRemainingImageCount() == 0:
                time.sleep(0.0002)
                continue
            frame = core.popNextImage()
            ended = time.monotonic()
            if not frames:  # from the first on: starting a camera takes its time
                began, until = ended, min(until, ended + max(seconds, 0.1))
            count += 1
            if sum(f.nbytes for f in frames) < _MOST_BYTES and len(frames) < count:
                frames.append(np.ascontiguousarray(frame))
        core.stopSequenceAcquisition()
    except RuntimeError as error:
        raise AcquisitionError(f"The camera could not stream: {error}.") from error
    if not frames:
        raise AcquisitionError(f"The camera delivered no frame in {patience_s:.0f} s.")
    exposure_s = max(core.getExposure() / 1000, 1e-4)
    rate = (count - 1) / (ended - began) if count > 1 else 1 / exposure_s
    return frames, rate


def _noise(shape: tuple[int, ...], dtype: np.dtype[Any]) -> list[NDArray[Any]]:
    """Return frames such as a camera makes of dim, even light."""
    rng = np.random.default_rng(0)
    return [rng.poisson(60, shape).astype(dtype) for _ in range(4)]
