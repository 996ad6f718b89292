"""`guarded`: an exception in a slot becomes a message, because Qt would abort the program.

`Background`: slow work outside the window's thread, for the newest request only.
`from_any_thread`: calls a method in the window's thread, and keeps nothing alive.
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
    """An object that shows errors."""

    def report(self, error: BaseException) -> None:
        """Show an error and what to do about it. Raises nothing."""


Slot = TypeVar("Slot", bound=Callable[..., Any])


def guarded(slot: Slot) -> Slot:
    """Wrap a method that Qt calls: its exceptions go to the object's `report`.

    Arguments of a signal that the method does not accept are omitted.
    """
    accepted: Final = len(inspect.signature(slot).parameters) - 1

    @functools.wraps(slot)
    def wrapper(self: Reports, *args: Any) -> Any:
        try:
            return slot(self, *args[:accepted])
        except Exception as error:  # the one place that catches everything
            logger.error("In %s: %s", slot.__qualname__, error, exc_info=error)
            try:
                self.report(error)
            except Exception:
                logger.exception("The error could not be shown")
            return None

    return wrapper  # type: ignore[return-value]  # the method, but it never raises


class Background(QObject):
    """Calculates in a thread, one request at a time; of waiting requests, the last wins.

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
        """Whether a result is pending."""
        return self._is_busy

    def request(self, calculate: Callable[[], object]) -> None:
        """Request a calculation, and return at once."""
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
            self._start()  # the result is outdated
        elif error is not None:
            self.failed.emit(error)
        else:
            self.done.emit(result)


def _calculated(calculate: Callable[[], object], report: Callable[..., None]) -> None:
    """Calculate, and report the result or the error; keeps no reference to the caller."""
    try:
        result = calculate()
    except Exception as error:
        report(None, error)
    else:
        report(result, None)


def from_any_thread(method: Callable[..., object]) -> Callable[..., None]:
    """Return a callable that calls a method in the window's thread.

    No other thread keeps a reference to the object, not even during the call: otherwise, that
    thread might be the last one to release a widget and destroy it, which Qt forbids. PySide6 then
    aborts the program when a timer of the widget fires. A destroyed object is not called.

    Create it in the window's thread. It can be called in any thread; in the window's thread, it
    calls at once.
    """
    kept, bell = weakref.WeakMethod(method), _bell()

    def ring(*values: Any) -> None:
        bell.rung.emit(kept, values)

    return ring


class _Bell(QObject):
    """Its slot runs in the thread that created it. Never destroyed, as other threads use it."""

    rung = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.rung.connect(self._answer)

    def _answer(self, kept: weakref.WeakMethod[Callable[..., object]], values: Any) -> None:
        method: Any = kept()
        if method is None:
            return
        owner = method.__self__
        if isinstance(owner, QObject):  # the Qt part of a closed window is gone
            is_there = isalive(owner)  # type: ignore[no-untyped-call, unused-ignore]  # without Qt
            if not is_there:
                return
        method(*values)


@functools.cache
def _bell() -> _Bell:
    return _Bell()
