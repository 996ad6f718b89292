"""`guarded`: an exception in a slot becomes a message, because Qt would end the program.

`Background`: work that takes a while, off the window's thread, the newest request only.
`emitter`: lets another thread send a signal of an object, and keeps nothing alive.
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from qtpy.QtCore import QObject, Signal

logger = logging.getLogger("pymmcore-ome")


class Reports(Protocol):
    """What can tell a person of an error."""

    def report(self, error: BaseException) -> None:
        """Show an error, in words that say what to do. Raises nothing."""


Slot = TypeVar("Slot", bound=Callable[..., Any])


def guarded(slot: Slot) -> Slot:
    """Wrap a method that Qt calls: what it raises goes to the object's `report`.

    Arguments of a signal that the method does not take are left out.
    """
    takes: Final = len(inspect.signature(slot).parameters) - 1

    @functools.wraps(slot)
    def wrapper(self: Reports, *args: Any) -> Any:
        try:
            return slot(self, *args[:takes])
        except Exception as error:  # the one place from which nothing may go on
            logger.error("In %s: %s", slot.__qualname__, error, exc_info=error)
            try:
                self.report(error)
            except Exception:
                logger.exception("The error could not be shown")
            return None

    return wrapper  # type: ignore[return-value]  # as the method, but that it never raises


class Background(QObject):
    """Calculates in a thread, one thing at a time; of requests that wait, the last wins.

    Emits `done` with a result, or `failed` with an exception, in the thread of its owner.
    """

    done = Signal(object)
    failed = Signal(object)
    _ended = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: Callable[[], object] | None = None
        self._is_busy = False
        self._ended.connect(self._on_ended)

    @property
    def is_busy(self) -> bool:
        """Whether a result is still to come."""
        return self._is_busy

    def request(self, calculate: Callable[[], object]) -> None:
        """Have something calculated; return at once."""
        self._waiting = calculate
        if not self._is_busy:
            self._start()

    def _start(self) -> None:
        calculate, self._waiting = self._waiting, None
        if calculate is None:
            return
        self._is_busy = True
        threading.Thread(
            target=self._work, args=(calculate,), name="pymmcore-ome panel", daemon=True
        ).start()

    def _work(self, calculate: Callable[[], object]) -> None:
        result, error = None, None
        try:
            result = calculate()
        except Exception as raised:
            error = raised
        try:
            self._ended.emit(result, error)
        except RuntimeError:
            return  # the window was closed, and its objects with it

    def _on_ended(self, result: object, error: Exception | None) -> None:
        self._is_busy = False
        if self._waiting is not None:
            self._start()  # what came is out of date
        elif error is not None:
            self.failed.emit(error)
        else:
            self.done.emit(result)


def emitter(owner: QObject, name: str) -> Callable[[], None]:
    """Return what sends a signal without arguments of an object, from any thread.

    It does not keep the object: were another thread the last to keep it, a widget would be
    destroyed there, which Qt forbids. Of an object that is gone, nothing is sent.
    """
    kept = weakref.ref(owner)

    def emit() -> None:
        found: Any = kept()
        if found is not None:
            with suppress(RuntimeError):  # its window was closed, and what Qt has of it is gone
                getattr(found, name).emit()

    return emit
