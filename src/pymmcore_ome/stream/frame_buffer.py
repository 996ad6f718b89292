"""`FrameBuffer`: the bounded path between the acquisition and the disk.

One budget of bytes covers every frame from `put` until `release`, wherever it is: queued, in
a chunk that is gathered, or in the backend. At the budget the producer waits; nothing is
dropped and nothing grows. A failure wakes every thread that waits.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.errors import BufferFullError, Option, PymmcoreOmeError, StalledError, WriteError
from pymmcore_ome.frames import FrameRecord
from pymmcore_ome.layout import FrameAddress

from .options import STALL_S
from .state import StreamLife, StreamState

_MOST_FRAMES: Final = 512  # handed out at once
_MOST_BYTES: Final = 4 << 20
_SOME_BYTES: Final = 1 << 20  # that are worth waking the writer for
_LINGER_S: Final = 0.005
_ROOM_BYTES: Final = 4 << 20  # that are worth waking a producer for
_INTERRUPTIBLE_S: Final = 0.5  # Windows delivers Ctrl-C only between two waits


class QueuedFrame(FrameRecord):
    """A frame from `append` until its pixels are on disk, and its line of the frame table.

    Attributes
    ----------
    frame : array
        As its camera delivers it. It does not change; the chunk assembler exchanges it for
        the same pixels in a chunk.
    image_number : int
    nbytes : int
        Of the byte budget.
    is_pooled : bool
        The array goes back to the `ArrayPool`.
    is_accepted : bool
        The buffer has accepted it.
    """

    __slots__ = ("frame", "image_number", "is_accepted", "is_pooled", "nbytes")

    def __init__(
        self,
        frame: NDArray[Any],
        address: FrameAddress,
        event_index: dict[str, int],
        metadata: Mapping[str, Any] | None = None,
        *,
        arrival: int | None = None,
        channel: str | None = None,
        is_pooled: bool = False,
    ) -> None:
        image, index, self.image_number = address
        FrameRecord.__init__(
            self, image, index, event_index, metadata, arrival=arrival, channel=channel
        )
        self.frame = frame
        self.nbytes = frame.nbytes
        self.is_pooled = is_pooled
        self.is_accepted = False


@dataclass(slots=True)
class SkippedFrames:
    """Places of the plan whose frames are skipped, between the frames before and after."""

    addresses: Sequence[FrameAddress]
    nbytes: int = 0
    is_accepted: bool = False


class FrameBuffer:
    """Hands frames from one or more producers to one writer, within a byte budget.

    Parameters
    ----------
    budget_bytes : int
        A single frame larger than this passes when nothing else is held.
    stall_s : float
        How long a producer waits at most while no byte is written.
    on_put : callable, optional
        Called with each frame, before the writer can get it, and the bytes still free.
    life : StreamLife, optional
        Of the stream.

    Attributes
    ----------
    accepted : int
        Frames, so far.
    bytes_held, peak_bytes : int
        Held now; the most that were held at once.
    blocked_s : float
        Seconds that producers waited for room.
    """

    def __init__(
        self,
        budget_bytes: int,
        stall_s: float = STALL_S,
        on_put: Callable[[QueuedFrame, int], None] | None = None,
        life: StreamLife | None = None,
    ) -> None:
        self.budget_bytes = budget_bytes
        self._life = life or StreamLife()
        self._on_put = on_put
        self.make_room: Callable[[], None] | None = None  # of what waits for no producer
        self._stall_s = stall_s
        self._written_at = 0.0
        self._wanted_room = 0  # what producers wait for; 0: none waits
        self.accepted = 0
        self.blocked_s = 0.0
        self.bytes_held = self.peak_bytes = 0
        self._waiting: deque[QueuedFrame | SkippedFrames] = deque()
        self._waiting_bytes = 0
        self._wanted_bytes: int | None = None  # what the writer waits for; None: it does not
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)  # producers wait for it
        self._work = threading.Condition(self._lock)  # the writer waits for it

    def has_room(self, nbytes: int) -> bool:
        """Whether so many bytes would be accepted at once."""
        if self.make_room is not None:
            self.make_room()
        with self._lock:
            return not self._must_wait(nbytes)

    def put(self, queued: QueuedFrame | SkippedFrames) -> bool:
        """Accept a frame, waiting for room. False: the stream failed or was closed meanwhile.

        Raises
        ------
        StalledError
            When no byte was written for `stall_s`. The frame was not accepted.
        KeyboardInterrupt
            Neither was it then, unless `QueuedFrame.is_accepted`.
        """
        nbytes = queued.nbytes
        if self.make_room is not None:
            self.make_room()
        with self._lock:
            if self.bytes_held + nbytes > self.budget_bytes:
                self._wait_for_room(nbytes)
            if self._life.is_over:
                return False
            queued.is_accepted = True
            self.bytes_held += nbytes
            if self.bytes_held > self.peak_bytes:
                self.peak_bytes = self.bytes_held
            if isinstance(queued, QueuedFrame):
                self.accepted += 1
                if self._on_put is not None:
                    self._on_put(queued, self.budget_bytes - self.bytes_held)
            self._waiting.append(queued)
            self._waiting_bytes += nbytes
            if self._wanted_bytes is not None and self._waiting_bytes >= self._wanted_bytes:
                self._wake_writer()
        return True

    def take(
        self, timeout_s: float, most_bytes: int = _MOST_BYTES, most_frames: int = _MOST_FRAMES
    ) -> list[QueuedFrame | SkippedFrames]:
        """Return the next frames; none at the end, or after the timeout.

        Waits for the first one, and then a moment for others: to wake a thread costs more
        than to write a small frame.

        Parameters
        ----------
        timeout_s : float
            0: do not wait.
        most_bytes : int
            One frame may have more.
        most_frames : int
            At most 512.
        """
        most_frames = min(most_frames, _MOST_FRAMES)
        with self._lock:
            if not self._waiting and timeout_s > 0:
                self._wait_for_work(0, timeout_s)
            if self._waiting and self._waiting_bytes < _SOME_BYTES and timeout_s > 0:
                self._wait_for_work(_SOME_BYTES, _LINGER_S)
            batch: list[QueuedFrame | SkippedFrames] = []
            nbytes = 0
            while self._waiting and len(batch) < most_frames and nbytes < most_bytes:
                batch.append(self._waiting.popleft())
                nbytes += batch[-1].nbytes
            self._waiting_bytes -= nbytes
            return batch

    def release(self, nbytes: int) -> None:
        """Give bytes back to the budget: their pixels are on disk."""
        with self._lock:
            self.bytes_held -= nbytes
            self._written_at = time.perf_counter()
            if self._wanted_room and self._is_free(self._wanted_room):
                self._wanted_room = 0
                self._room.notify_all()

    def end(self) -> None:
        """Accept no more frames; the queued ones are still handed out."""
        with self._lock:
            self._life.go_to(StreamState.ENDING)
            self._room.notify_all()
            self._wake_writer()

    def fail(self, error: BaseException) -> None:
        """End the stream with an error; the first one is kept. Queued frames are dropped."""
        with self._lock:
            self._life.fail(error)
            self._waiting.clear()
            self._waiting_bytes = 0
            self._room.notify_all()
            self._wake_writer()

    @property
    def is_drained(self) -> bool:
        """Whether the stream is over and no frame is queued any more."""
        with self._lock:
            return self._life.is_over and not self._waiting

    def _wait_for_room(self, nbytes: int) -> None:
        began = self._written_at = time.perf_counter()
        while self._must_wait(nbytes):
            left_s = self._written_at + self._stall_s - time.perf_counter()
            if left_s <= 0:
                raise StalledError(
                    f"No data has been written for {self._stall_s:g} s; {self.bytes_held} bytes "
                    "are still buffered and will be written if the disk recovers. Check the disk "
                    "or the network."
                )
            self._wanted_room = max(nbytes, self._wanted_room)
            self._wake_writer()
            self._room.wait(min(left_s, _INTERRUPTIBLE_S))
        self.blocked_s += time.perf_counter() - began

    def _wait_for_work(self, wanted_bytes: int, timeout_s: float) -> None:
        """Wait until so many bytes wait, a producer does, the end is announced, or time is up."""
        if self._life.is_over or (wanted_bytes and self._wanted_room):
            return
        self._wanted_bytes = wanted_bytes
        self._work.wait(timeout_s)
        self._wanted_bytes = None

    def _wake_writer(self) -> None:
        if self._wanted_bytes is not None:
            self._wanted_bytes = None
            self._work.notify()

    def _is_free(self, nbytes: int) -> bool:
        """Whether there is room again for producers that wait, and for some frames more.

        To wake them for every frame costs more than to write it.
        """
        free = self.budget_bytes - self.bytes_held
        return not self.bytes_held or free >= max(nbytes, min(self.budget_bytes // 4, _ROOM_BYTES))

    def _must_wait(self, nbytes: int) -> bool:
        full = self.bytes_held > 0 and self.bytes_held + nbytes > self.budget_bytes
        return full and not self._life.is_over


def buffer_full(frame_number: int, buffer: FrameBuffer) -> BufferFullError:
    """Return the error of a frame for which there is no room."""
    return BufferFullError(
        f"Frame {frame_number} was rejected: {buffer.bytes_held} of {buffer.budget_bytes} bytes "
        "of the buffer are in use. Try again later, raise buffer_bytes, or wait with ",
        Option("when_full", "block"),
        ".",
    )


def write_error(path: Path, error: BaseException | None) -> PymmcoreOmeError:
    """Return the error that ended a stream, as one of ours."""
    if isinstance(error, PymmcoreOmeError):
        return error
    failure = WriteError(f"The writer of {path} stopped: {error!r}.")
    failure.__cause__ = error
    return failure


_POOL_BYTES: Final = 64 << 20
_TRIES: Final = 4


def _references_of_ours() -> int:
    """Return how many references an array has that only a local name refers to.

    Interpreters count differently. Without the global lock a count may change at any time:
    then no array is used again.
    """
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return -1
    waiting = deque([np.empty(1)])
    array = waiting.popleft()
    return sys.getrefcount(array)


_OURS: Final = _references_of_ours()


class ArrayPool:
    """Arrays by shape and dtype. It never hands out one that is still referred to.

    May be used from any thread. It keeps at most 64 MiB that are not in use.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[tuple[int, ...], str], deque[NDArray[Any]]] = {}
        self._free_bytes = 0
        self._lock = threading.Lock()

    def acquire(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array of this shape and dtype, C-contiguous, with any content."""
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
        copy = self.acquire(shape, dtype)
        np.copyto(copy, array)
        return copy

    def release(self, array: NDArray[Any]) -> None:
        """Take back an array that is not needed any more, once for each `acquire`."""
        with self._lock:
            if self._free_bytes + array.nbytes <= _POOL_BYTES:
                self._free_bytes += array.nbytes
                self._free.setdefault((array.shape, array.dtype.str), deque()).append(array)
