"""`LivePixels`: the frames that a stream has taken, wherever they are: in memory or on disk.

What it returns is of one moment: frames that were taken before it was asked, and zeros where
none was. It never waits for the acquisition, and never takes what is on disk for a frame
that is not down.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import Picks, PlaneReader, selected_shape
from pymmcore_ome.errors import UnreadableFrameError
from pymmcore_ome.layout import ImageLayout
from pymmcore_ome.layout.cells import boxes

from .block import CellKey
from .gate import Gate
from .in_flight import FramesInFlight
from .news import News, Told
from .store import Store

_MAX_OPEN: Final = 128
Box = tuple[slice, ...]


class LivePixels:
    """Reads every image of a store, while it is written and after. From any thread.

    Attributes
    ----------
    frames : FramesInFlight
    gate : Gate
    news : News
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._backend = store.backend
        self.images: Sequence[ImageLayout] = store.layout.images
        self.frames = FramesInFlight(self.images, keeps=not self._backend.reads_at_once)
        self.gate = Gate(self.images, is_needed=_shares_cells(store))
        self.news = News()
        self._lock = threading.Lock()
        self._readers: OrderedDict[int, PlaneReader] = OrderedDict()

    def watch(self, view: Told) -> None:
        """Tell a view of frames that come, for as long as somebody has it."""
        self.frames.on_news = self.news.came
        self.news.tell(view)
        self.news.came()

    def end(self) -> None:
        """The store is closed, whatever became of it: what is on disk is all there is."""
        self.frames.end(self._store.proven)
        self.news.end()

    def read(self, number: int, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a block of an image; see `PlaneReader`.

        Raises
        ------
        UnreadableFrameError
            When a frame of it was taken, and can be read neither from memory nor from disk.
        NotAStoreError
            When the store was deleted, moved or replaced.
        """
        image = self.images[number]
        unit = image.block_shape[:-2]
        block = np.zeros(selected_shape(picks, rows, columns), image.dtype)
        if not block.size:
            return block
        self._store.check_in_place()
        planes = [
            pick if step == 1 else np.unique(pick // step)
            for pick, step in zip(picks, unit, strict=True)
        ]
        needed, frames = self.frames.snapshot(number, planes)
        for plane, pixels in frames.items():
            self._put(block, picks, unit, plane, pixels[..., rows, columns])
            spot = (int(np.searchsorted(p, n)) for p, n in zip(planes, plane, strict=True))
            needed[tuple(spot)] = False
        if not needed.any():
            return block
        reader = self._reader(number)
        if reader is None:
            raise self._unreadable(image, planes, needed)
        edges = [  # where the elements of each plane begin
            [*pick.searchsorted(plane * step).tolist(), len(pick)]
            for pick, plane, step in zip(picks, planes, unit, strict=True)
        ]
        for key, box in self._boxes(number, planes, needed):
            region = tuple(
                slice(edge[part.start], edge[part.stop])
                for edge, part in zip(edges, box, strict=True)
            )
            inside = [pick[part] for pick, part in zip(picks, region, strict=True)]
            with nullcontext() if key is None else self.gate.reading(key):
                block[region] = reader.read(inside, rows, columns)
        return block

    @staticmethod
    def _put(
        block: NDArray[Any],
        picks: Picks,
        unit: tuple[int, ...],
        plane: tuple[int, ...],
        pixels: NDArray[Any],
    ) -> None:
        """Put what is wanted of a frame where it belongs."""
        spots, wanted = [], []
        for pick, step, n in zip(picks, unit, plane, strict=True):
            first, last = np.searchsorted(pick, (n * step, n * step + step)).tolist()
            spots.append(slice(first, last))
            wanted.append(pick[first:last] - n * step)
        block[tuple(spots)] = pixels[np.ix_(*wanted)] if wanted else pixels

    def _boxes(
        self, number: int, planes: Picks, needed: NDArray[np.bool_]
    ) -> Iterator[tuple[CellKey | None, Box]]:
        """Yield boxes of the mesh that hold what is needed, and the cell of each."""
        grid = self.gate.grid(number)
        if grid is None:
            yield from ((None, box) for box in boxes(needed))
            return
        parts = []  # of each axis: the cells that it touches, and which of the mesh are in them
        for axis, plane in enumerate(planes):
            cells = [grid.cell_of(axis, int(n)) for n in plane]
            firsts = [n for n, cell in enumerate(cells) if n == 0 or cell != cells[n - 1]]
            ends = [*firsts[1:], len(cells)]
            parts.append([(cells[a], slice(a, b)) for a, b in zip(firsts, ends, strict=True)])
        for chosen in product(*parts):
            inside = tuple(part for _, part in chosen)
            for box in boxes(needed[inside]):
                yield (
                    (number, tuple(cell for cell, _ in chosen)),
                    tuple(
                        slice(part.start + b.start, part.start + b.stop)
                        for part, b in zip(inside, box, strict=True)
                    ),
                )

    def _reader(self, number: int) -> PlaneReader | None:
        with self._lock:
            reader = self._readers.get(number)
            if reader is not None:
                self._readers.move_to_end(number)
                return reader
        reader = self._backend.reader(number)
        if reader is None and self._store.is_finished:
            reader = self._store.stored_array(number)
        if reader is not None:
            with self._lock:
                self._readers[number] = reader
                if len(self._readers) > _MAX_OPEN:
                    self._readers.popitem(last=False)
        return reader

    def _unreadable(
        self, image: ImageLayout, planes: Picks, needed: NDArray[np.bool_]
    ) -> UnreadableFrameError:
        first = [int(pick[n]) for pick, n in zip(planes, np.argwhere(needed)[0], strict=True)]
        index = tuple(n * step for n, step in zip(first, image.block_shape, strict=False))
        name = self._store.layout.frame_name(image, index)
        return UnreadableFrameError(
            f"The frame at {name}, and {int(needed.sum()) - 1} more of what was asked for: it was "
            f"acquired, but {self._backend.name} lets nobody read an image before its last frame, "
            "and only the newest frames are kept in memory. Read it when the image is full or the "
            "stream closed, ask for a view before the first frame and raise buffer_bytes, or use "
            "the backend tensorstore."
        )


def _shares_cells(store: Store) -> bool:
    """Whether frames may share what is written at once, and are read before the end."""
    return store.backend.pages is None and store.backend.reads_at_once
