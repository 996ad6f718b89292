"""`Listing`: from pixels that are down to the frame table, documents first.

A frame is listed only when the documents tell of its image and its pages, so that what is
listed can be found. Documents of a store that grows are written seldom enough that they
cost little: it decides when, and writes no pixel.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from .block import Block
from .options import StreamOptions
from .store import Store

_PAUSE: Final = 10  # times as long as the documents took the last time
_FREE_BYTES: Final = 1 << 20
_SHARE: Final = 10  # documents may be a tenth of the pixels


class Listing:
    """Lists frames whose pixels are down. Used by the writer's thread alone.

    Attributes
    ----------
    frames, bytes : int
        Listed so far.
    """

    def __init__(self, store: Store, options: StreamOptions) -> None:
        self.frames = 0
        self.bytes = 0
        self._store = store
        self._checkpoint_s = options.checkpoint_s
        self._waiting: list[Block] = []
        self._said_at = -1e9
        self._said_s = 0.0
        self._said_bytes = 0
        self._last_bytes = 0

    @property
    def is_waiting(self) -> bool:
        """Whether frames wait for the documents."""
        return bool(self._waiting)

    def add(self, blocks: Iterable[Block], image_count: int) -> None:
        """List the frames of blocks, now or as soon as the documents tell of them."""
        self._waiting += blocks
        self.go_on(image_count)

    def go_on(self, image_count: int, *, must: bool = False) -> None:
        """List what waits, when the documents may be written, or must be.

        Raises
        ------
        OSError
        """
        if not self._store.is_said:
            if not must and not self._may_say():
                return
            began = time.monotonic()
            self._last_bytes = self._store.say(image_count)
            self._said_at = time.monotonic()
            self._said_s = self._said_at - began
            self._said_bytes += self._last_bytes
        for block in self._waiting:
            for record in block.records:
                self._store.journal.append(record)
            self.frames += len(block.records)
            self.bytes += block.nbytes
        self._waiting.clear()

    def _may_say(self) -> bool:
        passed_s = time.monotonic() - self._said_at
        if passed_s >= self._checkpoint_s:
            return True
        room = _FREE_BYTES + self.bytes // _SHARE
        is_small = self._said_bytes + self._last_bytes <= room
        return is_small and passed_s >= _PAUSE * self._said_s
