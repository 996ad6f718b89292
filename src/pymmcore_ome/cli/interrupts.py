"""`Interrupts`: counts Ctrl-C instead of raising an exception at an arbitrary point.

It cancels nothing itself. A signal that the shell ignores (nohup, a background job) stays ignored.
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
#: The exit code of a canceled run: the one that shells give a program ended by Ctrl-C.
CANCELED: Final = 130
_LEFT: Final = b"\nQuit without waiting. Run pymmcore-ome recover PATH to repair the store.\n"
#: After so many interrupts, the program quits at once.
_MOST: Final = 3


class Interrupts:
    """Counts interrupts within its block. A context manager, for the main thread.

    The third one ends the program at once, in case a device hangs. After the first one, interrupts
    are still counted after the block, so that they do not disturb the end of the program.

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
