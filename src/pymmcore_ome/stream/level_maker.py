"""`LevelMaker`: the thread that makes the resolution levels of frames behind their own write.

Frames have priority. While more than half of the buffer is in use, it holds no frame: the levels
are made from disk when the stream is closed. An error here ends the levels, never the stream.
`build_levels` makes those of a store that is closed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from pymmcore_ome.backends import FrameWrite, LevelWriter, PlaneReader, write_levels_from_disk
from pymmcore_ome.dataset import levels_of_tiff, make_levels, open_dataset
from pymmcore_ome.disk import StoreLock
from pymmcore_ome.errors import OptionError
from pymmcore_ome.layout import Downsample, ImageLayout, LevelCount, TakenPlanes

from .frame_buffer import ArrayPool, FrameBuffer, QueuedFrame
from .options import SaveOptions
from .progress import Summary

logger = logging.getLogger("pymmcore-ome")
_BATCH_BYTES: Final = 4 << 20
_LOG_EVERY_S: Final = 5.0

FrameKey = tuple[int, tuple[int, ...]]  # image number, index


class LevelMaker(threading.Thread):
    """Makes levels of the frames that the writer offers, as long as there is room for them.

    Parameters
    ----------
    levels : LevelWriter
    images : sequence of ImageLayout
        Of the layout; it may grow.
    buffer : FrameBuffer
        Frames that wait here count against its budget.
    pool : ArrayPool, optional
        Where the arrays of frames go. None: the writer takes care of them.
    """

    def __init__(
        self,
        levels: LevelWriter,
        images: Sequence[ImageLayout],
        buffer: FrameBuffer,
        pool: ArrayPool | None,
    ) -> None:
        super().__init__(name="pymmcore-ome levels", daemon=True)
        self.levels = levels
        self.failure: Exception | None = None
        self._images = images
        self._buffer = buffer
        self._pool = pool
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._waiting: deque[QueuedFrame] = deque()
        self._put_off: list[FrameKey] = []
        self._made: dict[int, TakenPlanes] = {}
        self._is_ending = self._is_complete = self._has_given_up = False
        self._making = threading.Lock()
        self._ended = threading.Event()

    def offer(self, frames: Sequence[QueuedFrame]) -> bool:
        """Give frames whose pixels are on disk; return whether they are held, with their bytes.

        Where they are not, their levels are made from disk later.
        """
        is_held = self.failure is None and not self._is_crowded and not self._is_ending
        with self._work:
            if is_held:
                self._waiting.extend(frames)
                self._work.notify()
            else:
                self._put_off += [(frame.image_number, frame.index) for frame in frames]
        if not is_held:
            self.make_room()
        return is_held

    def make_room(self) -> None:
        """Put off the frames that wait here, where frames on their way need the buffer."""
        if not self._waiting or not self._is_crowded:
            return
        with self._lock:
            frames = list(self._waiting)
            self._waiting.clear()
            self._put_off += [(frame.image_number, frame.index) for frame in frames]
        self._let_go(frames)

    def end(self) -> None:
        """Accept no more frames; the levels of those that wait are still made."""
        with self._work:
            self._is_ending = True
            self._work.notify()

    def give_up(self) -> None:
        """Write nothing more, from now on: the levels of frames that wait are made from disk."""
        with self._work:
            self._is_ending = self._has_given_up = True
            self._work.notify()
        with self._making:
            pass  # what was being written is written

    def wait(self, timeout_s: float) -> bool:
        """Wait until the thread has ended, or so many seconds; return whether it has."""
        return self._ended.wait(timeout_s)

    @property
    def put_off(self) -> int:
        """Frames whose levels are to be made from disk."""
        with self._lock:
            return len(self._put_off)

    def has_levels(self, image: int, plane: tuple[int, ...]) -> bool:
        """Whether the levels of a plane can be read."""
        with self._lock:
            return self._is_complete or (image in self._made and plane in self._made[image])

    def run(self) -> None:
        """Make levels until the end; keep the first error."""
        try:
            while batch := self._take():
                self._make(batch)
        finally:
            self._ended.set()

    def finish(
        self,
        reader: Callable[[int], PlaneReader | None],
        shapes: Sequence[tuple[int, ...]],
    ) -> None:
        """Make the levels that were put off from disk, and finish the levels. After the thread.

        Parameters
        ----------
        reader : callable
            Returns what reads an image at full resolution, by its number.
        shapes : sequence of tuple of int
            Of its arrays.

        Raises
        ------
        OSError
            The error of the thread, or what goes wrong now.
        """
        if self.failure is not None:
            raise self.failure
        self._put_off.sort()
        write_levels_from_disk(self.levels, reader, self._logged(self._put_off))
        self._put_off.clear()
        self._is_complete = True
        self.levels.finish(shapes)

    @staticmethod
    def _logged(frames: Sequence[FrameKey]) -> Iterator[FrameKey]:
        """Yield frames; log the progress, because closing a store may take long."""
        logged_at = time.monotonic()
        for number, frame in enumerate(frames):
            if time.monotonic() - logged_at >= _LOG_EVERY_S:
                logged_at = time.monotonic()
                logger.warning(
                    "Still making resolution levels from disk: %d of %d frames; all frames are "
                    "stored",
                    number,
                    len(frames),
                )
            yield frame

    @property
    def _is_crowded(self) -> bool:
        return 2 * self._buffer.bytes_held > self._buffer.budget_bytes

    def _take(self) -> list[QueuedFrame]:
        """Return the next frames; none at the end."""
        with self._work:
            while not self._waiting and not self._is_ending:
                self._work.wait()
            batch: list[QueuedFrame] = []
            nbytes = 0
            while self._waiting and nbytes < _BATCH_BYTES:
                batch.append(self._waiting.popleft())
                nbytes += batch[-1].nbytes
            return batch

    def _make(self, batch: Sequence[QueuedFrame]) -> None:
        try:
            with self._making:
                if self._has_given_up:
                    with self._lock:
                        self._put_off += [(queued.image_number, queued.index) for queued in batch]
                elif self.failure is None:
                    self.levels.write([FrameWrite(q.image_number, q.index, q.frame) for q in batch])
                    self._note(batch)
        except Exception as error:  # levels can be made again, of what is on disk
            self.failure = error
            logger.warning("Resolution levels could not be written, frames still are: %s", error)
        finally:
            self._let_go(batch)

    def _note(self, batch: Sequence[QueuedFrame]) -> None:
        with self._lock:
            for queued in batch:
                spec = self._images[queued.image_number].spec
                planes = self._made.get(queued.image_number)
                if planes is None:
                    planes = self._made[queued.image_number] = TakenPlanes(spec, np.uint8)
                planes.take(spec.plane_index(queued.index))

    def _let_go(self, frames: Sequence[QueuedFrame]) -> None:
        if self._pool is not None:
            for queued in frames:
                if queued.is_pooled:
                    self._pool.release(queued.frame)
        self._buffer.release(sum([queued.nbytes for queued in frames]))


def build_levels(
    path: str | os.PathLike[str],
    *,
    levels: LevelCount = "auto",
    downsample: Downsample = "mean",
    overwrite: bool = False,
) -> Summary:
    """Make the resolution levels of a closed store, of either format.

    No document lists a level before all are complete: should the program be stopped, run it
    again. The frames are not changed. The pages of an OME-TIFF cannot get levels later: it must
    have been written with `levels`.

    Parameters
    ----------
    path : path-like
    levels : int or ``"auto"``
        As `open_stream`. ``"auto"``, for an OME-TIFF: those that it was made for.
    downsample : ``"mean"`` | ``"nearest"``
        As `open_stream`.
    overwrite : bool
        Replace levels that are there.

    Returns
    -------
    Summary
        `frames_written`: the frames that have levels now; `bytes_written`: the pixels of these
        levels.

    Raises
    ------
    OptionError
        Levels that the images cannot have, or for which an OME-TIFF was not made.
    StoreExistsError
        When levels are there, and `overwrite` is off; or while a program writes to the store.
    NotAStoreError
        When the path is not a store of this package.
    StorePathError
        When the store was never closed; recover it first.
    OSError
        When something cannot be written; no document lists a level then.
    """
    began = time.monotonic()
    plan = SaveOptions(levels=levels, downsample=downsample).level_plan
    if plan is None:
        raise OptionError(f"levels must be 2 to 8, or 'auto', got {levels!r}.")
    location = open_dataset(path).location
    lock = StoreLock(location)
    lock.acquire()
    try:
        dataset = open_dataset(path)
        made = make_levels(dataset, levels_of_tiff(dataset, plan), overwrite=overwrite)
    finally:
        lock.release()
    record = dataset.record
    return Summary(
        path=dataset.path,
        status=record.status,
        reason=record.reason,
        frames_planned=dataset.layout.frame_count,
        frames_written=made.frames,
        frames_skipped=record.frames.get("skipped") or 0,
        bytes_written=made.nbytes,
        duration_s=time.monotonic() - began,
    )
