"""The progress of a run: a bar in a terminal, and a plain line at intervals elsewhere.

It measures nothing itself, and writes nothing to standard output.
"""

from __future__ import annotations

import time
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from pymmcore_ome.stream import Progress, duration_text, rate_text

#: Seconds between the lines in a log.
_EVERY_S: Final = 10.0


class ProgressBar:
    """Shows a run's progress. A context manager.

    Parameters
    ----------
    console : Console
        The console of standard error.
    expected_s : float
        The minimum duration of the run.
    state : str
        What is being done.
    has_buffer : bool
        Show how full the buffer is.
    """

    def __init__(
        self,
        console: Console,
        expected_s: float,
        *,
        state: str = "Acquiring",
        has_buffer: bool = True,
    ) -> None:
        self._has_buffer = has_buffer
        self._console = console
        self._expected_s = expected_s
        self._printed_at = time.monotonic()
        self._state = state
        self._bar: Bar | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            wide = console.width >= 100
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[frames]}" + " frames" * wide),
                TextColumn("{task.fields[rate]}", style="green"),
                *([TextColumn("buffer {task.fields[buffer]}", style="dim")] if has_buffer else []),
                TextColumn("{task.fields[left]}" + " left" * wide, style="cyan"),
                console=console,
                expand=True,
            )
            self._task = self._bar.add_task(
                self._state, total=None, frames="0", rate="", buffer="0 %", left="?"
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description="Ended", left="")
            self._bar.stop()

    def print_line(self, text: str, state: str | None = None) -> None:
        """Print a line, above the bar if there is one."""
        self._state = state or self._state
        self._console.print(Text(text, style="yellow"), soft_wrap=True)

    def show(self, progress: Progress | None) -> None:
        """Show the progress."""
        if progress is None:
            return
        planned = progress.frames_planned
        frames = f"{progress.frames_written}/{'?' if planned is None else planned}"
        rate = f"{_rate(progress.frames_per_s)} frames/s {rate_text(progress.bytes_per_s)}"
        buffer = f"{100 * progress.bytes_in_flight / progress.buffer_bytes:.0f} %"
        left = time_left(progress, self._expected_s)
        if self._bar is not None:
            self._bar.update(
                self._task, description=self._state, total=planned,
                completed=progress.frames_written, frames=frames, rate=rate, buffer=buffer,
                left=left,
            )  # fmt: skip
        elif time.monotonic() - self._printed_at >= _EVERY_S:
            self._printed_at = time.monotonic()
            buffer_text = f", buffer {buffer}" if self._has_buffer else ""
            self._console.print(
                f"{self._state}: {frames} frames, {rate}{buffer_text}, {left} left",
                soft_wrap=True,
            )


def time_left(progress: Progress, expected_s: float) -> str:
    """Return how long a run still lasts, in words.

    By the rate so far, but at least as long as the plan's intervals: the first round of a slow
    time lapse is fast.
    """
    planned, written = progress.frames_planned, progress.frames_written
    if planned is None or not written:
        return "?"
    by_rate = (planned - written) * progress.elapsed_s / written
    by_plan = expected_s - progress.elapsed_s if written < planned else 0.0
    return duration_text(round(max(by_rate, by_plan, 0.0)))


def _rate(frames_per_s: float) -> str:
    return f"{frames_per_s:.0f}" if frames_per_s >= 10 else f"{frames_per_s:.1f}"
