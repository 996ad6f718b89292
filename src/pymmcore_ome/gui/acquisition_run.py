"""`AcquisitionRun`: one acquisition in a thread of its own, and its progress. Without widgets.

It saves through `install`, so that the run itself raises errors. It never waits for the thread;
a callable reports the end.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final, Literal

import useq
from pymmcore_plus import CMMCorePlus

from pymmcore_ome.acquisition import Output, RunThread, install
from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.stream import Progress, Summary

logger = logging.getLogger("pymmcore-ome")

Phase = Literal[
    "starting", "running", "pausing", "paused", "canceling", "finishing",
    "complete", "canceled", "failed",
]  # fmt: skip
_RATE_WINDOW_S: Final = 3.0
_PAUSE_SETTLES_S: Final = 0.2  # far longer than from the runner's wait to its frame


@dataclass(frozen=True)
class RunSnapshot:
    """The progress of a run.

    Attributes
    ----------
    phase : str
    progress : Progress | None
        Of the store; None: not created yet, or nothing is saved.
    frames_per_s, bytes_per_s : float
        Written, over the last few seconds.
    time_left_s : float | None
        At the average rate so far; None: unknown.
    """

    phase: Phase
    progress: Progress | None = None
    frames_per_s: float = 0.0
    bytes_per_s: float = 0.0
    time_left_s: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.phase in ("complete", "canceled", "failed")


class AcquisitionRun:
    """Runs one sequence on a core into one output, once.

    Parameters
    ----------
    core : CMMCorePlus
    sequence : useq.MDASequence
    output : Output | None
        None: nothing is saved.
    ended : callable
        Called when everything is written, in the acquisition's thread.
    clock : callable
        Returns seconds that never decrease.
    """

    def __init__(
        self,
        core: CMMCorePlus,
        sequence: useq.MDASequence,
        output: Output | None,
        ended: Callable[[], object] = lambda: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.output = output
        self.error: BaseException | None = None
        self.summary: Summary | None = None
        self._core, self._sequence, self._ended, self._clock = core, sequence, ended, clock
        self._is_over = False
        self._has_begun = False
        self._is_cancel_requested = False
        self._is_pause_requested = False
        self._paused_since: float | None = None
        self._seen: deque[tuple[float, int, int]] = deque()
        self._last_look: float | None = None
        self._active_s = 0.0

    def start(self) -> None:
        """Start the run, and return at once.

        Raises
        ------
        AcquisitionError
            When the core is already acquiring.
        """
        if self._core.mda.is_running():
            raise AcquisitionError(
                "An acquisition is already running on this microscope. Wait until it ends, or "
                "cancel it."
            )
        self._has_begun = True
        RunThread(self._work, ended=self._end, is_quiet=True).start()

    def cancel(self) -> None:
        """Request the end after the current frame; acquired frames are saved."""
        self._is_cancel_requested = True
        self._core.mda.cancel()

    def set_paused(self, paused: bool) -> None:
        """Request a pause before the next frame, or its end."""
        self._is_pause_requested = paused
        self._pause_runner(paused)

    def look(self) -> RunSnapshot:
        """Return the progress. Call it a few times a second, from one thread.

        A cancel or a pause that the runner missed is repeated here: one before the runner was
        ready, or just before a frame (the runner of pymmcore-plus 0.18 loses it there). Therefore,
        a run counts as paused only after a moment.
        """
        if not self._is_over:
            self._repeat_requests()
        progress = self.output.progress if self.output is not None else None
        now = self._clock()
        phase = self._phase(now)
        if self._last_look is not None and phase in ("running", "finishing"):
            self._active_s += now - self._last_look
        self._last_look = now
        if progress is None:
            return RunSnapshot(phase)
        frames_per_s, bytes_per_s = self._rates(now, progress)
        return RunSnapshot(phase, progress, frames_per_s, bytes_per_s, self._time_left(progress))

    def _work(self) -> None:
        try:
            with nullcontext() if self.output is None else install(self._core):
                self._core.mda.run(self._sequence, output=self.output)
            if self.output is not None:
                self.summary = self.output.result()
        except BaseException as error:  # kept for `look`
            logger.error("The acquisition failed: %s", error, exc_info=error)
            self.error = error

    def _end(self) -> None:
        self._is_over = True
        self._ended()

    def _repeat_requests(self) -> None:
        if self._is_cancel_requested:
            self._core.mda.cancel()
        elif self._is_pause_requested and self._runner_phase() in ("waiting", "acquiring"):
            self._pause_runner(True)

    def _pause_runner(self, paused: bool) -> None:
        runner: Any = self._core.mda
        if hasattr(runner, "set_paused"):  # since pymmcore-plus 0.18
            runner.set_paused(paused)
        elif runner.is_paused() != paused:
            runner.toggle_pause()

    def _phase(self, now: float) -> Phase:
        if self._is_over:
            if self.error is not None:
                return "failed"
            return "canceled" if self._was_canceled() else "complete"
        # until then, the runner belongs to another run
        runner = self._runner_phase() if self._has_begun else "idle"
        if runner == "finishing":
            return "finishing"
        if self._is_cancel_requested:
            return "canceling"
        if runner != "paused":
            self._paused_since = None
        elif self._paused_since is None:
            self._paused_since = now
        if self._is_pause_requested:
            return "paused" if self._has_settled(now) else "pausing"
        return "starting" if runner in ("idle", "preparing") else "running"

    def _has_settled(self, now: float) -> bool:
        return self._paused_since is not None and now - self._paused_since >= _PAUSE_SETTLES_S

    def _was_canceled(self) -> bool:
        if self.summary is not None:
            return self.summary.status == "canceled"
        return self._is_cancel_requested

    def _runner_phase(self) -> str:
        """Return the phase of the runner; a guess before pymmcore-plus 0.18."""
        runner = self._core.mda
        if (status := getattr(runner, "status", None)) is not None:
            return str(status.phase)
        if not runner.is_running():
            return "idle"
        return "paused" if runner.is_paused() else "acquiring"

    def _rates(self, now: float, progress: Progress) -> tuple[float, float]:
        """Return frames and bytes a second, over the last few seconds."""
        self._seen.append((now, progress.frames_written, progress.bytes_written))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _RATE_WINDOW_S:
            self._seen.popleft()
        since, frames, nbytes = self._seen[0]
        elapsed_s = now - since
        if elapsed_s <= 0:
            return 0.0, 0.0
        return (
            (progress.frames_written - frames) / elapsed_s,
            (progress.bytes_written - nbytes) / elapsed_s,
        )

    def _time_left(self, progress: Progress) -> float | None:
        planned = progress.frames_planned
        done = progress.frames_written + progress.frames_skipped
        if planned is None or done == 0:
            return None
        return self._active_s / done * max(0, planned - done)
