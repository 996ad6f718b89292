"""`StripWriter`: brings strips to their files in a thread of its own.

Strips that wait are written together: one write of many small frames costs little more than
one. It never holds more than its caller gave and did not see done, and keeps no error from
the caller.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from .tiff_file import TiffFile

_MOST_STRIPS: Final = 128
_MOST_BYTES: Final = 16 << 20


class StripWrite:
    """A strip on its way: a `WriteFuture`."""

    __slots__ = ("_callback", "_changed", "_error", "_is_done", "file", "page", "strip")

    def __init__(self, file: TiffFile, page: int, strip: Any, changed: threading.Condition) -> None:
        self.file, self.page, self.strip = file, page, strip
        self._changed = changed
        self._is_done = False
        self._error: Exception | None = None
        self._callback: Callable[[StripWrite], Any] | None = None

    def done(self) -> bool:
        """Whether it is down, or failed."""
        return self._is_done

    def result(self) -> None:
        """Wait until it is down.

        Raises
        ------
        OSError
        """
        if not self._is_done:
            with self._changed:
                self._changed.wait_for(self.done)
        if self._error is not None:
            raise self._error

    def add_done_callback(self, callback: Callable[[StripWrite], Any], /) -> None:
        """Call this when it is down or failed; at once, if it is already."""
        with self._changed:
            if not self._is_done:
                self._callback = callback
                return
        callback(self)

    def end(self, error: Exception | None) -> Callable[[StripWrite], Any] | None:
        """Note how it ended; return whom to tell. The condition is held."""
        self._error, self.strip = error, None
        self._is_done = True
        return self._callback


class StripWriter:
    """Writes strips in the order in which they were given, in a thread of its own until `close`.

    `write` and `close` are called from one thread at a time.
    """

    def __init__(self) -> None:
        self._waiting: deque[StripWrite] = deque()
        self._given = threading.Condition()
        self._changed = threading.Condition()
        self._ended = False
        self._is_idle = False
        self._gone = threading.Event()
        # daemon: what it holds is waited for by whoever closes the stream
        self._thread = threading.Thread(target=self._run, name="pymmcore-ome tiff", daemon=True)
        self._thread.start()

    def write(self, file: TiffFile, page: int, strip: Any) -> StripWrite:
        """Bring a strip to a page of a file, soon."""
        write = StripWrite(file, page, strip, self._changed)
        self._waiting.append(write)
        if self._is_idle:  # set before it looks for the last time
            with self._given:
                self._given.notify()
        return write

    def close(self) -> None:
        """Write what was given, and end the thread."""
        with self._given:
            self._ended = True
            self._given.notify()
        self._gone.wait()  # not `join`, which must not be interrupted (bpo-45274)

    def _run(self) -> None:
        while batch := self._take():
            for file, group in groupby(batch, attrgetter("file")):
                self._store(file, list(group))
        self._gone.set()

    def _take(self) -> list[StripWrite]:
        """Return the strips to write next; none at the end."""
        if not self._waiting:
            with self._given:
                self._is_idle = True
                self._given.wait_for(lambda: self._waiting or self._ended)
                self._is_idle = False
        batch: list[StripWrite] = []
        nbytes = 0
        while self._waiting and len(batch) < _MOST_STRIPS and nbytes < _MOST_BYTES:
            batch.append(self._waiting.popleft())
            nbytes += batch[-1].strip.nbytes
        return batch

    def _store(self, file: TiffFile, writes: list[StripWrite]) -> None:
        try:
            file.store([(write.page, write.strip) for write in writes])
        except Exception as error:
            if len(writes) == 1:
                self._end(writes, error)
                return
            for write in writes:  # each by itself: those that can be down are
                self._store(file, [write])
            return
        self._end(writes, None)

    def _end(self, writes: list[StripWrite], error: Exception | None) -> None:
        with self._changed:
            callbacks = [write.end(error) for write in writes]
            self._changed.notify_all()
        for write, callback in zip(writes, callbacks, strict=True):
            if callback is not None:
                callback(write)
