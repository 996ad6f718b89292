"""Run an acquisition; Ctrl-C cancels it and leaves a valid store."""

from __future__ import annotations

import logging

import useq
from pymmcore_plus import CMMCorePlus
from rich.console import Console

from pymmcore_ome.acquisition import Output, RunThread, install
from pymmcore_ome.errors import AcquisitionError, PymmcoreOmeError
from pymmcore_ome.stream import Summary

from .interrupts import Interrupts
from .progress_bar import ProgressBar


def acquire(
    core: CMMCorePlus,
    sequence: useq.MDASequence,
    output: Output,
    console: Console,
    expected_s: float = 0.0,
) -> Summary:
    """Run a sequence on a core into an output; show frames, rate, buffer, and time left.

    The acquisition runs in a thread of its own. Ctrl-C cancels it; frames already acquired are
    written.

    Parameters
    ----------
    core, sequence, output
    console : Console
        The console of standard error, for the progress.
    expected_s : float
        The minimum duration of the run, for the time left.

    Raises
    ------
    PymmcoreOmeError
        The error that ended the run.
    """
    run = RunThread(lambda: core.mda.run(sequence, output=output), [output], is_quiet=True)
    with install(core), Interrupts() as interrupts, ProgressBar(console, expected_s) as live:
        with _Warnings(live):
            run.start()
            answered = 0
            while not run.wait(0.1):
                live.show(output.progress)
                if interrupts.count > answered:
                    live.print_line(
                        "Canceling: writing the frames acquired so far…"
                        if not answered
                        else "Still canceling. Press Ctrl-C again to quit immediately.",
                        state="Canceling",
                    )
                    answered = interrupts.count
                if interrupts.count:  # repeatedly: a run that is starting ignores it
                    core.mda.cancel()
        live.show(output.progress)
    if run.error is not None:
        raise _readable(run.error, output) from run.error
    return output.result()


def _readable(error: BaseException, output: Output) -> PymmcoreOmeError:
    """Return the error that ended a run as one of ours that states which frames were saved."""
    if isinstance(error, PymmcoreOmeError):
        return error
    progress = output.progress
    saved = "No frame was saved."
    if progress is not None:
        number = progress.frames_written
        were = "1 frame is" if number == 1 else f"{number} frames are"
        saved = f"{were} saved in {output.path}, with the status failed."
    return AcquisitionError(
        f"The acquisition ended with an error: {type(error).__name__}: "
        f"{str(error).rstrip('. ')}. {saved}"
    )


class _Warnings(logging.Handler):
    """Shows the package's own warnings above the progress while its block runs."""

    def __init__(self, live: ProgressBar) -> None:
        super().__init__(logging.WARNING)
        self._live = live
        self._logger = logging.getLogger("pymmcore-ome")

    def emit(self, record: logging.LogRecord) -> None:
        self._live.print_line(f"Warning: {record.getMessage()}")

    def __enter__(self) -> None:
        self._logger.addHandler(self)

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
