"""`Stream`: frames in, a store out. The only object that a producer uses.

It checks each frame, finds its place, and hands it to the bounded buffer. It never moves a
frame to make it fit, never overwrites one, and never reports a loss as success.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401  # registers its own end first, ours goes before it
import logging
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self, get_args

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.disk import advice_on_write, default_buffer_bytes
from pymmcore_ome.errors import (
    FrameError,
    MapErrors,
    OptionError,
    PymmcoreOmeError,
    StalledError,
    StreamClosedError,
    WriteError,
)
from pymmcore_ome.layout import FrameAddress, Layout, Placement
from pymmcore_ome.metadata import Status
from pymmcore_ome.schema import Camera

from .frame_buffer import (
    ArrayPool,
    FrameBuffer,
    QueuedFrame,
    SkippedFrames,
    buffer_full,
    write_error,
)
from .level_maker import LevelMaker
from .live import LivePixels
from .options import SaveOptions
from .progress import Progress, Summary
from .state import StreamLife, StreamState
from .store import Store
from .views import ArrayView, JoinedView, View, checked_image, checked_level, joined
from .writer import Writer

logger = logging.getLogger("pymmcore-ome")
_WARN_EVERY_S: Final = 5.0
_ENDINGS: Final = tuple(name for name in get_args(Status) if name != "incomplete")


class Stream:
    """An open store that accepts frames. Made by `open_stream`.

    `append` and `skip` may be called from any thread, one at a time in the intended order;
    `progress` and `close` from any thread. As a context manager it closes at the end
    of the block: ``"complete"``, ``"canceled"`` after a KeyboardInterrupt, ``"failed"`` after
    any other error.
    """

    def __init__(self, store: Store, options: SaveOptions) -> None:
        layout = store.layout
        self._options, self._store, self._layout, self._life = options, store, layout, StreamLife()
        backend = store.backend
        self._placement = Placement(
            layout, in_order=backend.is_sequential, reorders=backend.reorders
        )
        self._pool = ArrayPool()
        self._live = LivePixels(store, self._life)
        budget_bytes = options.buffer_bytes or default_buffer_bytes()
        self._buffer = FrameBuffer(budget_bytes, options.stall_s, self._live.frames.add, self._life)
        self._levels = self._level_maker()
        self._writer = Writer(self._buffer, store, self._live, options, self._pool, self._levels)
        if store.stored:
            self._placement.resume(store.stored, store.next_number)
            self._live.frames.resume(store.stored)
        self._lock, self._closing = threading.Lock(), threading.Lock()
        self._summary: Summary | None = None
        self._ending: tuple[Status, str | None] | None = None
        self._began = time.monotonic()
        try:
            self._writer.start()
        except BaseException:  # no more threads, which the one of the levels would wait for
            self._ending = "failed", None
            if self._levels is not None:
                self._levels.end()
            raise
        close_at_exit(self)

    def _level_maker(self) -> LevelMaker | None:
        """Start the thread that makes resolution levels, where there are any."""
        store = self._store
        if store.levels is None:
            return None
        pool = self._pool if store.backend.takes_frames else None
        maker = LevelMaker(store.levels, store.layout.images, self._buffer, pool)
        self._buffer.make_room = maker.make_room
        self._live.levels = maker
        maker.start()
        return maker

    @property
    def layout(self) -> Layout:
        """The images and arrays of the store."""
        return self._layout

    def append(
        self,
        frame: NDArray[Any],
        *,
        at: Mapping[str, int] | None = None,
        metadata: Mapping[str, Any] | None = None,
        copy: bool = True,
    ) -> FrameAddress:
        """Store one frame; wait while the buffer is full.

        Parameters
        ----------
        frame : array, (height, width), or (height, width, 3) for RGB
            Of its camera's size and dtype, in any byte order and memory layout.
        at : mapping of str to int, optional
            Its acquisition index, such as ``event.index``; missing axes are 0. None: the
            next place of the plan (frames placed by index do not move that on).
        metadata : mapping, optional
            ``delta_t_s``, ``exposure_ms``, ``x_um``, ``y_um``, ``z_um`` and ``channel`` go to
            their place; the rest is kept as it is in the frame table.
        copy : bool
            True: the caller may reuse the array at once. False: the caller hands it over
            and never touches it again.

        Returns
        -------
        FrameAddress
            Where the frame goes.

        Raises
        ------
        FrameError, PlacementError
            The frame does not fit, or has no place. It is rejected; the stream goes on.
        WriteError
            An earlier frame could not be written, or the disk has stopped accepting data. The
            stream is over.
        BufferFullError
            There is no room, and ``when_full="raise"``. The frame is rejected.
        StreamClosedError
        """
        array = frame if type(frame) is np.ndarray else as_array(frame)
        if metadata is not None and not isinstance(metadata, Mapping):
            raise FrameError(f"metadata= must be a mapping, got {metadata!r:.80}.")
        with self._lock:
            if self._life.state is not StreamState.OPEN:
                raise self._refusal()
            found = self._placement.find(at)
            spec = found.spec
            arrival = self._placement.placed + self._placement.first_number
            dtype = spec.frame_dtype
            if array.shape != spec.frame_shape or array.dtype != dtype:
                check_fit(array, spec.frame_shape, dtype, arrival, at)
            if self._options.when_full == "raise" and not self._buffer.has_room(array.nbytes):
                raise buffer_full(arrival, self._buffer)
            is_pooled = copy or array.dtype != dtype or not array.flags.c_contiguous
            if is_pooled:
                array = self._pool.copy_of(array, spec.frame_shape, dtype)
            address = self._placement.take(found, metadata or {})
        channel = None
        if spec.channel_axis is not None and spec.channels:
            channel = spec.channels[address.index[spec.channel_axis]].name
        queued = QueuedFrame(
            array, address, found.at, metadata,
            arrival=arrival, channel=channel, is_pooled=is_pooled,
        )  # fmt: skip
        try:
            self._put(queued)
        except BaseException:
            if not queued.is_accepted and self._life.stall is None:
                with self._lock:
                    self._placement.give_back(address)
            raise
        return address

    def _put(self, queued: QueuedFrame | SkippedFrames) -> None:
        try:
            is_accepted = self._buffer.put(queued)
        except StalledError as error:
            self._life.stalled(error)
            raise
        if not is_accepted:
            raise self._refusal()

    @property
    def is_resumed(self) -> bool:
        """Whether the store was there before this stream."""
        return self._store.is_resumed

    @property
    def resumed_after_s(self) -> float:
        """Seconds from the start of the store's first run to that of this one; else 0."""
        return self._store.resumed_after_s

    def holds(self, at: Mapping[str, int], repeat: int = 0) -> bool:
        """Whether the store has, or is about to have, the frame of an index.

        Parameters
        ----------
        at : mapping of str to int
            As `append`.
        repeat : int
            Which of the frames, where the plan repeats the index.

        Raises
        ------
        PlacementError
            When the index is outside the plan.
        """
        return self._placement.holds(at, repeat)

    def held_before(self, at: Mapping[str, int]) -> bool:
        """Whether the frame of an index was in the store before it was resumed."""
        return self._placement.held_before(at)

    def skip(self, frames: int = 1, *, at: Mapping[str, int] | None = None) -> None:
        """Leave the next places of the plan empty: these frames will not be acquired.

        Parameters
        ----------
        frames : int
            How many, in the order of the plan.
        at : mapping of str to int, optional
            Instead: the index of the one frame that will not be acquired.

        Raises
        ------
        PlanFullError
            When the plan has fewer places left.
        """
        with self._lock:
            if self._life.state is not StreamState.OPEN:
                raise self._refusal()
            empty = self._placement.skip(frames) if at is None else self._placement.skip_at(at)
        self._live.frames.skip(address.image_number for address in empty)
        if empty and self._writer.is_gathering:
            self._put(SkippedFrames(empty))

    @property
    def progress(self) -> Progress:
        """A snapshot of frames, bytes and times."""
        return Progress(
            frames_planned=self._layout.frame_count,
            frames_appended=self._buffer.accepted,
            frames_skipped=self._placement.skipped,
            frames_written=self._writer.frames_written,
            bytes_written=self._writer.bytes_written,
            bytes_in_flight=self._buffer.bytes_held,
            buffer_bytes=self._buffer.budget_bytes,
            blocked_s=self._buffer.blocked_s,
            elapsed_s=self._summary.duration_s if self._summary else self._elapsed(),
            peak_buffer_bytes=self._buffer.peak_bytes,
        )

    def view(self, image: int | None = 0, *, level: int = 0) -> ArrayView:
        """Return an image as an array that can be read now, from any thread, and after `close`.

        A frame can be read as soon as `append` has returned. See `ArrayView`.

        Parameters
        ----------
        image : int or None
            Number of the image, in order of first visit. None: all of them, along a leading
            axis ``p``.
        level : int
            Resolution level; 0 is the full resolution. Others are of one image.

        Raises
        ------
        OptionError
            When there is no such image (yet, in a store that grows) or level.
        """
        if image is not None:
            number = checked_image(image, len(self._layout.images))
            count = 1 if self._store.levels is None else self._store.levels.count(number)
            return View(self._live, number, checked_level(level, count))
        checked_level(level, 1)
        growing = self._placement.growing
        return joined(self._live, growing.specs if growing else ())

    def add_variant(self, camera: Camera) -> int:
        """Accept frames of one more camera, or of another size, type or scale, from now on.

        Only in a store that grows; they have images of their own.

        Parameters
        ----------
        camera : Camera
            What delivers them.

        Returns
        -------
        int
            The value of ``cam`` in the index of these frames (`append`, `at`).

        Raises
        ------
        OptionError
            When the store does not grow, or has resolution levels that such frames cannot have.
        StreamClosedError
        """
        with self._lock:
            if self._life.state is not StreamState.OPEN:
                raise self._refusal()
            growing = self._placement.growing
            if growing is None:
                raise OptionError("Only a schema with grows=True accepts other cameras later.")
            number = growing.add_variant(camera)
            self._layout = growing.layout
            self._store.describe(growing.layout)
            return number

    def annotate(self, namespace: str, mapping: Mapping[str, Any]) -> None:
        """Add metadata of your own to the store: the sample, the operator, notes.

        They are written when the stream is closed, and read back by `Dataset.annotations`.
        Calling it again with the same namespace updates the mapping.

        Parameters
        ----------
        namespace : str
            Of your own, such as ``"sample"`` or a URL.
        mapping : mapping of str to anything that JSON can hold

        Raises
        ------
        OptionError
            On a namespace or a mapping that cannot be kept.
        StreamClosedError
            When the stream is closed; use `pymmcore_ome.annotate` then.
        """
        with self._lock:
            if self._life.state is not StreamState.OPEN:
                raise self._refusal()
            self._store.annotate(namespace, mapping)

    def show_in(self, view: JoinedView) -> None:
        """Let a view show the images of this stream, which was made before it was opened."""
        view.attach(self._live)

    def close(self, *, status: Status = "complete", reason: str | None = None) -> Summary:
        """Write every buffered frame and the final documents, and return what was stored.

        Waits until everything is on disk, however long that takes. Closing again returns the
        same summary, or raises the same error.

        Parameters
        ----------
        status, reason
            To write into the store if no write failed: ``"complete"``, or ``"canceled"`` or
            ``"failed"`` with the reason in words.

        Raises
        ------
        WriteError
            If anything did not reach the disk. The status of the store is then ``"failed"``,
            with the reason.
        """
        if status not in _ENDINGS:
            raise OptionError(f"status must be one of {', '.join(_ENDINGS)}, got {status!r:.80}.")
        with self._closing:
            if self._ending is None:  # an interrupted close() keeps how the run ended
                self._ending = status, reason
            if self._summary is None:
                status, reason = self._ending
                with self._lock:
                    self._buffer.end()
                self._wait()
                if (error := self._life.failure) is not None:
                    status, reason = "failed", str(error)
                self._summary = finish(
                    self._store, self._life, self._writer, self._placement, self._buffer.accepted,
                    status, reason, self._elapsed(), self._levels,
                )  # fmt: skip
                self._life.go_to(StreamState.CLOSED)
                self._live.end()
                forget(self)
            if self._life.failure is not None:
                raise self._refusal()
            return self._summary

    def __del__(self) -> None:
        if getattr(self, "_ending", True) is not None or sys.is_finalizing():
            return
        path = self._store.path
        warnings.warn(f"The stream to {path} was not closed", ResourceWarning, stacklevel=1)
        logger.warning("The stream to %s was not closed. It is closed now, as canceled.", path)
        # by a thread, because this may run in any, the writer's included
        threading.Thread(
            target=_close_abandoned,
            args=(self, "the stream was not closed, and its program let go of it"),
            name="pymmcore-ome close",
        ).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        canceled = isinstance(error, (KeyboardInterrupt, GeneratorExit))
        try:
            self.close(
                status="canceled" if canceled else "failed",
                reason=f"{type(error).__name__}: {error}".removesuffix(": "),
            )
        except WriteError as late:
            if not isinstance(error, WriteError):
                raise late from error

    def _wait(self) -> None:
        """Wait for the writer, however long it takes, and log the progress."""
        while not self._writer.wait(_WARN_EVERY_S):
            logger.warning(
                "%s: still writing, %d frames (%.0f MB) to go",
                self._store.path,
                self._buffer.accepted - self._writer.frames_written,
                self._buffer.bytes_held / 1e6,
            )
        if self._levels is not None:
            self._levels.end()
            while not self._levels.wait(_WARN_EVERY_S):
                logger.warning("%s: still writing resolution levels", self._store.path)

    def _refusal(self) -> PymmcoreOmeError:
        """Return why a stream that is not open accepts nothing."""
        if self._life.failure is not None:
            return write_error(self._store.path, self._life.failure)
        if self._life.stall is not None:
            return self._life.stall
        return StreamClosedError(
            f"The stream to {self._store.path} is closed. Open a new one to write more."
        )

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


def finish(
    store: Store,
    life: StreamLife,
    writer: Writer,
    placement: Placement,
    accepted: int,
    status: Status,
    reason: str | None,
    duration_s: float,
    levels: LevelMaker | None = None,
) -> Summary:
    """Finish the store; latch what goes wrong.

    Parameters
    ----------
    store, life, writer, placement, levels
        Of the stream.
    accepted : int
        Frames that the buffer accepted.
    status, reason
        How it went, as far as the caller knows.
    duration_s : float
    """
    # a frame that Ctrl-C or close() rejected is none of them; one that a stall rejected counts
    before, written = len(store.stored), writer.frames_written
    placed = before + accepted + (life.stall is not None)
    if status != "failed" and written < placed:
        status, reason = "failed", f"{placed - written} of {placed} frames were not written"
        life.fail(WriteError(f"{store.path}: {reason}."))
    planned = store.layout.frame_count
    if status == "complete" and planned is not None and placed < planned:
        missing = f"{planned - placed} of {planned} planned frames were not acquired"
        logger.warning("%s: %s; their places read as 0", store.path, missing)
        reason = f"{missing}; {reason}" if reason else missing
    summary = Summary(
        path=store.path,
        status=status,
        reason=reason,
        frames_planned=planned,
        frames_written=written,
        frames_skipped=placement.skipped,
        bytes_written=writer.bytes_written,
        duration_s=duration_s,
        frames_before=before,
    )

    def unfinished(error: Exception) -> WriteError:
        return WriteError(
            f"{store.path} could not be finished: {error}. {store.left_behind}. "
            f"{advice_on_write(error)}."
        )

    try:
        with MapErrors(unfinished):
            store.finish(summary, writer.shapes, placement.growing, levels, writer.contrast)
    except PymmcoreOmeError as error:
        life.fail(error)
        summary = replace(summary, status="failed", reason=str(error))
    return summary


_open_streams: weakref.WeakSet[Any] = weakref.WeakSet()


def close_at_exit(stream: Any) -> None:
    """Close the stream when the program ends, unless it was closed before."""
    _open_streams.add(stream)


def forget(stream: Any) -> None:
    """Note that a stream was closed."""
    _open_streams.discard(stream)


def _close_all() -> None:
    for stream in list(_open_streams):
        _close_abandoned(stream, "the program ended without closing the stream")


def _close_abandoned(stream: Stream, reason: str) -> None:
    try:
        stream.close(status="canceled", reason=reason)
    except WriteError as error:
        logger.error("%s", error)


# Earlier than atexit, if possible: by then the thread pools of zarr-python and of ours accept no
# more work. concurrent.futures itself ends this way, and the last that registers goes first.
getattr(threading, "_register_atexit", atexit.register)(_close_all)
if hasattr(os, "register_at_fork"):  # the parent closes them; a child has not their threads
    os.register_at_fork(after_in_child=_open_streams.clear)


def as_array(frame: Any) -> NDArray[Any]:
    """Return a caller's frame as an array.

    Raises
    ------
    FrameError
    """
    try:
        return np.asarray(frame)
    except ValueError as error:
        raise FrameError(
            f"The frame is not an array: {error}. Pass a (height, width) array."
        ) from error


def check_fit(
    array: NDArray[Any],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    number: int,
    at: Mapping[str, int] | None,
) -> None:
    """Refuse an array of another shape or dtype; the byte order does not matter.

    Parameters
    ----------
    array : array
    shape, dtype
        What the schema declares for frames of this camera.
    number : int
        Of the frame, in order of arrival, for the message.
    at : mapping or None
        Its index, for the message.

    Raises
    ------
    FrameError
    """
    if array.shape == shape and (array.dtype == dtype or array.dtype.newbyteorder("=") == dtype):
        return
    where = ""
    if isinstance(at, Mapping):
        where = " at {" + ", ".join(f"{key!s}: {value}" for key, value in at.items()) + "}"
    raise FrameError(
        f"Frame {number}{where}: got {array.shape} {array.dtype}, the schema "
        f"declares {shape} {dtype}. Check the camera's ROI, binning and bit depth, and the "
        "presets that set them; the frame was rejected, and the frames already written are safe."
    )
