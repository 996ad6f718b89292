"""`Figures`: what one measurement found. Numbers only; it measures nothing itself."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np


@dataclass
class Figures:
    """What one contender did with one load, in one process of its own.

    Attributes
    ----------
    frames, nbytes : int
        Written.
    open_s : float
    write_s : float
        From the first frame until the pixels of the last are down.
    close_s : float
        From then until everything is finished.
    cpu_s : float
        Of the process, from the first frame to the end.
    append_us : (p50, p99, worst)
        Of one frame, in the producer's thread.
    files : int
    start_bytes, peak_bytes : int
        Memory of the process before the store was opened, and at most.
    """

    frames: int = 0
    nbytes: int = 0
    open_s: float = 0.0
    write_s: float = 0.0
    close_s: float = 0.0
    cpu_s: float = 0.0
    append_us: tuple[float, float, float] = (0.0, 0.0, 0.0)
    files: int = 0
    start_bytes: int = 0
    peak_bytes: int = 0

    @property
    def frames_per_s(self) -> float:
        """Frames a second until their pixels are down."""
        return self.frames / self.write_s if self.write_s else 0.0

    @property
    def gb_per_s(self) -> float:
        """The same in 10^9 bytes."""
        return self.nbytes / self.write_s / 1e9 if self.write_s else 0.0

    @property
    def ended_s(self) -> float:
        """From the first frame until everything is finished."""
        return self.write_s + self.close_s


@dataclass
class Rounds:
    """The same measurement several times, in rounds with those of others."""

    rounds: list[Figures] = field(default_factory=list)
    why_not: str = ""

    def median(self, of: Callable[[Figures], float]) -> float:
        """Return the median of a figure."""
        return median(of(figures) for figures in self.rounds) if self.rounds else float("nan")

    def ratio(self, other: Rounds, of: Callable[[Figures], float]) -> float:
        """Return the median of this by the other, round by round: both had the same weather."""
        pairs = zip(self.rounds, other.rounds, strict=False)
        ratios = [of(one) / of(two) for one, two in pairs if of(two)]
        return median(ratios) if ratios else float("nan")


class Stopwatch:
    """Times of every frame in the producer's thread."""

    def __init__(self) -> None:
        self._ns = array("q")

    def timed(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call, and note how long it took."""
        began = time.perf_counter_ns()
        result = call(*args, **kwargs)
        self._ns.append(time.perf_counter_ns() - began)
        return result

    def microseconds(self) -> tuple[float, float, float]:
        """Return median, 99th percentile and worst."""
        if not self._ns:
            return 0.0, 0.0, 0.0
        p50, p99, worst = np.percentile(np.frombuffer(self._ns, np.int64), (50, 99, 100)) / 1e3
        return float(p50), float(p99), float(worst)


def ended_rate(figures: Figures) -> float:
    """Return frames a second until everything is finished."""
    return figures.frames / figures.ended_s if figures.ended_s else 0.0


def added_mb(figures: Figures) -> float:
    """Return the most memory, in 10^6 bytes, above what the process had before.

    The frames that wait are among those it had: a load hands over the same arrays again and
    again, and keeps them all.
    """
    if not figures.start_bytes:
        return math.nan
    return (figures.peak_bytes - figures.start_bytes) / 1e6


def files_in(folder: Path) -> int:
    """Return how many files there are under a folder."""
    return sum(1 for path in folder.rglob("*") if path.is_file())
