"""`Gate`: no chunk or shard is read while it is being written again.

Where a chunk or a shard holds several frames, writing one of them replaces what others are
read from. A reader waits until that is done, and a writer until a reader of the same cell has
left it: so what is read is of one moment, and no open file is replaced. It reads and writes
nothing itself.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pymmcore_ome.layout import CellGrid, ImageLayout

from .block import Block, CellKey


class Gate:
    """Lets readers and one writer take turns, cell by cell. Any thread.

    Parameters
    ----------
    images : sequence of ImageLayout
        Of the layout; it may grow.
    is_needed : bool
        False: frames never share what is written at once.
    """

    def __init__(self, images: Sequence[ImageLayout], is_needed: bool) -> None:
        self._images = images
        self._is_needed = is_needed
        self._grids: dict[int, CellGrid | None] = {}
        self._alone: set[object] = set()  # kinds of images whose frames share nothing
        self._changed = threading.Condition()
        self._writing: Counter[CellKey] = Counter()
        self._reading: Counter[CellKey] = Counter()

    def grid(self, number: int) -> CellGrid | None:
        """Return how an image falls into cells of several frames; None: each has its own."""
        if not self._is_needed:
            return None
        if number not in self._grids:
            image = self._images[number]
            if image.likeness not in self._alone:
                grid = CellGrid(image, None)
                if grid.frames > 1:
                    self._grids[number] = grid
                    return grid
                self._alone.add(image.likeness)
            self._grids[number] = None
        return self._grids[number]

    def close(self, block: Block) -> None:
        """Let nobody read the cell that a block is written to, until `open`."""
        key = self._key(block)
        if key is None:
            return
        with self._changed:
            self._writing[key] += 1
            while self._reading[key]:
                self._changed.wait()

    def open(self, block: Block) -> None:
        """The block is down, or will never be."""
        key = self._key(block)
        if key is None:
            return
        with self._changed:
            self._writing[key] -= 1
            if not self._writing[key]:
                del self._writing[key]
            self._changed.notify_all()

    @contextmanager
    def reading(self, key: CellKey) -> Iterator[None]:
        """Read a cell, while it is not written; waits for it, and hold nothing else then."""
        with self._changed:
            while key in self._writing:
                self._changed.wait()
            self._reading[key] += 1
        try:
            yield
        finally:
            with self._changed:
                self._reading[key] -= 1
                if not self._reading[key]:
                    del self._reading[key]
                self._changed.notify_all()

    def _key(self, block: Block) -> CellKey | None:
        grid = self.grid(block.image)
        return None if grid is None else (block.image, grid.spot(block.start[:-2]).cell)
