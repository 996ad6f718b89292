"""`RunThread`: a run in a thread of its own that says how it ended. It hides no error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from pymmcore_ome.stream import Summary

from .output import Output


class RunThread(threading.Thread):
    """What `core.run_mda` returns while the package is installed.

    An error that ends the run is kept for `result`, and still reaches
    `threading.excepthook`, as every error of a thread does.

    Parameters
    ----------
    run : callable
        Runs the sequence, and raises what ends it.
    outputs : sequence of Output
        Those of the run that are ours.
    """

    def __init__(self, run: Callable[[], object], outputs: Sequence[Output]) -> None:
        super().__init__(name="pymmcore-ome run")
        self._run_it = run
        self._outputs = tuple(outputs)
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run the sequence (called by `start`)."""
        try:
            self._run_it()
        except BaseException as error:
            self.error = error
            raise

    def result(self, timeout_s: float | None = None) -> tuple[Summary, ...]:
        """Wait until the run has ended, and return what each of our outputs stored.

        Parameters
        ----------
        timeout_s : float, optional
            Seconds to wait. None: until it has ended.

        Raises
        ------
        TimeoutError
            When it is still running then.
        Exception
            The error that ended the run.
        """
        self.join(timeout_s)
        if self.is_alive():
            raise TimeoutError(f"The run has not ended within {timeout_s} s; it goes on.")
        if self.error is not None:
            raise self.error
        return tuple(output.result() for output in self._outputs)
