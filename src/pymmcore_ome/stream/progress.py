"""`Progress` and `Summary`: the state of a stream in numbers, while it runs and at its end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.metadata import Status


@dataclass(frozen=True, slots=True)
class Progress:
    """A snapshot of a running stream.

    Attributes
    ----------
    frames_planned : int | None
        None when unbounded.
    frames_appended, frames_skipped : int
        Accepted by `append`; left out by `skip`.
    frames_written : int
        Whose pixels are on disk.
    bytes_written, bytes_in_flight, buffer_bytes : int
        Pixels on disk; in the buffer now; the size of the buffer.
    peak_buffer_bytes : int
        The most bytes that were in the buffer at once. Near `buffer_bytes`, the disk was at
        times slower than the camera; a larger buffer then avoids waits.
    blocked_s, elapsed_s : float
        Seconds that `append` waited for room; seconds since the stream was opened.
    """

    frames_planned: int | None
    frames_appended: int
    frames_skipped: int
    frames_written: int
    bytes_written: int
    bytes_in_flight: int
    buffer_bytes: int
    blocked_s: float
    elapsed_s: float
    peak_buffer_bytes: int = 0

    @property
    def frames_per_s(self) -> float:
        """Frames written a second, over the whole run."""
        return self.frames_written / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def bytes_per_s(self) -> float:
        """Bytes written a second, over the whole run."""
        return self.bytes_written / self.elapsed_s if self.elapsed_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a closed stream.

    Attributes
    ----------
    path : Path
    status : str
        ``"complete"``, ``"canceled"`` or ``"failed"``.
    reason : str | None
    frames_planned : int | None
        None when the plan was unbounded.
    frames_written : int
        In the store.
    frames_skipped, bytes_written : int
        In this run.
    duration_s : float
    frames_before : int
        That a store that was resumed had already.
    """

    path: Path
    status: Status
    reason: str | None
    frames_planned: int | None
    frames_written: int
    frames_skipped: int
    bytes_written: int
    duration_s: float
    frames_before: int = 0

    @property
    def frames_added(self) -> int:
        """Frames that this run added to the store."""
        return self.frames_written - self.frames_before

    @property
    def frames_missing(self) -> int:
        """Planned frames that are not on disk, skipped ones included."""
        return max(0, (self.frames_planned or 0) - self.frames_written)


class FrameCounts(NamedTuple):
    """How many frames each image has, all at one moment.

    Attributes
    ----------
    acquired : array of int64, (images,)
        Frames that were accepted and not lost, those of an earlier run included.
    skipped : array of int64, (images,)
        Frames that were skipped.
    lost : array of int64, (images,)
        Frames that were accepted, and are not on disk at the end of the stream.
    newest : int | None
        Number of the image with the latest frame.
    """

    acquired: NDArray[np.int64]
    skipped: NDArray[np.int64]
    lost: NDArray[np.int64]
    newest: int | None
