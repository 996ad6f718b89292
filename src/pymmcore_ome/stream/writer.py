"""`Writer`: the thread that moves frames from the buffer to the backend and the frame table.

It lists a frame only when its pixels are on disk. The first error ends it; it never
swallows one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import numpy as np

from pymmcore_ome.backends import FrameWrite, PartialWriteError, WriteFuture
from pymmcore_ome.disk import advice_on_write
from pymmcore_ome.errors import MapErrors, WriteError
from pymmcore_ome.frames import frame_checksum
from pymmcore_ome.metadata import ContrastSampler

from .chunk_assembler import Block, ChunkAssembler, ChunkKey
from .frame_buffer import ArrayPool, FrameBuffer, QueuedFrame
from .level_maker import LevelMaker
from .live import LivePixels
from .options import SaveOptions
from .store import Store

_MAX_WRITES_IN_FLIGHT: Final = 64
_IDLE_S: Final = 1.0
_LOOK_EVERY_S: Final = 2.0  # whether the store is still there
_SOON_S: Final = 0.02
_FIRST_BATCH_BYTES: Final = 4 << 20
_THREAD_BYTES: Final = 1 << 20  # that are worth another thread for their checksums
_BATCH_S: Final = 0.5  # at most, so that the budget gets its bytes back all the time


class Writer(threading.Thread):
    """Drains a buffer until its end.

    A backend with `takes_frames` gets a batch at a time. For the others, frames go through
    the chunk assembler, and several writes are in flight at once, checked oldest first.

    Attributes
    ----------
    shapes : list of tuple of int
        The present shape of every image's array.
    contrast : ContrastSampler
        What has passed so far; read it once the thread has ended.
    """

    def __init__(
        self,
        buffer: FrameBuffer,
        store: Store,
        live: LivePixels,
        options: SaveOptions,
        pool: ArrayPool,
        levels: LevelMaker | None = None,
    ) -> None:
        super().__init__(name="pymmcore-ome writer", daemon=True)
        self._levels = levels
        self.contrast = ContrastSampler(grows=store.layout.schema.grows)
        self._committer = FrameCommitter(store, options)
        self.shapes = [image.shape for image in store.layout.images]
        self._images = store.layout.images
        self._store = store
        self._buffer = buffer
        self._pending, self._locks = live.frames, live.locks
        self._backend = store.backend
        self._table = store.table
        self._assembler = ChunkAssembler(
            store.layout,
            buffer.budget_bytes,
            pool=pool,
            gathers=not (
                self._backend.takes_frames
                or self._backend.pages is not None  # a page is a frame
                or self._backend.is_sequential  # it makes chunks of its own
            ),
            checkpoint_s=options.checkpoint_s,
        )
        if store.stored:
            self._assembler.resume(store.stored)
        self._options = options
        self._pool = pool
        self._in_flight: deque[tuple[Block, WriteFuture]] = deque()
        self._failed: list[Block] = []
        self._whole: set[ChunkKey | None] = set()  # chunks that a block in flight covers
        self._batch_bytes = _FIRST_BATCH_BYTES
        self._idle_s = min(_IDLE_S, options.checkpoint_s)
        self._checked_at = self._looked_at = time.monotonic()
        self._checksum_thread = ThreadPoolExecutor(1, "pymmcore-ome checksums")
        self._ended = threading.Event()

    @property
    def frames_written(self) -> int:
        """Frames whose pixels are on disk and whose records are in the frame table."""
        return self._committer.frames

    @property
    def bytes_written(self) -> int:
        """Their bytes."""
        return self._committer.bytes

    @property
    def is_gathering(self) -> bool:
        """Whether it needs to know which frames are skipped."""
        return self._assembler.is_gathering

    def wait(self, timeout_s: float) -> bool:
        """Wait until the thread has ended, or so many seconds; return whether it has.

        Never by `join`: an interrupted join marks a living thread as ended (bpo-45274; gone
        since Python 3.13).
        """
        return self._ended.wait(timeout_s)

    def run(self) -> None:
        """Write until the buffer ends, or the first error, which the buffer then keeps."""
        write = self._write_batch if self._backend.takes_frames else self._write_blocks
        try:
            while not self._buffer.is_drained or self._in_flight:
                write()
                self._flush()
            if not self._backend.takes_frames:
                self._write_rest()
            self._write_last_rows()
        except BaseException as error:  # the one place where an error is latched
            self._buffer.fail(error)
            self._save_what_is_on_disk()
            self._pending.end()  # what is not on disk by now will never be
        finally:
            self._checksum_thread.shutdown()
            self._ended.set()

    @property
    def _wait_s(self) -> float:
        return _SOON_S if self._committer.is_waiting else self._idle_s

    def _write_batch(self) -> None:
        """Write the queued frames, and commit those on disk."""
        batch = self._buffer.take(self._wait_s, self._batch_bytes, self._table.frames_at_once)
        if not batch:
            return
        began = time.monotonic()
        frames = [queued for queued in batch if isinstance(queued, QueuedFrame)]
        checksums = self._start_checksums(frames)
        writes: list[FrameWrite] = []
        failure: WriteError | None = None
        try:
            for queued in frames:
                self._make_place(queued)
                writes.append(FrameWrite(queued.image_number, queued.index, queued.frame))
        except Exception as error:
            failure = self._failure(frames[len(writes) :][:1], error)
        written = frames[: len(writes)]
        try:
            if writes:
                self._backend.write_frames(writes)
        except PartialWriteError as error:
            failure = self._failure([frames[min(error.missing)]], error.__cause__ or error)
            written = [
                queued
                for number, queued in enumerate(written)
                if number not in error.missing or self._is_on_disk(queued)
            ]
        except Exception as error:
            written = []
            failure = self._failure(frames[:1], error)
        if checksums is not None:
            checksums.result()
        is_held = self._commit(written)
        if not is_held:
            for queued in written:
                if queued.is_pooled:
                    self._pool.release(queued.frame)
        if failure is not None:
            raise failure from failure.__cause__
        self._adapt_batch(time.monotonic() - began)

    def _start_checksums(self, frames: Sequence[QueuedFrame]) -> Future[None] | None:
        """Set the checksums of frames; of many, in another thread, which the future ends."""
        if not self._options.checksums:
            return None
        if sum([queued.nbytes for queued in frames]) >= _THREAD_BYTES:
            with suppress(RuntimeError):  # the program ends, and accepts no work any more
                return self._checksum_thread.submit(_set_checksums, frames)
        _set_checksums(frames)
        return None

    def _adapt_batch(self, took_s: float) -> None:
        """Take larger batches from now on, or smaller ones where the disk is slow."""
        if took_s > _BATCH_S:
            self._batch_bytes = max(self._batch_bytes // 2, _FIRST_BATCH_BYTES)
        else:
            most_bytes = min(self._backend.batch_bytes, self._buffer.budget_bytes // 4)
            self._batch_bytes = max(_FIRST_BATCH_BYTES, min(2 * self._batch_bytes, most_bytes))

    def _write_blocks(self) -> None:
        """Start to write the queued frames, and commit those on disk."""
        batch = self._buffer.take(
            0.0 if self._in_flight else self._wait_s, most_frames=self._table.frames_at_once
        )
        self._reap(at_least=1 if self._in_flight and not batch else 0)
        for queued in batch:
            if self._options.checksums and isinstance(queued, QueuedFrame):
                queued.checksum = frame_checksum(queued.frame)
            for block in self._assembler.add(queued):
                self._write(block)
        for block in self._assembler.due():
            self._write(block)

    def _write_rest(self) -> None:
        for block in self._assembler.rest():
            self._write(block)
        self._reap(at_least=len(self._in_flight))

    def _write(self, block: Block) -> None:
        # the rows of all in flight must find room at once, should the disk be full
        fitting = self._table.frames_at_once // max(1, len(block.frames))
        most = min(_MAX_WRITES_IN_FLIGHT, max(2, fitting))
        # a block that must be on disk before this one may still be in flight
        while self._in_flight and (len(self._in_flight) >= most or block.chunk in self._whole):
            self._reap(at_least=1)
        number, at = block.image, block.start[:-2]
        with self._mapped_errors(block):
            self._add_images(number)
            pixels = block.pixels
            if self._images[number].spec.unbounded_axes:
                self._grow(number, block.end)
                pixels = block.pixels_within(self.shapes[number])
            self._locks.lock(number, at)
            try:
                future = self._backend.write(number, block.start, pixels)
            except BaseException:
                self._locks.unlock(number, at)
                raise
        if future is None:
            self._locks.unlock(number, at)
            self._commit_blocks([block])
            return
        self._in_flight.append((block, future))
        if block.is_whole:
            self._whole.add(block.chunk)

    def _reap(self, at_least: int = 0) -> None:
        """Commit the oldest writes that are done; wait until so many are."""
        done: list[Block] = []
        try:
            while self._in_flight and (len(done) < at_least or self._in_flight[0][1].done()):
                block, future = self._in_flight.popleft()
                try:
                    with self._mapped_errors(block):
                        future.result()
                except BaseException:
                    self._buffer.release(sum([queued.nbytes for queued in block.frames]))
                    self._failed.append(block)
                    raise
                finally:
                    self._locks.unlock(block.image, block.start[:-2])
                    if block.is_whole:
                        self._whole.discard(block.chunk)
                done.append(block)
        finally:
            if done:
                self._commit_blocks(done)

    def _commit_blocks(self, blocks: Sequence[Block]) -> None:
        self._commit([queued for block in blocks for queued in block.frames])
        for block in blocks:
            if block.pooled is not None:
                self._pool.release(block.pooled)

    def _commit(self, frames: Sequence[QueuedFrame]) -> bool:
        """List frames whose pixels are on disk, and give their bytes back to the budget.

        Returns whether their arrays, and bytes, are held until their levels are made.
        """
        nbytes = sum([queued.nbytes for queued in frames])
        for queued in frames:  # before their arrays are given away
            self.contrast.add(self._images[queued.image_number].spec, queued.index, queued.frame)
        is_held = self._levels is not None and self._levels.offer(frames)
        self._buffer.release(0 if is_held else nbytes)
        self._pending.settle(frames, self._buffer.budget_bytes - self._buffer.bytes_held)
        self._committer.commit(frames, nbytes, len(self.shapes))
        return is_held

    def _make_place(self, queued: QueuedFrame) -> None:
        """Make the image of a frame where it is new, and let its array reach to the frame."""
        number = queued.image_number
        if number >= len(self.shapes):
            self._add_images(number)
        spec = self._images[number].spec
        if spec.unbounded_axes:
            start = (*queued.index, 0, 0)
            self._grow(number, [a + b for a, b in zip(start, spec.block_shape, strict=True)])

    def _add_images(self, number: int) -> None:
        while number >= len(self.shapes):
            image = self._images[len(self.shapes)]
            self._store.add(image)
            self.shapes.append(image.shape)

    def _grow(self, number: int, end: Sequence[int]) -> None:
        shape = self.shapes[number]
        larger = list(shape)
        for axis in self._images[number].spec.unbounded_axes:
            larger[axis] = max(shape[axis], end[axis])
        if tuple(larger) != shape:
            self._store.grow(number, tuple(larger))
            self.shapes[number] = tuple(larger)

    def _flush(self) -> None:
        if self._committer.is_waiting:
            self._committer.commit_waiting(len(self.shapes))
        now = time.monotonic()
        if self._options.durability == "process":  # for power, at checkpoints alone
            self._table.flush()
        if now - self._checked_at >= self._options.checkpoint_s:
            self._checkpoint()
            self._checked_at = now
        if now - self._looked_at >= _LOOK_EVERY_S:
            with MapErrors(self._gone):
                self._store.check_written()
            self._looked_at = now

    def _checkpoint(self) -> None:
        """Make what is in the frame table outlast what the stream was asked to outlast."""
        self._committer.commit_waiting(len(self.shapes), must=True)
        self._table.flush()

    def _write_last_rows(self) -> None:
        """Write what waits for the frame table, after the last pixels; a full disk has room."""
        self._committer.commit_waiting(len(self.shapes), must=True)
        try:
            self._table.flush()
        except OSError:
            if self._levels is not None:
                self._levels.give_up()  # they would take the room of the table
            self._table.flush(is_last=True)

    def _save_what_is_on_disk(self) -> None:
        """Commit the writes that did finish, so that the frame table lists all that is there."""
        while self._in_flight:
            with suppress(Exception):  # the first error is latched already; this is its echo
                self._reap(at_least=1)
        try:
            # a library may write a chunk again, with what it could not write before
            there = [q for block in self._failed for q in block.frames if self._is_on_disk(q)]
            self._pending.settle(there, self._buffer.budget_bytes - self._buffer.bytes_held)
            nbytes = sum([queued.nbytes for queued in there])
            self._committer.commit(there, nbytes, len(self.shapes))
            self._write_last_rows()
        except Exception as error:
            self._buffer.fail(error)

    def _is_on_disk(self, queued: QueuedFrame) -> bool:
        """Whether a frame can be read though its write failed."""
        if self._backend.is_sequential or queued.image_number >= len(self.shapes):
            return False
        spec = self._images[queued.image_number].spec
        picks = [np.arange(part.start, part.stop) for part in spec.block_key(queued.index)]
        try:
            reader = self._backend.reader(queued.image_number)
            block = None if reader is None else reader.read(picks, slice(None), slice(None))
        except Exception:  # whatever a library raises on a chunk that is half written
            return False
        return block is not None and np.array_equal(spec.block_to_frame(block), queued.frame)

    def _mapped_errors(self, block: Block) -> MapErrors:
        return MapErrors(lambda error: self._failure(block.frames, error))

    def _gone(self, error: Exception) -> WriteError:
        return WriteError(
            f"{self._store.path} cannot be written any more: {error}. Leave a store where it is "
            "while it is written, and run again."
        )

    def _failure(self, frames: Sequence[QueuedFrame], cause: BaseException) -> WriteError:
        """Return the error of frames that could not be written."""
        layout = self._store.layout
        first = frames[0]
        name = layout.frame_name(layout.images[first.image_number], first.index)
        what = f"The frame at {name}"
        if len(frames) > 1:
            what = f"A block of {len(frames)} frames, the first at {name},"
        failure = WriteError(
            f"{what} could not be written: {cause}. {self._store.left_behind}. "
            f"{advice_on_write(cause)}."
        )
        failure.__cause__ = cause
        return failure


def _set_checksums(frames: Iterable[QueuedFrame]) -> None:
    for queued in frames:
        queued.checksum = frame_checksum(queued.frame)


_PAUSE: Final = 10  # times as long as the documents took the last time
_FREE_BYTES: Final = 1 << 20
_SHARE: Final = 10  # documents may be a tenth of the pixels


class FrameCommitter:
    """Lists frames whose pixels are on disk, after the documents that describe their images.

    Used by the writer's thread alone.

    Attributes
    ----------
    frames, bytes : int
        Listed so far.
    """

    def __init__(self, store: Store, options: SaveOptions) -> None:
        self.frames = len(store.stored)
        self.bytes = 0
        self._store = store
        self._checkpoint_s = options.checkpoint_s
        self._waiting: list[QueuedFrame] = []
        self._waiting_bytes = 0
        self._documented_at = -1e9
        self._took_s = 0.0
        self._document_bytes = 0
        self._last_bytes = 0

    @property
    def is_waiting(self) -> bool:
        """Whether frames wait for the documents."""
        return bool(self._waiting)

    def commit(self, frames: Iterable[QueuedFrame], nbytes: int, image_count: int) -> None:
        """List frames, now or as soon as the documents describe their images.

        Parameters
        ----------
        frames : iterable of QueuedFrame
        nbytes : int
            Of their pixels.
        image_count : int
            The images that have an array.

        Raises
        ------
        OSError
        """
        self._waiting += frames
        self._waiting_bytes += nbytes
        self.commit_waiting(image_count)

    def commit_waiting(self, image_count: int, *, must: bool = False) -> None:
        """List the frames that wait, if the documents may be written now, or must be.

        Raises
        ------
        OSError
        """
        if self._store.has_pending_documents:
            if not must and not self._may_write_documents():
                return
            began = time.monotonic()
            self._last_bytes = self._store.write_documents(image_count)
            self._documented_at = time.monotonic()
            self._took_s = self._documented_at - began
            self._document_bytes += self._last_bytes
        self._store.table.extend(self._waiting)
        self.frames += len(self._waiting)
        self.bytes += self._waiting_bytes
        self._waiting.clear()
        self._waiting_bytes = 0

    def _may_write_documents(self) -> bool:
        passed_s = time.monotonic() - self._documented_at
        if passed_s >= self._checkpoint_s:
            return True
        room = _FREE_BYTES + self.bytes // _SHARE
        is_small = self._document_bytes + self._last_bytes <= room
        return is_small and passed_s >= _PAUSE * self._took_s
