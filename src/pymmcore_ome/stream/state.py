"""`StreamState`: the life of a stream, from `open_stream` to the end of `close`.

A stream is OPEN while it accepts frames. If no byte is written for `stall_s` while a producer
waits for room, the producer gives up and the stream is STALLED: it accepts no more frames, and
the writer still writes the buffered ones if the disk recovers. `close` makes the stream ENDING:
the buffered frames are written, then the documents. The first error, of the writer or of the
documents, makes it FAILED, whatever it was before: buffered frames are dropped, and every later
`append` and `close` raises that error. When `close` has finished the store, as far as that was
possible, the stream is CLOSED for good.
"""

from __future__ import annotations

import threading
from enum import Enum, auto
from typing import Final

from pymmcore_ome.errors import StalledError


class StreamState(Enum):
    """Where a stream is in its life."""

    OPEN = auto()
    STALLED = auto()
    ENDING = auto()
    FAILED = auto()
    CLOSED = auto()


_NEXT: Final = {
    StreamState.OPEN: {StreamState.STALLED, StreamState.ENDING, StreamState.FAILED},
    StreamState.STALLED: {StreamState.ENDING, StreamState.FAILED},
    StreamState.ENDING: {StreamState.FAILED, StreamState.CLOSED},
    StreamState.FAILED: {StreamState.CLOSED},
    StreamState.CLOSED: set[StreamState](),
}


class StreamLife:
    """The state of one stream, shared by its parts. From any thread.

    Attributes
    ----------
    state : StreamState
    failure : BaseException or None
        The first error; it outlives the state.
    stall : StalledError or None
        Why the producer gave up.
    """

    __slots__ = ("_lock", "failure", "stall", "state")

    def __init__(self) -> None:
        self.state = StreamState.OPEN
        self.failure: BaseException | None = None
        self.stall: StalledError | None = None
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        """Whether no frame gets into the buffer any more."""
        return self.state is not StreamState.OPEN and self.state is not StreamState.STALLED

    def go_to(self, state: StreamState) -> None:
        """Move on to a state; nothing happens where the present one does not lead there."""
        with self._lock:
            if state in _NEXT[self.state]:
                self.state = state

    def stalled(self, error: StalledError) -> None:
        """Note that a producer gave up."""
        self.stall = error
        self.go_to(StreamState.STALLED)

    def fail(self, error: BaseException) -> None:
        """Latch an error; the first one is kept."""
        with self._lock:
            if self.failure is None:
                self.failure = error
            if StreamState.FAILED in _NEXT[self.state]:
                self.state = StreamState.FAILED
