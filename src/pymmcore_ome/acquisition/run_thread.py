"""`RunThread`: a run in a thread of its own that reports how it ended. It hides no error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from pymmcore_ome.stream import Summary

from .output import Output


class RunThread(threading.Thread):
    """What `core.run_mda` returns while the package is installed.

    An error that ends the run is kept for `result`, and still reaches
    `threading.excepthook`, as every error of a thread does, unless the thread is quiet.

    Parameters
    ----------
    run : callable
        Runs the sequence, and raises what ends it.
    outputs : sequence of Output
        Those of the run that are ours.
    ended : callable
        Called in this thread when the run has ended and `error` is set.
    is_quiet : bool
        The error is for `result` alone.
    """

    def __init__(
        self,
        run: Callable[[], object],
        outputs: Sequence[Output] = (),
        *,
        ended: Callable[[], object] = lambda: None,
        is_quiet: bool = False,
    ) -> None:
        super().__init__(name="pymmcore-ome run")
        self._run_it = run
        self._outputs = tuple(outputs)
        self._ended = ended
        self._is_quiet = is_quiet
        # waited for instead of the thread: an interrupted join() marks a living thread as ended
        # (the release in Thread._wait_for_tstate_lock, bpo-45274; gone since Python 3.13)
        self._is_over = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run the sequence (called by `start`)."""
        try:
            self._run_it()
        except BaseException as error:
            self.error = error
            if not self._is_quiet:
                raise
        finally:
            self._is_over.set()
            self._ended()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the run has ended; return whether it has.

        Parameters
        ----------
        timeout_s : float, optional
            Seconds to wait. None: until it has ended.
        """
        return self._is_over.wait(timeout_s)

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
        if not self.wait(timeout_s):
            raise TimeoutError(f"The run has not ended within {timeout_s} s; it goes on.")
        if self.error is not None:
            raise self.error
        return tuple(output.result() for output in self._outputs)
