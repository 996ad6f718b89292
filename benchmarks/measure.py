"""`measure`: times what a stream does, whoever's it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from .figures import Figures, Stopwatch
from .loads import Load, frames_of
from .warm import warm_up


def measure(
    load: Load,
    folder: Path,
    opened: Callable[[], Any],
    append: Callable[[Any, np.ndarray, Mapping[str, int] | None], Any],
    drain: Callable[[Any], None],
    close: Callable[[Any], Any],
    indices: Iterator[Mapping[str, int]] | None = None,
) -> Figures:
    """Time the four steps of a stream, whoever's it is."""
    frames = frames_of(load)
    watch, count = Stopwatch(), load.frame_count
    warm_up(folder, count * load.frame_bytes)
    start_bytes = psutil.Process().memory_info().rss
    began = time.perf_counter()
    stream = opened()
    open_s = time.perf_counter() - began
    cpu_s, began = time.process_time(), time.perf_counter()
    for number in range(count):
        at = None if indices is None else next(indices)
        watch.timed(append, stream, frames[number % len(frames)], at)
    idle_s = drain(stream) or 0.0
    down = time.perf_counter() - idle_s
    close(stream)
    ended = time.perf_counter() - idle_s
    return Figures(
        frames=count,
        nbytes=count * load.frame_bytes,
        open_s=open_s,
        write_s=down - began,
        close_s=ended - down,
        cpu_s=time.process_time() - cpu_s,
        append_us=watch.microseconds(),
        start_bytes=start_bytes,
    )
