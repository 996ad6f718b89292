"""`FrameBuffer`: the bounded path between the acquisition and the disk.

One budget of bytes covers every frame from `put` until `release`, wherever it is: waiting,
or on its way in the backend. At the budget the producer waits; nothing is dropped and
nothing grows. A failure wakes everybody.
"""

from __future__ import annotations

import errno
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.errors import BufferFullError, Option, PymmcoreOmeError, StalledError, WriteError
from pymmcore_ome.frames import FrameRecord
from pymmcore_ome.layout import FrameAddress

from .options import STALL_S

_MOST_PARCELS: Final = 32
_MOST_BYTES: Final = 4 << 20
_SOME_BYTES: Final = 4 << 20


class QueuedFrame(NamedTuple):
    """One frame on its way. The buffer owns the array: nobody else writes to it."""

    frame: NDArray[np.generic]
    address: FrameAddress
    record: FrameRecord
    is_slot: bool = False  # the array is one of `ArrayPool`

    @property
    def nbytes(self) -> int:
        """What it takes of the budget."""
        return self.frame.nbytes


@dataclass(frozen=True, slots=True)
class SkippedFrames:
    """Places of the plan whose frames will not come, between the frames before and after."""

    addresses: Sequence[FrameAddress]
    nbytes: int = 0


class FrameBuffer:
    """Hands parcels from one or more producers to one writer, within a byte budget.

    Parameters
    ----------
    budget_bytes : int
        A single frame larger than this passes when nothing else is held.
    stall_s : float
        How long a producer waits while not one byte goes down, at most.
    on_taken : callable, optional
        Told of each frame, before anybody can take it out, and how many bytes are still free.
    """

    def __init__(
        self,
        budget_bytes: int,
        stall_s: float = STALL_S,
        on_taken: Callable[[QueuedFrame, int], None] | None = None,
    ) -> None:
        self.budget_bytes = budget_bytes
        self._on_taken = on_taken
        self._stall_s = stall_s
        self._moved_at = 0.0
        self._must_be_free = 0
        self.blocked_s = 0.0
        self.bytes_held = 0
        self._waiting: deque[QueuedFrame | SkippedFrames] = deque()
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)  # producers wait for it
        self._work = threading.Condition(self._lock)  # the writer waits for it
        self._error: BaseException | None = None
        self._ended = False
        self._poked = False

    @property
    def error(self) -> BaseException | None:
        """What ended the path, or None while it is open."""
        return self._error

    def has_room(self, nbytes: int) -> bool:
        """Whether so many bytes would be taken in at once."""
        with self._lock:
            return not self._must_wait(nbytes)

    def put(self, parcel: QueuedFrame | SkippedFrames) -> bool:
        """Take a parcel in, waiting for room. False: the path failed or ended meanwhile.

        Raises
        ------
        StalledError
            When nothing at all went down for `stall_s`. The parcel was not taken.
        """
        nbytes = parcel.nbytes
        with self._lock:
            if self._must_wait(nbytes):
                began = self._moved_at = time.perf_counter()
                while self._must_wait(nbytes):
                    left_s = self._moved_at + self._stall_s - time.perf_counter()
                    if left_s <= 0:
                        raise StalledError(
                            f"The disk has taken nothing for {self._stall_s:g} s, while "
                            f"{self.bytes_held} bytes wait. They are kept, and written if it "
                            "comes back. Check the disk or the network."
                        )
                    self._must_be_free = max(nbytes, self._must_be_free)
                    self._room.wait(left_s)
                self.blocked_s += time.perf_counter() - began
            if self._error is not None or self._ended:
                return False
            self.bytes_held += nbytes
            if self._on_taken is not None and isinstance(parcel, QueuedFrame):
                self._on_taken(parcel, self.budget_bytes - self.bytes_held)
            self._waiting.append(parcel)
            self._work.notify()
        return True

    def take(self, timeout_s: float) -> list[QueuedFrame | SkippedFrames]:
        """Return what is next, several at once where they are small.

        Nothing after a poke, at the end, or after the timeout.
        """
        with self._lock:
            self._work.wait_for(
                lambda: self._waiting or self._ended or self._poked, timeout=timeout_s
            )
            self._poked = False
            taken: list[QueuedFrame | SkippedFrames] = []
            nbytes = 0
            while self._waiting and len(taken) < _MOST_PARCELS and nbytes < _MOST_BYTES:
                taken.append(self._waiting.popleft())
                nbytes += taken[-1].nbytes
            return taken

    def release(self, nbytes: int) -> None:
        """Give bytes back to the budget: their pixels are down."""
        with self._lock:
            self.bytes_held -= nbytes
            self._moved_at = time.perf_counter()
            if self._must_be_free and self._is_free(self._must_be_free):
                self._must_be_free = 0
                self._room.notify_all()

    def poke(self) -> None:
        """Wake the writer: something that it waits for has happened."""
        if self._poked:  # it was not awake since, and will see this, too
            return
        with self._lock:
            self._poked = True
            self._work.notify()

    def end(self) -> None:
        """Let no more parcels in; those inside are still handed out."""
        with self._lock:
            self._ended = True
            self._room.notify_all()
            self._work.notify()

    def fail(self, error: BaseException) -> None:
        """End the path with an error; the first one is kept. Waiting parcels are let go."""
        with self._lock:
            if self._error is None:
                self._error = error
            self._ended = True
            self._waiting.clear()
            self._room.notify_all()
            self._work.notify()

    @property
    def drained(self) -> bool:
        """Whether the end was announced and nothing waits any more."""
        with self._lock:
            return self._ended and not self._waiting

    def _is_free(self, nbytes: int) -> bool:
        """Whether there is room again for producers that wait, and for some frames more.

        To wake them for every frame would cost more than to write it.
        """
        free = self.budget_bytes - self.bytes_held
        return not self.bytes_held or free >= max(nbytes, min(self.budget_bytes // 4, _SOME_BYTES))

    def _must_wait(self, nbytes: int) -> bool:
        full = self.bytes_held > 0 and self.bytes_held + nbytes > self.budget_bytes
        return full and self._error is None and not self._ended


_FULL: Final = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # no quota on Windows


def buffer_full(frame_number: int, buffer: FrameBuffer) -> BufferFullError:
    """Return the error of a frame for which there is no room."""
    return BufferFullError(
        f"Frame {frame_number} was not taken: {buffer.bytes_held} of {buffer.budget_bytes} bytes "
        "are waiting for the disk. Try again later, raise buffer_bytes, or wait with ",
        Option("when_full", "block"),
        ".",
    )


def write_error(path: Path, error: BaseException | None) -> PymmcoreOmeError:
    """Return what ended a stream, as an error of ours."""
    if isinstance(error, PymmcoreOmeError):
        return error
    failure = WriteError(f"The writer of {path} stopped: {error!r}.")
    failure.__cause__ = error
    return failure


def what_to_do(error: BaseException) -> str:
    """Return what a user may do about a write that failed."""
    if "No space left" in str(error) or (isinstance(error, OSError) and error.errno in _FULL):
        return "Make room on the disk, or choose another, and run again"
    return "Check the disk"


def finish_error(path: Path, left_behind: str, error: Exception) -> WriteError:
    """Return the error of a store whose last documents or pixels could not be written."""
    failure = WriteError(
        f"{path}: the store could not be finished: {error}. {left_behind}. {what_to_do(error)}."
    )
    failure.__cause__ = error
    return failure


_POOL_BYTES: Final = 64 << 20
_TRIES: Final = 4


def _references_of_ours() -> int:
    """Return how many references an array has that only a local name refers to.

    Interpreters count differently. Where several threads may change a count at once it
    tells nothing, and no array is used again.
    """
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return -1
    waiting = deque([np.empty(1)])
    array = waiting.popleft()
    return sys.getrefcount(array)


_OURS: Final = _references_of_ours()


class ArrayPool:
    """Arrays by shape and dtype. It never hands out one to which anybody still refers.

    May be used from any thread. It keeps at most 64 MiB that nobody uses.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[tuple[int, ...], str], deque[NDArray[Any]]] = {}
        self._free_bytes = 0
        self._lock = threading.Lock()

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array of this shape and dtype, C-contiguous, with whatever is in it."""
        with self._lock:
            waiting = self._free.get((shape, dtype.str), deque())
            for _ in range(min(_TRIES, len(waiting))):
                array = waiting.pop()  # the last one is still in the processor's cache, perhaps
                if sys.getrefcount(array) == _OURS:
                    self._free_bytes -= array.nbytes
                    return array
                waiting.appendleft(array)  # a storage library, or a view, still looks at it
        return np.empty(shape, dtype)

    def copy_of(
        self, array: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Return the same numbers in an array of this dtype, C-contiguous."""
        copy = self.take(shape, dtype)
        np.copyto(copy, array)
        return copy

    def give(self, array: NDArray[Any]) -> None:
        """Take an array back whose pixels are down. Given once for each time it was taken."""
        with self._lock:
            if self._free_bytes + array.nbytes <= _POOL_BYTES:
                self._free_bytes += array.nbytes
                self._free.setdefault((array.shape, array.dtype.str), deque()).append(array)
