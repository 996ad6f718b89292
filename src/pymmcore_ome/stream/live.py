"""`LivePixels`: every image of a store, readable while it is written.

Frames that are not on disk yet are read from the buffer (`PendingFrames`), the others through
the backend, during the writing (`ChunkLocks`). Nothing is copied or held for it.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import product
from math import prod
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import Picks, PlaneReader, selected_shape
from pymmcore_ome.errors import UnreadableFrameError
from pymmcore_ome.layout import ArraySpec, ChunkGrid, ImageLayout, TakenPlanes, boxes

from .chunk_assembler import ChunkKey
from .frame_buffer import QueuedFrame
from .level_maker import LevelMaker
from .progress import FrameCounts
from .state import StreamLife, StreamState
from .store import Store

Plane = tuple[int, ...]  # an index in storage order, without y and x, counted in frames


class Snapshot(NamedTuple):
    """The state of some planes of an image, all at one moment.

    Attributes
    ----------
    acquired : array of bool
        For each plane of the mesh: whether its frame was accepted.
    frames : dict
        The pixels of planes of the mesh that are in memory, as blocks of the image.
    """

    acquired: NDArray[np.bool_]
    frames: dict[Plane, NDArray[Any]]


class _Image:
    """The frames of one image."""

    __slots__ = ("accepted", "earlier", "extent", "frames", "lost", "newest", "planes", "spec")

    def __init__(self, spec: ArraySpec) -> None:
        self.spec = spec
        self.planes = TakenPlanes(spec, np.uint8)
        self.frames: dict[Plane, QueuedFrame] = {}
        self.extent = [0] * len(spec.frame_step)
        self.accepted = self.earlier = self.lost = 0
        self.newest: tuple[int, ...] | None = None


class PendingFrames:
    """Frames from the moment that the buffer accepts them until their pixels are on disk.

    It holds references to arrays that the buffer or the chunk assembler holds anyway. From
    any thread; none waits for a disk.

    Parameters
    ----------
    images : sequence of ImageLayout
        Of the layout; it may grow.
    keeps : bool
        Frames on disk cannot be read at once: the newest ones are kept in what the buffer's
        budget leaves free, and always the last one.
    """

    def __init__(self, images: Sequence[ImageLayout], keeps: bool = False) -> None:
        self.on_change: Callable[[], None] | None = None  # called often; it must return at once
        self.version = 0  # rises when an image grows or is added
        self._layouts = images
        self._keeps = keeps
        self._lock = threading.Lock()
        self._accepted = 0
        self._newest_image = -1
        self._images: dict[int, _Image] = {}
        self._skipped: Counter[int] = Counter()
        self._kept: OrderedDict[tuple[int, Plane], int] = OrderedDict()  # oldest first: bytes
        self._kept_bytes = 0

    def add(self, queued: QueuedFrame, room_bytes: int) -> None:
        """Note a frame that was accepted; from now on it has its place.

        Parameters
        ----------
        queued : QueuedFrame
        room_bytes : int
            What the budget leaves free, this frame counted.
        """
        number, index = queued.image_number, queued.index
        with self._lock:
            image = self._images.get(number) or self._image(number)
            spec = image.spec
            plane = index if spec.samples == 1 else spec.plane_index(index)
            image.frames[plane] = queued
            image.planes.take(plane)
            image.accepted += 1
            image.newest = index
            self._accepted += 1
            self._newest_image = number
            for axis in spec.unbounded_axes:
                end = index[axis] + spec.frame_step[axis]
                if end > image.extent[axis]:
                    image.extent[axis] = end
                    self.version += 1
            if self._kept_bytes > room_bytes:
                self._let_go(room_bytes)
        if self.on_change is not None:
            self.on_change()

    def resume(self, stored: Iterable[tuple[int, tuple[int, ...]]]) -> None:
        """Note the frames, by image number and index, that are on disk already."""
        with self._lock:
            for number, index in stored:
                image = self._images.get(number) or self._image(number)
                image.planes.take(image.spec.plane_index(index))
                image.earlier += 1

    def skip(self, image_numbers: Iterable[int]) -> None:
        """Note the image of each frame that will not be acquired."""
        with self._lock:
            self._skipped.update(image_numbers)

    def settle(self, frames: Iterable[QueuedFrame], room_bytes: int) -> None:
        """Note that these frames are on disk."""
        keeps = self._keeps and self.on_change is not None
        with self._lock:
            for queued in frames:
                image = self._images[queued.image_number]
                plane = image.spec.plane_index(queued.index)
                if not keeps:
                    image.frames.pop(plane, None)
                elif plane in image.frames:
                    self._kept[queued.image_number, plane] = queued.nbytes
                    self._kept_bytes += queued.nbytes
            if self._kept_bytes > room_bytes:
                self._let_go(room_bytes)

    def end(self, proven: Container[tuple[int, tuple[int, ...]]] | None = None) -> None:
        """Note that no frame is written any more: those that are not on disk are lost.

        Parameters
        ----------
        proven : container of (image number, index), optional
            The frames that are on disk, where it is not enough that their write ended.
        """
        with self._lock:
            for number, image in self._images.items():
                kept = {plane for where, plane in self._kept if where == number}
                lost = set(image.frames) - kept
                if proven is not None:
                    lost = {
                        plane
                        for plane in image.planes
                        if (number, image.spec.plane_start(plane)) not in proven
                    }
                for plane in lost:
                    image.planes.release(plane)
                image.frames.clear()
                image.lost += len(lost)
                if lost:
                    reach = [max(axis, default=-1) + 1 for axis in zip(*image.planes, strict=True)]
                    image.extent = list(image.spec.plane_start(reach or [0] * len(image.extent)))
                    self.version += 1
            self._kept.clear()
            self._kept_bytes = 0

    def snapshot(self, number: int, planes: Picks) -> Snapshot:
        """Return the state of a mesh of planes."""
        with self._lock:
            image = self._images.get(number)
            if image is None:
                return Snapshot(np.zeros([len(pick) for pick in planes], bool), {})
            acquired = image.planes.mask(planes)
            if prod(len(pick) for pick in planes) < len(image.frames):
                meshed = product(*(pick.tolist() for pick in planes))
                frames = {plane: image.frames[plane] for plane in meshed if plane in image.frames}
            else:
                frames = image.frames.copy()
        sought = [set(pick.tolist()) for pick in planes]
        spec = self._layouts[number].spec
        return Snapshot(
            acquired,
            {
                plane: spec.frame_to_block(queued.frame)
                for plane, queued in frames.items()
                if all(n in pick for n, pick in zip(plane, sought, strict=True))
            },
        )

    def is_accepted(self, number: int, index: Sequence[int]) -> bool:
        """Whether a frame was accepted for this place."""
        with self._lock:
            image = self._images.get(number)
            return image is not None and image.spec.plane_index(index) in image.planes

    def shape(self, number: int) -> tuple[int, ...]:
        """Shape of an image; of one that grows, to the last frame that was accepted."""
        layout = self._layouts[number]
        image = self._images.get(number)
        if image is None or not layout.spec.unbounded_axes:
            return layout.shape
        return tuple(
            extent if axis.size is None else axis.size
            for axis, extent in zip(layout.axes, (*image.extent, 0, 0), strict=True)
        )

    def newest(self, number: int) -> tuple[int, tuple[int, ...] | None]:
        """Return how many frames an image has, and the index of the latest one."""
        with self._lock:
            image = self._images.get(number)
            return (0, None) if image is None else (image.accepted, image.newest)

    def newest_of_all(self) -> tuple[int, int | None, tuple[int, ...]]:
        """Return how many frames were accepted, and image and index of the latest one."""
        with self._lock:
            image = self._images.get(self._newest_image)
            if image is None or image.newest is None:
                return 0, None, ()
            return self._accepted, self._newest_image, image.newest

    def counts(self) -> FrameCounts:
        """Return how many frames each image has."""
        with self._lock:
            acquired, skipped, lost = np.zeros((3, len(self._layouts)), np.int64)
            for number, image in self._images.items():
                acquired[number] = image.accepted + image.earlier - image.lost
                lost[number] = image.lost
            skipped[list(self._skipped)] = list(self._skipped.values())
            newest = self._newest_image
        return FrameCounts(acquired, skipped, lost, newest if newest >= 0 else None)

    def _image(self, number: int) -> _Image:
        image = self._images.get(number)
        if image is None:
            image = self._images[number] = _Image(self._layouts[number].spec)
            self.version += 1
        return image

    def _let_go(self, room_bytes: int) -> None:
        """Forget kept frames until what is left fits, oldest first; never the last one."""
        while self._kept_bytes > room_bytes and len(self._kept) > 1:
            (number, plane), nbytes = self._kept.popitem(last=False)
            self._kept_bytes -= nbytes
            self._images[number].frames.pop(plane, None)


class ChunkLocks:
    """Readers and one writer take turns, chunk by chunk. From any thread.

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
        self._grids: dict[ArraySpec, ChunkGrid | None] = {}
        self._changed = threading.Condition()
        self._writing: Counter[ChunkKey] = Counter()
        self._reading: Counter[ChunkKey] = Counter()

    def grid(self, number: int) -> ChunkGrid | None:
        """Return the chunks of an image; None if no frames share one."""
        if not self._is_needed:
            return None
        spec = self._images[number].spec
        if spec not in self._grids:
            grid = ChunkGrid(spec, None)
            self._grids[spec] = grid if grid.frames > 1 else None
        return self._grids[spec]

    def lock(self, image: int, start: tuple[int, ...]) -> None:
        """Lock the chunk of an element, y and x left out, against readers, until `unlock`."""
        key = self._key(image, start)
        if key is None:
            return
        with self._changed:
            self._writing[key] += 1
            while self._reading[key]:
                self._changed.wait()

    def unlock(self, image: int, start: tuple[int, ...]) -> None:
        """Note that a write has ended, or failed."""
        key = self._key(image, start)
        if key is None:
            return
        with self._changed:
            self._writing[key] -= 1
            if not self._writing[key]:
                del self._writing[key]
            self._changed.notify_all()

    @contextmanager
    def reading(self, key: ChunkKey) -> Iterator[None]:
        """Keep the writer out of a chunk; waits for it, so hold no other lock then."""
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

    def _key(self, image: int, start: tuple[int, ...]) -> ChunkKey | None:
        grid = self.grid(image)
        return None if grid is None else (image, grid.locate(start).chunk_index)


logger = logging.getLogger("pymmcore-ome")
_PAUSE_S: Final = 0.01  # between two rounds, so that many small frames are one notification


class Notified(Protocol):
    """A view, as far as notifications go."""

    def emit_changes(self) -> None: ...


class ViewNotifier:
    """Has every view of a stream emit its signals, in a thread of its own.

    A slot that raises or hangs can then neither end nor hold the acquisition.
    """

    def __init__(self) -> None:
        self._views: weakref.WeakSet[Notified] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, view: Notified) -> None:
        """Notify a view from now on, until it is deleted or the stream ends."""
        with self._lock:
            self._views.add(view)
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(
                    target=self._run, name="pymmcore-ome views", daemon=True
                )
                self._thread.start()

    def notify(self) -> None:
        """Notify the views soon. Returns at once."""
        if not self._changed.is_set():
            self._changed.set()

    def end(self) -> None:
        """Notify the views a last time; does not wait for them."""
        self._ended.set()
        self._changed.set()

    def _run(self) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            is_last = self._ended.is_set()
            with self._lock:
                views = list(self._views)
            for view in views:
                try:
                    view.emit_changes()
                except Exception:  # a slot's error is not the acquisition's
                    logger.exception("A slot of %r failed", view)
            del views
            if is_last:
                return
            self._ended.wait(_PAUSE_S)


_MAX_OPEN: Final = 128
Box = tuple[slice, ...]


class LivePixels:
    """Reads every image of a store, while it is written and after. From any thread.

    Attributes
    ----------
    frames : PendingFrames
    locks : ChunkLocks
    notifier : ViewNotifier
    """

    def __init__(self, store: Store, life: StreamLife) -> None:
        self._store = store
        self._life = life
        self._backend = store.backend
        self.images: Sequence[ImageLayout] = store.layout.images
        self.frames = PendingFrames(self.images, keeps=not self._backend.reads_at_once)
        self.locks = ChunkLocks(self.images, is_needed=_shares_chunks(store))
        self.notifier = ViewNotifier()
        self.levels: LevelMaker | None = None
        self._lock = threading.Lock()
        self._readers: OrderedDict[int, PlaneReader] = OrderedDict()

    def watch(self, view: Notified) -> None:
        """Notify a view of new frames, until it is deleted or the stream ends."""
        self.frames.on_change = self.notifier.notify
        self.notifier.add(view)
        self.notifier.notify()

    def end(self) -> None:
        """Note that the store is closed: from now on, the frames on disk are all there are."""
        self.frames.end(self._store.proven)
        self.notifier.end()

    def read(self, number: int, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a block of an image; see `PlaneReader`.

        Raises
        ------
        UnreadableFrameError
            When a frame of it was accepted, and can be read neither from memory nor from disk.
        NotAStoreError
            When the store was deleted, moved or replaced.
        """
        image = self.images[number]
        unit = image.spec.frame_step
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
            offset = (int(np.searchsorted(p, n)) for p, n in zip(planes, plane, strict=True))
            needed[tuple(offset)] = False
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
            with nullcontext() if key is None else self.locks.reading(key):
                block[region] = reader.read(inside, rows, columns)
        return block

    def read_level(
        self, number: int, level: ImageLayout, n: int, picks: Picks, rows: slice, columns: slice
    ) -> NDArray[Any]:
        """Return a block of a resolution level of an image; see `read`.

        Of a frame on its way, and of one whose levels are still to be made, it is computed.

        Parameters
        ----------
        number : int
            Of the image.
        level : ImageLayout
            The level as an image.
        n : int
            Which level, from 1.
        picks, rows, columns
            As `PlaneReader.read`, in pixels of the level.
        """
        assert self.levels is not None
        spec, writer = level.spec, self.levels.levels
        block = np.zeros(selected_shape(picks, rows, columns), level.dtype)
        if not block.size:
            return block
        self._store.check_in_place()
        unit = spec.frame_step
        planes = [
            pick if step == 1 else np.unique(pick // step)
            for pick, step in zip(picks, unit, strict=True)
        ]
        acquired, frames = self.frames.snapshot(number, planes)
        full = self.images[number].spec
        whole = tuple(slice(0, size) for size in full.shape[-2:])
        for offset in np.argwhere(acquired).tolist():
            plane = tuple(int(p[i]) for p, i in zip(planes, offset, strict=True))
            index = spec.plane_start(plane)
            elements = [np.arange(a, a + s) for a, s in zip(index, unit, strict=True)]
            if plane not in frames and self.levels.has_levels(number, plane):
                pixels = writer.reader(number, n).read(elements, rows, columns)
            else:
                stored = frames.get(plane)
                if stored is None:
                    stored = self.read(number, elements, *whole)
                frame = np.ascontiguousarray(full.block_to_frame(stored))
                smaller = writer.downsampler.levels(frame, n + 1)[-1]
                pixels = spec.frame_to_block(smaller)[..., rows, columns]
            self._put(block, picks, unit, plane, pixels)
        return block

    @staticmethod
    def _put(
        block: NDArray[Any],
        picks: Picks,
        unit: tuple[int, ...],
        plane: tuple[int, ...],
        pixels: NDArray[Any],
    ) -> None:
        """Put the selected pixels of a frame where they belong."""
        region, wanted = [], []
        for pick, step, n in zip(picks, unit, plane, strict=True):
            first, last = np.searchsorted(pick, (n * step, n * step + step)).tolist()
            region.append(slice(first, last))
            wanted.append(pick[first:last] - n * step)
        block[tuple(region)] = pixels[np.ix_(*wanted)] if wanted else pixels

    def _boxes(
        self, number: int, planes: Picks, needed: NDArray[np.bool_]
    ) -> Iterator[tuple[ChunkKey | None, Box]]:
        """Yield boxes of the mesh that hold the needed planes, and the chunk of each."""
        grid = self.locks.grid(number)
        if grid is None:
            yield from ((None, box) for box in boxes(needed))
            return
        parts = []  # of each axis: the chunks that it touches, and the planes in each
        for axis, plane in enumerate(planes):
            chunks = [grid.chunk_along(axis, int(n)) for n in plane]
            firsts = [n for n, chunk in enumerate(chunks) if n == 0 or chunk != chunks[n - 1]]
            ends = [*firsts[1:], len(chunks)]
            parts.append([(chunks[a], slice(a, b)) for a, b in zip(firsts, ends, strict=True)])
        for chosen in product(*parts):
            inside = tuple(part for _, part in chosen)
            for box in boxes(needed[inside]):
                yield (
                    (number, tuple(chunk for chunk, _ in chosen)),
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
        if reader is None and self._life.state is StreamState.CLOSED:
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
        name = self._store.layout.frame_name(image, image.spec.plane_start(first))
        more = int(needed.sum()) - 1
        others = f" (and {more} more)" if more else ""
        return UnreadableFrameError(
            f"Cannot read frame {name}{others}: {self._backend.name} images are readable only once "
            "complete, and only the newest frames are kept in memory. Ask for a view before the "
            "first frame and raise buffer_bytes, or use a backend that can be read at once."
        )


def _shares_chunks(store: Store) -> bool:
    """Whether a chunk that is read may be written again meanwhile."""
    backend = store.backend
    return backend.pages is None and backend.reads_at_once and not backend.takes_frames
