"""`Writer`: the thread that moves frames from the buffer to the backend and the frame table.

It writes in order of arrival, checks every write as it finishes, oldest first, and records a
frame only when its pixels are down. The first error ends it; it never swallows one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import WriteFuture
from pymmcore_ome.errors import WriteError
from pymmcore_ome.layout import ImageLayout

from .buffer import FrameBuffer, Parcel
from .store import Store

_MAX_WRITES_IN_FLIGHT: Final = 64
_FLUSH_EVERY_S: Final = 1.0
_WAIT_S: Final = 0.2


class Writer(threading.Thread):
    """Drains a buffer until its end.

    Attributes
    ----------
    frames_written, bytes_written : int
        Whose pixels are down and whose records are in the frame table.
    shapes : list of tuple of int
        The present shape of every image's array.
    """

    def __init__(self, buffer: FrameBuffer, store: Store) -> None:
        super().__init__(name="pymmcore-ome writer", daemon=True)
        self.frames_written = 0
        self.bytes_written = 0
        self.shapes = [image.shape for image in store.layout.images]
        self._images = store.layout.images
        self._store = store
        self._buffer = buffer
        self._backend = store.backend
        self._journal = store.journal
        self._in_flight: deque[tuple[Parcel, WriteFuture]] = deque()
        self._flushed_at = time.monotonic()
        self._ended = threading.Event()

    def wait(self) -> None:
        """Return when the thread has ended, however long it takes.

        Never by `join`: an interrupted join marks a living thread as ended (bpo-45274; gone
        since Python 3.13).
        """
        while not self._ended.wait(_WAIT_S):
            pass

    def run(self) -> None:
        """Write until the buffer ends, or the first error, which the buffer then keeps."""
        try:
            while not (self._buffer.drained and not self._in_flight):
                parcel = self._buffer.take(_FLUSH_EVERY_S)
                self._reap(wait=self._buffer.drained)
                if parcel is not None:
                    self._write(parcel)
                self._flush(idle=parcel is None)
            self._journal.flush()
        except BaseException as error:  # the one place where an error is latched
            self._buffer.fail(error)
            self._save_what_is_down()
        finally:
            self._ended.set()

    def _write(self, parcel: Parcel) -> None:
        while len(self._in_flight) >= _MAX_WRITES_IN_FLIGHT:
            self._settle(*self._in_flight.popleft())
        address, frame = parcel.address, parcel.frame
        number = address.image_number
        try:
            self._add_images(number)
            self._grow(number, address.index)
            block = _as_block(frame, self._images[number])
            future = self._backend.write(number, (*address.index, 0, 0), block)
        except Exception as error:
            raise self._failure(parcel, error) from error
        if future is None:
            self._record(parcel)
            return
        self._in_flight.append((parcel, future))
        future.add_done_callback(lambda _: self._buffer.poke())

    def _add_images(self, number: int) -> None:
        while number >= len(self.shapes):
            image = self._images[len(self.shapes)]
            self._store.add(image)
            self.shapes.append(image.shape)

    def _grow(self, number: int, index: tuple[int, ...]) -> None:
        shape, block = self.shapes[number], self._images[number].block_shape
        larger = list(shape)
        for axis in self._images[number].unbounded_axes:
            larger[axis] = max(shape[axis], index[axis] + block[axis])
        if tuple(larger) != shape:
            self._store.grow(number, tuple(larger), len(self.shapes))
            self.shapes[number] = tuple(larger)

    def _reap(self, wait: bool) -> None:
        while self._in_flight and (wait or self._in_flight[0][1].done()):
            self._settle(*self._in_flight.popleft())

    def _settle(self, parcel: Parcel, future: WriteFuture) -> None:
        try:
            future.result()
        except Exception as error:
            raise self._failure(parcel, error) from error
        self._record(parcel)

    def _record(self, parcel: Parcel) -> None:
        self._journal.append(parcel.record)
        self.frames_written += 1
        self.bytes_written += parcel.frame.nbytes
        self._buffer.release(parcel.frame.nbytes)

    def _flush(self, idle: bool) -> None:
        now = time.monotonic()
        if idle or now - self._flushed_at >= _FLUSH_EVERY_S:
            self._journal.flush()
            self._flushed_at = now

    def _save_what_is_down(self) -> None:
        """Record the writes that did finish, so that the frame table lists all that is there."""
        while self._in_flight:
            parcel, future = self._in_flight.popleft()
            try:
                self._settle(parcel, future)
            except Exception:  # the first error is latched already; this one is its echo
                self._buffer.release(parcel.frame.nbytes)
        try:
            self._journal.flush()
        except Exception as error:
            self._buffer.fail(error)

    def _failure(self, parcel: Parcel, error: Exception) -> WriteError:
        at = ", ".join(f"{k}: {v}" for k, v in parcel.record.event_index.items())
        return WriteError(
            f"The frame at {{{at}}} (image {parcel.address.image!r}, index "
            f"{parcel.address.index}) could not be written: {error}. {self._store.left_behind}. "
            "Check the disk."
        )


def _as_block(frame: NDArray[Any], image: ImageLayout) -> NDArray[Any]:
    """Return a frame as a block of its image, all axes in storage order."""
    if image.samples > 1:
        frame = np.moveaxis(frame, -1, 0)
    return frame.reshape(image.block_shape)
