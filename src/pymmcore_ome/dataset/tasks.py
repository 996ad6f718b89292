"""`run_tasks`: tasks that need nothing of each other, in threads or on a Dask cluster.

Each may run twice, and its result is handed out as soon as it is there. It knows no pixels.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, Final, Protocol, TypeVar

from pymmcore_ome.errors import OptionError

_LOOK_EVERY_S: Final = 0.5  # Windows: Ctrl-C interrupts no wait without an end
_MOST_WORKERS: Final = 256

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Job(Protocol[T_contra, R_co]):
    """What is done with each task. Called from several threads."""

    def run(self, task: T_contra, /) -> R_co:
        """Do a task, and return its result."""

    def stop(self) -> None:
        """Let the tasks that run end soon, with any error. From another thread."""


def worker_count(workers: int | None) -> int:
    """Return how many tasks run at once: as requested, else one a processor.

    Raises
    ------
    OptionError
        When it is no whole number from 1.
    """
    if workers is None:
        try:
            return len(os.sched_getaffinity(0))
        except AttributeError:  # not on Windows and macOS
            return os.cpu_count() or 1
    if type(workers) is not int or not 1 <= workers <= _MOST_WORKERS:
        raise OptionError(
            f"workers must be a whole number from 1 to {_MOST_WORKERS}, got {workers!r:.80}."
        )
    return workers


def run_tasks(job: Job[T, R], tasks: Iterable[T], workers: int) -> Iterator[tuple[T, R]]:
    """Yield each task and its result, in the order in which they are done.

    Tasks are taken from the iterable when a thread is free, so that it may be endless. When the
    caller stops, or a task fails, the tasks that run are stopped and waited for.

    Parameters
    ----------
    job : Job
    tasks : iterable
    workers : int
        Threads.

    Raises
    ------
    Exception
        The first error of a task, after the results of those that ended with it.
    """
    coming = iter(tasks)
    pool = ThreadPoolExecutor(workers, "pymmcore-ome worker")
    waiting: dict[Future[R], T] = {}

    def submit(count: int) -> None:
        for task in islice(coming, count):
            waiting[pool.submit(job.run, task)] = task

    try:
        submit(workers)
        while waiting:
            done, _ = wait(waiting, _LOOK_EVERY_S, FIRST_COMPLETED)
            failed: BaseException | None = None
            ended: list[tuple[T, Any]] = []
            for future in done:
                task = waiting.pop(future)
                error = future.exception()
                if error is None:
                    ended.append((task, future.result()))
                else:
                    failed = failed or error
            if failed is None:
                submit(len(done))
            yield from ended
            if failed is not None:
                raise failed
    finally:
        if waiting:
            job.stop()
        pool.shutdown(wait=True, cancel_futures=True)
