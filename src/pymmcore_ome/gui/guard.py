"""`guarded`: an exception in a slot becomes a message, because Qt would end the program.

`Background`: work that takes a while, off the window's thread, the newest request only.
`from_any_thread`: has a method called in the window's thread, and keeps nothing alive.
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from qtpy.compat import isalive
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

    Emits `done` with a result, or `failed` with an exception, in the window's thread.
    """

    done = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: Callable[[], object] | None = None
        self._is_busy = False

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
            target=_calculated,
            args=(calculate, from_any_thread(self._on_ended)),
            name="pymmcore-ome panel",
            daemon=True,
        ).start()

    def _on_ended(self, result: object, error: Exception | None) -> None:
        self._is_busy = False
        if self._waiting is not None:
            self._start()  # what came is out of date
        elif error is not None:
            self.failed.emit(error)
        else:
            self.done.emit(result)


def _calculated(calculate: Callable[[], object], tell: Callable[..., None]) -> None:
    """Calculate, and tell of the result or the error; knows nobody who waits for it."""
    try:
        result = calculate()
    except Exception as error:
        tell(None, error)
    else:
        tell(result, None)


def from_any_thread(method: Callable[..., object]) -> Callable[..., None]:
    """Return what has a method called in the window's thread, soon.

    It keeps the object in no thread, not even while it is called: were another thread the last
    to keep it, a widget would be destroyed there, which Qt forbids. PySide6 then ends the program
    when a timer of the widget fires. Of an object that is gone, nothing is called.

    To be made in the window's thread; to be called in any. In the window's, it calls at once.
    """
    kept, bell = weakref.WeakMethod(method), _bell()

    def ring(*values: Any) -> None:
        bell.rung.emit(kept, values)

    return ring


class _Bell(QObject):
    """Is heard in the thread it was made in. Never destroyed: other threads may ring it."""

    rung = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.rung.connect(self._answer)

    def _answer(self, kept: weakref.WeakMethod[Callable[..., object]], values: Any) -> None:
        method: Any = kept()
        if method is None:
            return
        owner = method.__self__
        if isinstance(owner, QObject):  # of a closed window, Qt's part is gone
            is_there = isalive(owner)  # type: ignore[no-untyped-call, unused-ignore]  # without Qt
            if not is_there:
                return
        method(*values)


@functools.cache
def _bell() -> _Bell:
    return _Bell()
