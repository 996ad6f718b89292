"""`Writer`: the thread that moves frames from the buffer to the backend and the frame table.

It writes blocks in the order in which they are full, checks every write as it finishes, oldest
first, and records a frame only when its pixels are down. The first error ends it; it never
swallows one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from pymmcore_ome.backends import WriteFuture
from pymmcore_ome.errors import WriteError
from pymmcore_ome.frames import frame_checksum

from .buffer import ArrayPool, FrameBuffer, QueuedFrame, what_to_do
from .chunks import Block, CellKey, ChunkAssembly
from .live import LivePixels
from .options import SaveOptions
from .store import Store

_MAX_WRITES_IN_FLIGHT: Final = 512
_FLUSH_EVERY_S: Final = 1.0
_SOON_S: Final = 0.02


class Writer(threading.Thread):
    """Drains a buffer until its end.

    Attributes
    ----------
    shapes : list of tuple of int
        The present shape of every image's array.
    """

    def __init__(
        self,
        buffer: FrameBuffer,
        store: Store,
        live: LivePixels,
        options: SaveOptions,
        slots: ArrayPool,
    ) -> None:
        super().__init__(name="pymmcore-ome writer", daemon=True)
        self._listing = FrameCommitter(store, options)
        self.shapes = [image.shape for image in store.layout.images]
        self._images = store.layout.images
        self._store = store
        self._buffer = buffer
        self._frames, self._gate = live.frames, live.gate
        self._backend = store.backend
        self._journal = store.journal
        self._assembly = ChunkAssembly(
            store.layout,
            buffer.budget_bytes,
            slots=slots,
            # pages are frames, and who takes frames in order alone makes chunks of its own
            gathers=self._backend.pages is None and not self._backend.is_sequential,
            checkpoint_s=options.checkpoint_s,
            moved=live.frames.move,
        )
        self._options = options
        self._slots = slots
        self._in_flight: deque[tuple[Block, WriteFuture]] = deque()
        self._whole: set[CellKey | None] = set()  # cells that a block on its way covers
        self._flush_every_s = min(_FLUSH_EVERY_S, options.checkpoint_s)
        self._flushed_at = self._checked_at = time.monotonic()
        self._ended = threading.Event()

    @property
    def frames_written(self) -> int:
        """Frames whose pixels are down and whose records are in the frame table."""
        return self._listing.frames

    @property
    def bytes_written(self) -> int:
        """Their bytes."""
        return self._listing.bytes

    @property
    def is_gathering(self) -> bool:
        """Whether it has to be told of places whose frames will not come."""
        return self._assembly.is_gathering

    def wait(self, timeout_s: float) -> bool:
        """Wait until the thread has ended, or so many seconds; return whether it has.

        Never by `join`: an interrupted join marks a living thread as ended (bpo-45274; gone
        since Python 3.13).
        """
        return self._ended.wait(timeout_s)

    def run(self) -> None:
        """Write until the buffer ends, or the first error, which the buffer then keeps."""
        try:
            while not (self._buffer.drained and not self._in_flight):
                waits = _SOON_S if self._listing.is_waiting else self._flush_every_s
                messages = self._buffer.take(waits)
                self._reap(at_least=len(self._in_flight) if self._buffer.drained else 0)
                for message in messages or (None,):
                    if self._options.checksums and isinstance(message, QueuedFrame):
                        message.record.checksum = frame_checksum(message.frame)
                    for block in self._assembly.ready(message):
                        self._write(block)
                self._flush(idle=not messages)
                if self._buffer.drained:
                    for block in self._assembly.rest():
                        self._write(block)
            self._checkpoint()
        except BaseException as error:  # the one place where an error is latched
            self._buffer.fail(error)
            self._save_what_is_down()
            self._frames.end()  # what is not down by now will never be
        finally:
            self._ended.set()

    def _write(self, block: Block) -> None:
        # a block that must be down before this one may still be on its way
        while len(self._in_flight) >= _MAX_WRITES_IN_FLIGHT or block.cell in self._whole:
            self._reap(at_least=1)
        number = block.image
        try:
            self._add_images(number)
            self._grow(number, block.end)
            pixels = block.pixels
            if self._images[number].spec.unbounded_axes:
                pixels = block.pixels_within(self.shapes[number])
            self._gate.close(block)
            try:
                future = self._backend.write(number, block.start, pixels)
            except BaseException:
                self._gate.open(block)
                raise
        except Exception as error:
            raise self._failure(block, error) from error
        if future is None:
            self._gate.open(block)
            self._record([block])
            return
        self._in_flight.append((block, future))
        if block.is_whole:
            self._whole.add(block.cell)
        future.add_done_callback(self._poke)

    def _poke(self, _: Any) -> None:
        self._buffer.poke()

    def _add_images(self, number: int) -> None:
        while number >= len(self.shapes):
            image = self._images[len(self.shapes)]
            self._store.add(image)
            self.shapes.append(image.shape)

    def _grow(self, number: int, end: tuple[int, ...]) -> None:
        if not self._images[number].spec.unbounded_axes:
            return
        shape = self.shapes[number]
        larger = list(shape)
        for axis in self._images[number].spec.unbounded_axes:
            larger[axis] = max(shape[axis], end[axis])
        if tuple(larger) != shape:
            self._store.grow(number, tuple(larger))
            self.shapes[number] = tuple(larger)

    def _reap(self, at_least: int = 0) -> None:
        """Record the oldest writes that are done; wait until so many are."""
        done: list[Block] = []
        try:
            while self._in_flight and (len(done) < at_least or self._in_flight[0][1].done()):
                block, future = self._in_flight.popleft()
                try:
                    future.result()
                except Exception as error:
                    self._buffer.release(block.nbytes)
                    raise self._failure(block, error) from error
                finally:
                    self._gate.open(block)
                    if block.is_whole:
                        self._whole.discard(block.cell)
                done.append(block)
        finally:
            if done:
                self._record(done)

    def _record(self, blocks: Sequence[Block]) -> None:
        self._buffer.release(sum([block.nbytes for block in blocks]))
        self._frames.settle(blocks, self._buffer.budget_bytes - self._buffer.bytes_held)
        for block in blocks:
            if block.slot is not None:
                self._slots.give(block.slot)
        self._listing.add(blocks, len(self.shapes))

    def _flush(self, idle: bool) -> None:
        if self._listing.is_waiting:
            self._listing.go_on(len(self.shapes))
        now = time.monotonic()
        if idle or now - self._flushed_at >= self._flush_every_s:
            self._journal.flush()
            self._flushed_at = now
        if now - self._checked_at >= self._options.checkpoint_s:
            self._checkpoint()
            self._checked_at = now

    def _checkpoint(self) -> None:
        """Make what is in the frame table outlast what the stream was asked to outlast."""
        self._listing.go_on(len(self.shapes), must=True)
        if self._options.durability == "power":
            self._backend.sync()  # pixels first: the table tells of nothing that is not down
        self._journal.flush(sync=self._options.durability == "power")

    def _save_what_is_down(self) -> None:
        """Record the writes that did finish, so that the frame table lists all that is there."""
        while self._in_flight:
            with suppress(Exception):  # the first error is latched already; this is its echo
                self._reap(at_least=1)
        try:
            self._listing.go_on(len(self.shapes), must=True)
            self._journal.flush()
        except Exception as error:
            self._buffer.fail(error)

    def _failure(self, block: Block, error: Exception) -> WriteError:
        first, count = block.records[0], len(block.records)
        layout = self._store.layout
        name = layout.frame_name(layout.images[block.image], first.index)
        what = f"The frame at {name}"
        if count > 1:
            what = f"A block of {count} frames, the first at {name},"
        return WriteError(
            f"{what} could not be written: {error}. {self._store.left_behind}. {what_to_do(error)}."
        )


_PAUSE: Final = 10  # times as long as the documents took the last time
_FREE_BYTES: Final = 1 << 20
_SHARE: Final = 10  # documents may be a tenth of the pixels


class FrameCommitter:
    """Lists frames whose pixels are down. Used by the writer's thread alone.

    Attributes
    ----------
    frames, bytes : int
        Listed so far.
    """

    def __init__(self, store: Store, options: SaveOptions) -> None:
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
