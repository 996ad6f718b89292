"""`News`: tells views that frames came, from a thread of its own.

So that a slot, however slow or broken, neither holds the acquisition nor ends it. What comes
faster than slots can hear is told together; nothing is told from `append`.
"""

from __future__ import annotations

import logging
import threading
import weakref
from typing import Final, Protocol

logger = logging.getLogger("pymmcore-ome")
_PAUSE_S: Final = 0.01  # between two rounds, so that many small frames are told together


class Told(Protocol):
    """A view, as far as news go."""

    def tell(self) -> None: ...


class News:
    """Tells every view of a stream, while somebody has it."""

    def __init__(self) -> None:
        self._views: weakref.WeakSet[Told] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._came = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, view: Told) -> None:
        """Tell this view, from now on until it is let go or the stream ends."""
        with self._lock:
            self._views.add(view)
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(
                    target=self._run, name="pymmcore-ome views", daemon=True
                )
                self._thread.start()

    def came(self) -> None:
        """There is something to tell. Returns at once."""
        self._came.set()

    def end(self) -> None:
        """Tell the last news; wait for nobody."""
        self._ended.set()
        self._came.set()

    def _run(self) -> None:
        while True:
            self._came.wait()
            self._came.clear()
            is_last = self._ended.is_set()
            with self._lock:
                views = list(self._views)
            for view in views:
                try:
                    view.tell()
                except Exception:  # a slot's error is not the acquisition's
                    logger.exception("A slot of %r failed", view)
            del views
            if is_last:
                return
            self._ended.wait(_PAUSE_S)
