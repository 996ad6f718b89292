"""`Block`: one write, and the frames that are down when it is. It writes nothing itself."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.layout import ArraySpec, ChunkGrid, FrameAddress, ImageLayout, Layout, boxes

from .buffer import ArrayPool, QueuedFrame, SkippedFrames
from .options import CHECKPOINT_S

ChunkKey = tuple[int, tuple[int, ...]]  # image number, and which of its cells


class Block(NamedTuple):
    """Pixels that go to the backend in one write.

    Attributes
    ----------
    image : int
    start : tuple of int
        First element in storage order, y and x included.
    end : tuple of int
        One past the last element of a frame, where the image grows: the array must reach to
        here. Pixels beyond what it then has are places without a frame, and are not to be
        written.
    pixels : array
        As many axes as the image.
    frames : tuple of QueuedFrame
        In order of arrival.
    chunk : tuple or None
        The chunk that it is a part of, where frames are gathered.
    is_whole : bool
        It covers its chunk, places without a frame included: a later block of the chunk
        must not be written before this one is on disk.
    pooled : array or None
        What goes back to `ArrayPool` when this is on disk.
    """

    image: int
    start: tuple[int, ...]
    end: tuple[int, ...]
    pixels: NDArray[Any]
    frames: tuple[QueuedFrame, ...]
    chunk: ChunkKey | None = None
    is_whole: bool = False
    pooled: NDArray[Any] | None = None

    @classmethod
    def of_frame(cls, queued: QueuedFrame, image: ImageLayout, chunk: ChunkKey | None) -> Self:
        """Return a frame alone, without a copy."""
        start = end = (*queued.index, 0, 0)
        if image.spec.unbounded_axes:
            end = tuple([a + b for a, b in zip(start, image.spec.block_shape, strict=True)])
        pixels = image.spec.frame_to_block(queued.frame)
        pooled = queued.frame if queued.is_pooled else None
        return cls(image.number, start, end, pixels, (queued,), chunk, False, pooled)

    def pixels_within(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the pixels that an array of this shape has a place for."""
        return self.pixels[
            tuple(slice(size - first) for size, first in zip(shape, self.start, strict=True))
        ]


logger = logging.getLogger("pymmcore-ome")
_FREE, _HOLE, _HELD, _GIVEN = range(4)  # what is at a place of a cell
_Held = tuple[tuple[int, ...], QueuedFrame]  # its place in the chunk
_Part = tuple[tuple[slice, ...], list[_Held]]


class _Cell:
    """What is known of one cell that is not complete. `pixels` None: it is not open."""

    __slots__ = ("free", "held", "is_fresh", "opened_at", "pixels", "places")

    def __init__(self, grid: ChunkGrid, number: tuple[int, ...]) -> None:
        self.places = np.full(grid.places(number), _FREE, np.uint8)
        self.free = self.places.size
        for place in grid.unplanned(number):
            self.places[place] = _HOLE
            self.free -= 1
        self.held: list[_Held] = []
        self.pixels: NDArray[Any] | None = None
        self.is_fresh = True
        self.opened_at = 0.0

    def settle(self, place: tuple[int, ...], what: int) -> None:
        """Note a frame or a hole. A frame may still come where a hole was announced."""
        was_free = self.places[place] == _FREE
        self.free -= int(was_free)
        if was_free or what == _HELD:
            self.places[place] = what


class ChunkAssembler:
    """Turns frames in order of arrival into blocks to write. One thread at a time.

    A cell (`ChunkGrid`) is handed out when the last of its frames has come or is known not to
    come; before that when it has been open for `checkpoint_s`, when room is needed, and at
    the end. Frames pass through without a copy where a cell is one frame, or too large.

    The frames that are held open are at most half of the budget, and the other half is
    enough for the largest frame of a cell: so a producer never waits for frames that
    only it could bring.

    Parameters
    ----------
    layout : Layout
    budget_bytes : int
        Of the frame buffer.
    pool : ArrayPool, optional
        Where the pixels of cells come from, and frames that were copied into them go.
    gathers : bool
        False: every frame passes through.
    checkpoint_s : float
        How long a cell stays open at most, so that a crash loses little.
    clock : callable
        Seconds that only rise.
    """

    def __init__(
        self,
        layout: Layout,
        budget_bytes: int,
        *,
        pool: ArrayPool | None = None,
        gathers: bool = True,
        checkpoint_s: float = CHECKPOINT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.open_bytes = 0  # whole cells, also where frames are still to come
        self._layout = layout
        self._budget_bytes = budget_bytes
        self._pool = ArrayPool() if pool is None else pool
        self._most_bytes = budget_bytes // 2
        self._gathers = gathers
        self._checkpoint_s = checkpoint_s
        self._clock = clock
        self._grids: dict[int, ChunkGrid | None] = {}
        self._passing: set[ArraySpec] = set()  # whose frames pass through
        self._cells: dict[ChunkKey, _Cell] = {}
        self._open: OrderedDict[ChunkKey, _Cell] = OrderedDict()  # oldest first
        self._closed: set[ChunkKey] = set()  # complete with holes, where a frame may still come
        self._warned: set[str] = set()
        # every image now, so that what is too large is said when the store is opened
        alike = {image.spec: image.number for image in layout.images}
        grids = [self._grid(number) for number in alike.values()]
        self.is_gathering = any(grids)

    def add(self, message: QueuedFrame | SkippedFrames | None) -> Iterator[Block]:
        """Accept what the buffer gave; yield the blocks that are to be written now."""
        if isinstance(message, QueuedFrame):
            yield from self._add_frame(message)
        elif message is not None:
            for address in message.addresses:
                yield from self._skip(address)
        while self._open:
            key = next(iter(self._open))
            if self._clock() - self._open[key].opened_at < self._checkpoint_s:
                break
            yield from self._flush(key)

    def rest(self) -> Iterator[Block]:
        """Yield everything that is still held, complete or not."""
        for key in list(self._open):
            yield from self._flush(key)

    def _add_frame(self, queued: QueuedFrame) -> Iterator[Block]:
        number, index = queued.image_number, queued.index
        grid = self._grid(number)
        if grid is None:
            yield Block.of_frame(queued, self._layout.images[number], None)
            return
        spot = grid.spot(index)
        key = number, spot.cell
        if key in self._closed:
            yield Block.of_frame(queued, grid.image, key)
            return
        cell = self._cell(grid, key)
        if cell.pixels is None:
            yield from self._make_room(grid)
            shape = grid.elements(cell.places.shape)
            shape = (*shape, *grid.image.shape[-2:])
            cell.pixels = self._pool.acquire(shape, grid.image.spec.frame_dtype)
            cell.opened_at = self._clock()
            self._open[key] = cell
            self.open_bytes += cell.pixels.nbytes
        if grid.is_plain:
            held = cell.pixels[spot.place]
        else:
            spec = grid.image.spec
            held = spec.block_to_frame(cell.pixels[spec.block_key(grid.elements(spot.place))])
        np.copyto(held, queued.frame)
        if queued.is_pooled:
            self._pool.release(queued.frame)
        queued.frame = held
        cell.settle(spot.place, _HELD)
        cell.held.append((spot.place, queued))
        if not cell.free:
            yield from self._flush(key)

    def _skip(self, address: FrameAddress) -> Iterator[Block]:
        grid = self._grid(address.image_number)
        if grid is None:
            return
        spot = grid.spot(address.index)
        key = address.image_number, spot.cell
        if key in self._closed:
            return
        cell = self._cell(grid, key)
        cell.settle(spot.place, _HOLE)
        if not cell.free:
            yield from self._flush(key)

    def _cell(self, grid: ChunkGrid, key: ChunkKey) -> _Cell:
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell(grid, key[1])
        return cell

    def _make_room(self, grid: ChunkGrid) -> Iterator[Block]:
        while self._open and self.open_bytes + grid.nbytes > self._most_bytes:
            self._warn(
                "room",
                "More chunks or shards are being filled at once than half of buffer_bytes holds: "
                "they are written in parts, which is slow. Raise buffer_bytes, or choose chunks "
                "and shards along the axes that the acquisition runs through fastest.",
            )
            yield from self._flush(next(iter(self._open)))

    def _flush(self, key: ChunkKey) -> Iterator[Block]:
        """Hand out what a cell holds, and forget what need not be known any more."""
        cell = self._cells[key]
        if cell.pixels is not None:
            yield from self._blocks(key, cell, cell.pixels)
            del self._open[key]
            self.open_bytes -= cell.pixels.nbytes
            cell.pixels, cell.held, cell.is_fresh = None, [], False
        if not cell.free:
            del self._cells[key]
            if (cell.places == _HOLE).any():
                self._closed.add(key)

    def _blocks(self, key: ChunkKey, cell: _Cell, pixels: NDArray[Any]) -> Iterator[Block]:
        """Yield the cell at once if nothing of it is on disk, else only what came since."""
        grid = self._grid(key[0])
        assert grid is not None
        start, plane = grid.start(key[1]), grid.image.shape[-2:]
        for box, inside in self._parts(cell, pixels, grid):
            first = grid.elements(tuple(s.start for s in box))
            if len(inside) == cell.places.size:
                reach = cell.places.shape
            else:
                reach = tuple(max(at) + 1 for at in zip(*(p for p, _ in inside), strict=True))
            size = grid.elements(tuple(s.stop - s.start for s in box))
            yield Block(
                image=key[0],
                start=(*_sum(start, first), 0, 0),
                end=(*_sum(start, grid.elements(reach)), *plane),
                pixels=pixels if cell.is_fresh else pixels[_region(first, size)],
                frames=tuple([queued for _, queued in inside]),
                chunk=key,
                is_whole=cell.is_fresh,
                pooled=pixels if cell.is_fresh else None,
            )

    def _parts(self, cell: _Cell, pixels: NDArray[Any], grid: ChunkGrid) -> list[_Part]:
        """Return the boxes in which a cell is written, and the frames in each."""
        if cell.is_fresh:
            if len(cell.held) < cell.places.size:  # a pooled array holds what was there before
                for place in zip(*np.nonzero(cell.places != _HELD), strict=True):
                    pixels[_region(grid.elements(place), grid.elements((1,) * len(place)))] = 0
            cell.places[cell.places == _HELD] = _GIVEN
            return [(tuple(slice(0, size) for size in cell.places.shape), cell.held)]
        held = cell.places == _HELD
        cell.places[held] = _GIVEN
        parts: list[_Part] = [(box, []) for box in boxes(held)]
        owner = np.zeros(held.shape, np.intp)
        for n, (box, _) in enumerate(parts):
            owner[box] = n
        for frame in cell.held:
            parts[owner[frame[0]]][1].append(frame)
        return parts

    def _grid(self, number: int) -> ChunkGrid | None:
        """Return how an image falls into cells; None where its frames pass through."""
        if not self._gathers:
            return None
        if number not in self._grids:
            image = self._layout.images[number]
            if image.spec in self._passing:
                self._grids[number] = None
                return None
            grid = ChunkGrid(image, self._layout.order)
            is_large = grid.nbytes > self._most_bytes
            if grid.frames > 1 and is_large:
                self._warn(
                    "large",
                    f"Image {grid.image.path!r}: a chunk (or shard) of {grid.frames} frames is "
                    f"{grid.nbytes} bytes, more than half of buffer_bytes "
                    f"({self._budget_bytes}): its frames are written one by one, which is "
                    f"slow. Set buffer_bytes to {2 * grid.nbytes} or more, or choose smaller "
                    "chunks and shards.",
                )
            if grid.frames == 1 or is_large:
                self._passing.add(image.spec)
            self._grids[number] = None if grid.frames == 1 or is_large else grid
        return self._grids[number]

    def _warn(self, what: str, text: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            logger.warning(text)


def _sum(one: Iterable[int], other: Iterable[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _region(first: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))
