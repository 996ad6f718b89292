"""`Interrupts`: Ctrl-C as a wish that is noted, not as an exception in the middle of something.

It cancels nothing itself. Where the shell ignores a signal (nohup, a job in the background), it
stays ignored.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final, Self

#: Ctrl-C everywhere, Ctrl-Break and a closed window on Windows, a polite `kill`, and a terminal
#: that closes (ssh, tmux).
_SIGNALS: Final = ("SIGINT", "SIGBREAK", "SIGTERM", "SIGHUP")
#: The exit code of a run that was cancelled: what shells give a program that Ctrl-C ended.
CANCELED: Final = 130
_LEFT: Final = b"\nLeft without waiting. pymmcore-ome recover PATH finishes what was saved.\n"
#: How often Ctrl-C has to come until nothing is waited for any more.
_MOST: Final = 3


class Interrupts:
    """Notes interrupts within its block. A context manager, for the main thread.

    The third one ends the program at once: a device that hangs cannot be waited for. Once there
    was one, they go on being noted after the block: impatience must not spoil the program's end.

    Attributes
    ----------
    count : int
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[int, Any] = {}
        # asked now: once it is gone, it is no terminal
        self._terminals = [stream for stream in (1, 2) if os.isatty(stream)]

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if not self.count:
            for number, before in self._before.items():
                signal.signal(number, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if number == getattr(signal, "SIGHUP", None):
            _write_nowhere(
                self._terminals
            )  # a terminal that is gone refuses all text, with an error
        if self.count >= _MOST:
            os.write(2, _LEFT)
            os._exit(CANCELED)


def _write_nowhere(streams: Sequence[int]) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream)
    os.close(nowhere)
