"""`measure`: times what a stream does, whoever's it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from .acquired import Metadata, indices_of
from .figures import Figures, Stopwatch
from .loads import Load, frames_of
from .warm import warm_up

_EMPTY: dict[str, Any] = {}
Append = Callable[[Any, np.ndarray, Mapping[str, int], dict[str, Any]], Any]


def measure(
    load: Load,
    folder: Path,
    opened: Callable[[], Any],
    append: Append,
    drain: Callable[[Any], float | None],
    close: Callable[[Any], Any],
    metadata: Metadata | None = None,
) -> Figures:
    """Time the four steps of a stream, whoever's it is.

    `append` gets frame, index and metadata. Where `metadata` is None, as with plain writes, no
    time is spent on making any.
    """
    frames, indices = frames_of(load), indices_of(load)[: load.frame_count]
    metadata = metadata or _no_metadata
    watch, count = Stopwatch(), load.frame_count
    warm_up(folder.parent, count * load.frame_bytes)
    start_bytes = psutil.Process().memory_info().rss
    began = time.perf_counter()
    stream = opened()
    open_s = time.perf_counter() - began
    cpu_s, began = time.process_time(), time.perf_counter()
    for number, index in enumerate(indices):
        watch.timed(append, stream, frames[number % len(frames)], index, metadata(number))
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


def _no_metadata(number: int) -> dict[str, Any]:
    return _EMPTY
