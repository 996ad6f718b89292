"""`ChunkAssembler`: gathers frames until their chunk, or shard, is complete. It writes nothing."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.layout import ArraySpec, ChunkGrid, FrameAddress, ImageLayout, Layout, boxes

from .frame_buffer import ArrayPool, QueuedFrame, SkippedFrames
from .options import CHECKPOINT_S

ChunkKey = tuple[int, tuple[int, ...]]  # image number, and which of its chunks


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
_FREE, _HOLE, _HELD, _WRITTEN = range(4)  # what is at an offset of a chunk
_Held = tuple[tuple[int, ...], QueuedFrame]  # its offset in the chunk
_Part = tuple[tuple[slice, ...], list[_Held]]


class _PartialChunk:
    """A chunk that is not complete. `pixels` None: it is not open."""

    __slots__ = ("free", "held", "is_fresh", "opened_at", "pixels", "states")

    def __init__(self, grid: ChunkGrid, chunk_index: tuple[int, ...]) -> None:
        self.states = np.full(grid.frame_counts(chunk_index), _FREE, np.uint8)
        self.free = self.states.size
        for offset in grid.unplanned(chunk_index):
            self.states[offset] = _HOLE
            self.free -= 1
        self.held: list[_Held] = []
        self.pixels: NDArray[Any] | None = None
        self.is_fresh = True
        self.opened_at = 0.0

    def settle(self, offset: tuple[int, ...], state: int) -> None:
        """Note a frame or a hole. A frame may still arrive where a hole was announced."""
        was_free = self.states[offset] == _FREE
        self.free -= int(was_free)
        if was_free or state == _HELD:
            self.states[offset] = state


class ChunkAssembler:
    """Turns frames in order of arrival into blocks to write. One thread at a time.

    A chunk (`ChunkGrid`) is handed out when its last frame has arrived or was skipped; before
    that when it has been open for `checkpoint_s`, when room is needed, and at the end. Frames
    pass through without a copy if a chunk is one frame, or too large.

    The frames that are held open are at most half of the budget, and the other half is
    enough for the largest frame of a chunk: so a producer never waits for frames that
    only it can append.

    Parameters
    ----------
    layout : Layout
    budget_bytes : int
        Of the frame buffer.
    pool : ArrayPool, optional
        Where the pixels of chunks come from, and frames that were copied into them go.
    gathers : bool
        False: every frame passes through.
    checkpoint_s : float
        How long a chunk stays open at most, so that a crash loses little.
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
        self.open_bytes = 0  # whole chunks, frames that are still to arrive included
        self._layout = layout
        self._budget_bytes = budget_bytes
        self._pool = ArrayPool() if pool is None else pool
        self._most_bytes = budget_bytes // 2
        self._gathers = gathers
        self._checkpoint_s = checkpoint_s
        self._clock = clock
        self._grids: dict[ArraySpec, ChunkGrid | None] = {}
        self._partial: dict[ChunkKey, _PartialChunk] = {}
        self._open: OrderedDict[ChunkKey, _PartialChunk] = OrderedDict()  # oldest first
        self._closed: set[ChunkKey] = set()  # complete with holes, where frames may still arrive
        self._warned: set[str] = set()
        # every image now, so that chunks that are too large are reported when the store is opened
        first_images = {image.spec: image for image in reversed(layout.images)}
        grids = [self._grid(image) for image in first_images.values()]
        self.is_gathering = any(grids)

    def add(self, queued: QueuedFrame | SkippedFrames) -> Iterator[Block]:
        """Accept what the buffer gave; yield the blocks that are to be written now."""
        if isinstance(queued, QueuedFrame):
            yield from self._add_frame(queued)
        else:
            for address in queued.addresses:
                yield from self._skip(address)

    def resume(self, stored: Iterable[tuple[int, tuple[int, ...]]]) -> None:
        """Note the frames that are on disk already: their chunks are not written whole.

        Parameters
        ----------
        stored : iterable of (image number, index)
        """
        for number, index in stored:
            grid = self._grid(self._layout.images[number])
            if grid is None:
                continue
            chunk_index, offset = grid.locate(index)
            chunk = self._chunk(grid, (number, chunk_index))
            chunk.settle(offset, _WRITTEN)
            chunk.is_fresh = False
        for key, chunk in list(self._partial.items()):
            if not chunk.free:
                del self._partial[key]
                self._closed.add(key)

    def due(self) -> Iterator[Block]:
        """Yield the chunks that have been open for `checkpoint_s`."""
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
        image = self._layout.images[queued.image_number]
        grid, spec = self._grid(image), image.spec
        if grid is None:
            yield Block.of_frame(queued, image, None)
            return
        chunk_index, offset = grid.locate(queued.index)
        key = image.number, chunk_index
        if key in self._closed:
            yield Block.of_frame(queued, image, key)
            return
        chunk = self._chunk(grid, key)
        if chunk.pixels is None:
            yield from self._make_room(grid)
            shape = spec.array_shape(chunk.states.shape)
            chunk.pixels = self._pool.acquire(shape, spec.frame_dtype)
            chunk.opened_at = self._clock()
            self._open[key] = chunk
            self.open_bytes += chunk.pixels.nbytes
        if grid.is_plain:
            held = chunk.pixels[offset]
        else:
            held = spec.block_to_frame(chunk.pixels[spec.block_key(spec.plane_start(offset))])
        np.copyto(held, queued.frame)
        if queued.is_pooled:
            self._pool.release(queued.frame)
        queued.frame = held
        chunk.settle(offset, _HELD)
        chunk.held.append((offset, queued))
        if not chunk.free:
            yield from self._flush(key)

    def _skip(self, address: FrameAddress) -> Iterator[Block]:
        grid = self._grid(self._layout.images[address.image_number])
        if grid is None:
            return
        chunk_index, offset = grid.locate(address.index)
        key = address.image_number, chunk_index
        if key in self._closed:
            return
        chunk = self._chunk(grid, key)
        chunk.settle(offset, _HOLE)
        if not chunk.free:
            yield from self._flush(key)

    def _chunk(self, grid: ChunkGrid, key: ChunkKey) -> _PartialChunk:
        chunk = self._partial.get(key)
        if chunk is None:
            chunk = self._partial[key] = _PartialChunk(grid, key[1])
        return chunk

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
        """Hand out what a chunk holds, and forget what need not be known any more."""
        chunk = self._partial[key]
        if chunk.pixels is not None:
            yield from self._blocks(key, chunk, chunk.pixels)
            del self._open[key]
            self.open_bytes -= chunk.pixels.nbytes
            chunk.pixels, chunk.held, chunk.is_fresh = None, [], False
        if not chunk.free:
            del self._partial[key]
            if (chunk.states == _HOLE).any():
                self._closed.add(key)

    def _blocks(self, key: ChunkKey, chunk: _PartialChunk, pixels: NDArray[Any]) -> Iterator[Block]:
        """Yield the chunk at once if nothing of it is on disk, else the frames that are not."""
        image = self._layout.images[key[0]]
        grid, spec = self._grid(image), image.spec
        assert grid is not None
        start = grid.start(key[1])
        for box, inside in self._parts(chunk, pixels, spec):
            first = spec.plane_start(tuple(s.start for s in box))
            if len(inside) == chunk.states.size:
                reach = chunk.states.shape
            else:
                reach = tuple(
                    max(at) + 1 for at in zip(*(offset for offset, _ in inside), strict=True)
                )
            size = spec.plane_start(tuple(s.stop - s.start for s in box))
            yield Block(
                image=key[0],
                start=(*_sum(start, first), 0, 0),
                end=(*_sum(start, spec.plane_start(reach)), *spec.shape[-2:]),
                pixels=pixels if chunk.is_fresh else pixels[_region(first, size)],
                frames=tuple([queued for _, queued in inside]),
                chunk=key,
                is_whole=chunk.is_fresh,
                pooled=pixels if chunk.is_fresh else None,
            )

    def _parts(self, chunk: _PartialChunk, pixels: NDArray[Any], spec: ArraySpec) -> list[_Part]:
        """Return the boxes in which a chunk is written, and the frames in each."""
        if chunk.is_fresh:
            if len(chunk.held) < chunk.states.size:  # a pooled array holds what was there before
                for offset in zip(*np.nonzero(chunk.states != _HELD), strict=True):
                    pixels[spec.block_key(spec.plane_start(offset))] = 0
            chunk.states[chunk.states == _HELD] = _WRITTEN
            return [(tuple(slice(0, size) for size in chunk.states.shape), chunk.held)]
        held = chunk.states == _HELD
        chunk.states[held] = _WRITTEN
        parts: list[_Part] = [(box, []) for box in boxes(held)]
        owner = np.zeros(held.shape, np.intp)
        for n, (box, _) in enumerate(parts):
            owner[box] = n
        for frame in chunk.held:
            parts[owner[frame[0]]][1].append(frame)
        return parts

    def _grid(self, image: ImageLayout) -> ChunkGrid | None:
        """Return the chunks of an image; None where its frames pass through."""
        if not self._gathers:
            return None
        if image.spec not in self._grids:
            grid = ChunkGrid(image.spec, self._layout.order)
            is_large = grid.nbytes > self._most_bytes
            if grid.frames > 1 and is_large:
                self._warn(
                    "large",
                    f"Image {image.path!r}: a chunk (or shard) of {grid.frames} frames is "
                    f"{grid.nbytes} bytes, more than half of buffer_bytes "
                    f"({self._budget_bytes}): its frames are written one by one, which is "
                    f"slow. Set buffer_bytes to {2 * grid.nbytes} or more, or choose smaller "
                    "chunks and shards.",
                )
            self._grids[image.spec] = None if grid.frames == 1 or is_large else grid
        return self._grids[image.spec]

    def _warn(self, what: str, text: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            logger.warning(text)


def _sum(one: Iterable[int], other: Iterable[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _region(first: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))
