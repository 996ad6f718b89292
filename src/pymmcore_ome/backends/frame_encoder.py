"""`FrameEncoder`: encodes frames in threads, later ones while earlier ones are written."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from .port import FrameWrite

T = TypeVar("T")

#: What a backend that compresses takes at once: threads idle at the end of a batch.
COMPRESSED_BATCH_BYTES: Final = 256 << 20
_MAX_THREADS: Final = 8
_TASK_BYTES: Final = 1 << 18  # of small frames that are encoded together
_AHEAD_BYTES: Final = 16 << 20  # of frames that are encoded before the ones ahead are written


class FrameEncoder(Generic[T]):
    """Turns frames into what is stored of them, in order. Used from one thread.

    Parameters
    ----------
    encode : callable
        Returns what is stored of each frame. Called from several threads where it compresses.
    compresses : bool
        False: it is cheap, and called at once from the caller's thread.
    """

    def __init__(
        self, encode: Callable[[Sequence[FrameWrite]], list[T]], *, compresses: bool
    ) -> None:
        self._encode = encode
        self._pool: ThreadPoolExecutor | None = None
        self._most_tasks = 1
        if compresses:
            threads = min(_MAX_THREADS, os.cpu_count() or 1)
            self._pool = ThreadPoolExecutor(threads, "pymmcore-ome encoder")
            self._most_tasks = threads + 1

    def batches(self, frames: Sequence[FrameWrite]) -> Iterator[list[T]]:
        """Yield what is stored of frames in order, of several at once, encoding ahead."""
        if self._pool is None:
            yield self._encode(frames)
            return
        tasks = _tasks(frames)
        waiting: deque[tuple[Future[list[T]], int]] = deque()
        ahead_bytes, task = 0, next(tasks, None)
        while waiting or task is not None:
            while task is not None and (
                len(waiting) < self._most_tasks or ahead_bytes < _AHEAD_BYTES
            ):
                nbytes = sum([frame.frame.nbytes for frame in task])
                waiting.append((self._submit(self._pool, task), nbytes))
                ahead_bytes += nbytes
                task = next(tasks, None)
            encoded: list[T] = []
            while waiting and (not encoded or waiting[0][0].done()):
                future, nbytes = waiting.popleft()
                encoded += future.result()
                ahead_bytes -= nbytes
            yield encoded

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _submit(self, pool: ThreadPoolExecutor, frames: Sequence[FrameWrite]) -> Future[list[T]]:
        try:
            return pool.submit(self._encode, frames)
        except RuntimeError:  # the program ends, and takes no more work for other threads
            done: Future[list[T]] = Future()
            done.set_result(self._encode(frames))
            return done


def _tasks(frames: Sequence[FrameWrite]) -> Iterator[Sequence[FrameWrite]]:
    """Yield neighbors that are encoded together: a task of its own costs 50 microseconds."""
    first = nbytes = 0
    for number, frame in enumerate(frames, 1):
        nbytes += frame.frame.nbytes
        if nbytes >= _TASK_BYTES or number == len(frames):
            yield frames[first:number]
            first, nbytes = number, 0
