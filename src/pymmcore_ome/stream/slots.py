"""`Slots`: arrays that are used again, so that a copy of a frame costs one pass over its bytes.

The system hands out fresh memory page by page and zeroes it first, which costs as much as
the copy itself.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_MOST_BYTES: Final = 64 << 20
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


class Slots:
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
            if self._free_bytes + array.nbytes <= _MOST_BYTES:
                self._free_bytes += array.nbytes
                self._free.setdefault((array.shape, array.dtype.str), deque()).append(array)
