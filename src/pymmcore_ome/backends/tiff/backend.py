"""The tiff backend: OME-TIFF, any order of arrival, readable while it is written.

It has no chunks: a page is a frame. Writing and compression run in threads of their own, and
the order in which strips reach the file does not matter.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from math import prod
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends.compression import TIFF_LEVELS, parse
from pymmcore_ome.backends.port import ArrayBackend, BackendOptions, WriteFuture
from pymmcore_ome.disk import Format, StoreLocation, write_whole
from pymmcore_ome.layout import Axis, ImageLayout, Layout, PageTable
from pymmcore_ome.schema import MICROMETERS

from .file import TiffFile
from .format import PageKind, TiffCodec, TiffForm
from .reader import TiffReader

_MAX_OPEN: Final = 128
_MAX_THREADS: Final = 8
_FIRST_PAGES: Final = 64  # of an image whose size nobody knows
_CLASSIC_LIMIT: Final = 2**32 - 2**24
_PAGE_BYTES: Final = 400  # at most, of a page's tags
_UM_PER_CM: Final = 10_000.0


class TiffBackend(ArrayBackend):
    """Writes OME-TIFF: all images in one file, or one file each in a folder."""

    name: ClassVar[str] = "tiff"
    format: ClassVar[Format] = "ome-tiff"
    reads_at_once: ClassVar[bool] = True

    def __init__(self) -> None:
        self.pages: PageTable = PageTable()
        self._place: StoreLocation | None = None
        self._options = BackendOptions()
        self._images: list[ImageLayout] = []
        self._dtypes: list[np.dtype[Any]] = []
        self._kinds: list[tuple[PageKind, TiffCodec, bytes | None]] = []
        self._files: list[TiffFile] = []
        self._resting: OrderedDict[int, None] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None
        self._strips: StripWriter | None = None

    @classmethod
    def refusals(cls, layout: Layout, options: BackendOptions) -> list[str]:
        reasons = []
        try:
            parse(options.compression, TIFF_LEVELS)
        except ValueError as error:
            reasons.append(str(error))
        if any(
            axis.chunk_size or axis.shard_size for image in layout.images for axis in image.axes
        ):
            reasons.append("OME-TIFF stores whole frames: chunks and shards are for OME-Zarr")
        if not options.bigtiff:
            reasons += _classic_refusals(layout)
        return reasons

    def create(self, place: StoreLocation, layout: Layout, options: BackendOptions) -> None:
        self._place, self._options = place, options
        self.pages = PageTable(apart=place.is_folder)
        if parse(options.compression, TIFF_LEVELS) is not None:
            threads = min(_MAX_THREADS, os.cpu_count() or 1)
            self._pool = ThreadPoolExecutor(threads, "pymmcore-ome tiff")
        else:
            self._strips = StripWriter()
        if not place.is_folder:
            self._files.append(self._new_file(place.path))
        known: dict[tuple[object, ...], tuple[PageKind, TiffCodec, bytes | None]] = {}
        for image in layout.images:
            self._add(image, known)
        self._write_pages(0)
        if not place.is_folder and not layout.images:
            self._files[0].add_placeholder()

    def put(self, key: str, content: Iterable[bytes]) -> None:
        assert self._place is not None
        if not self._place.is_folder:
            self._files[0].describe(content)
        elif key.endswith(".tiff"):
            self._file(int(key.partition(".")[0])).describe(content)
        elif self._place.path.exists():
            write_whole(self._place.path / key, content)

    def add(self, image: ImageLayout) -> None:
        first = len(self._images)
        self._add(image, {})
        self._write_pages(first)

    def write(
        self, image: int, start: tuple[int, ...], block: NDArray[np.generic]
    ) -> WriteFuture | None:
        page = self.pages.page(image, start[:-2])
        codec = self._kinds[image][1]
        file = self._file(image)
        frame = self._frame(image, block)
        if self._strips is not None:
            return self._strips.write(file, page, codec.encode(frame))
        assert self._pool is not None
        try:
            return self._pool.submit(lambda: file.store([(page, codec.encode(frame))]))
        except RuntimeError:  # the program ends, and takes no more work for other threads
            file.store([(page, codec.encode(frame))])
            return None

    def _frame(self, image: int, block: NDArray[Any]) -> NDArray[Any]:
        """Return a block as the frame that a strip holds, in little-endian bytes."""
        layout = self._images[image]
        if layout.samples == 1 and block.dtype == self._dtypes[image] and block.flags.c_contiguous:
            return block.reshape(layout.frame_shape)
        frame = block.reshape(layout.block_shape)
        if layout.samples > 1 and layout.channel_axis is not None:
            frame = np.moveaxis(frame, layout.channel_axis, -1)
        frame = frame.reshape(layout.frame_shape)
        return np.ascontiguousarray(frame, dtype=frame.dtype.newbyteorder("<"))

    def reader(self, image: int) -> TiffReader:
        layout = self._images[image]
        file = self._files[0 if len(self._files) == 1 else image]
        return TiffReader(
            file, layout, layout.shape, layout.axis_names, lambda: self.pages.pages(image)
        )

    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        layout = self._images[image]
        have, want = self.pages.shape(image), list(shape[:-2])
        if layout.samples > 1 and layout.channel_axis is not None:
            want[layout.channel_axis] = -(-want[layout.channel_axis] // layout.samples)
        if all(h >= w for h, w in zip(have, want, strict=True)):
            return False
        larger = [max(h, 2 * h if w > h else w, w) for h, w in zip(have, want, strict=True)]
        count = self.pages.grow(image, self._full_shape(layout, larger))
        self._file(image).add_pages(self._kinds[image][0], count, self._kinds[image][2])
        return True

    def sync(self) -> None:
        for file in self._files:
            file.sync()

    def finish(self) -> None:
        """Every write was waited for: nothing is held."""

    def is_in_place(self) -> bool:
        return all(file.is_in_place() for file in self._files)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        if self._strips is not None:
            self._strips.close()
        for file in self._files:
            file.rest()

    def _add(self, image: ImageLayout, known: dict[tuple[object, ...], Any]) -> None:
        """Give pages to an image; those that nobody knows the size of get some to begin with."""
        key = (image.axes[-2:], image.dtype, image.samples)
        if key not in known:
            known[key] = self._kind(image)
        planes = [
            size // (image.samples if number == image.channel_axis else 1)
            for number, size in enumerate(image.shape[:-2])
        ]
        if image.unbounded_axes:
            step = max(1, prod(size for size in planes if size))
            # of images that nobody knew of there may be thousands, of few frames each
            first = max(1, _FIRST_PAGES // step) if len(image.unbounded_axes) == 1 else 1
            slowest = image.unbounded_axes[0]
            planes = [
                first if number == slowest else max(1, size) for number, size in enumerate(planes)
            ]
        self.pages.add(image, self._full_shape(image, planes))
        self._images.append(image)
        self._dtypes.append(np.dtype(image.dtype).newbyteorder("<"))
        self._kinds.append(known[key])

    def _write_pages(self, first: int) -> None:
        """Write the pages of all images from the first on, neighbours of one kind together."""
        assert self._place is not None
        if self._place.is_folder:
            for number in range(first, len(self._images)):
                self._files.append(
                    self._new_file(self._place.path / f"{self._images[number].number}.ome.tiff")
                )
                kind, _, blank = self._kinds[number]
                self._file(number).add_pages(kind, prod(self.pages.shape(number)), blank)
            return
        waiting = 0
        for number in range(first, len(self._images)):
            waiting += prod(self.pages.shape(number))
            is_last = number + 1 == len(self._images)
            if is_last or self._kinds[number + 1] is not self._kinds[number]:
                kind, _, blank = self._kinds[number]
                self._files[0].add_pages(kind, waiting, blank)
                waiting = 0

    def _kind(self, image: ImageLayout) -> tuple[PageKind, TiffCodec, bytes | None]:
        dtype = np.dtype(image.dtype)
        name, level = parse(self._options.compression, TIFF_LEVELS) or (None, 0)
        codec = TiffCodec(name, level, dtype)
        y, x = image.axes[-2:]
        kind = PageKind(
            image.shape[-2], image.shape[-1], image.samples, image.dtype,
            codec.number, codec.predictor, _pixels_per_cm(x, y),
        )  # fmt: skip
        blank = None
        if name is not None:
            blank = bytes(codec.encode(np.zeros(image.frame_shape, dtype)))
        return kind, codec, blank

    @staticmethod
    def _full_shape(image: ImageLayout, planes: Iterable[int]) -> tuple[int, ...]:
        shape = list(planes)
        if image.samples > 1 and image.channel_axis is not None:
            shape[image.channel_axis] *= image.samples
        return (*shape, *image.shape[-2:])

    def _new_file(self, path: Path) -> TiffFile:
        path.touch()
        return TiffFile(path, TiffForm(self._options.bigtiff))

    def _file(self, image: int) -> TiffFile:
        if len(self._files) == 1:
            return self._files[0]
        self._resting[image] = None
        self._resting.move_to_end(image)
        if len(self._resting) > _MAX_OPEN:
            oldest, _ = self._resting.popitem(last=False)
            self._files[oldest].rest()
        return self._files[image]


def _pixels_per_cm(x: Axis, y: Axis) -> tuple[float, float] | None:
    if not x.scale or not y.scale:
        return None
    um = [abs(axis.scale or 1) * MICROMETERS[axis.unit or "micrometer"] for axis in (x, y)]
    return _UM_PER_CM / um[0], _UM_PER_CM / um[1]


def _classic_refusals(layout: Layout) -> list[str]:
    if layout.frame_count is None:
        return ["a classic TIFF ends at 4 GiB, and the number of frames is not known"]
    planned = sum(
        prod(image.shape) * np.dtype(image.dtype).itemsize + prod(image.shape[:-2]) * _PAGE_BYTES
        for image in layout.images
    )
    if planned > _CLASSIC_LIMIT:
        return [
            f"a classic TIFF ends at 4 GiB, the plan has {planned / 2**30:.1f} GiB; leave "
            "bigtiff=False out"
        ]
    return []


_MOST_STRIPS: Final = 128
_MOST_BYTES: Final = 16 << 20


class StripWrite:
    """A strip on its way: a `WriteFuture`."""

    __slots__ = ("_callback", "_changed", "_error", "_is_done", "file", "page", "strip")

    def __init__(self, file: TiffFile, page: int, strip: Any, changed: threading.Condition) -> None:
        self.file, self.page, self.strip = file, page, strip
        self._changed = changed
        self._is_done = False
        self._error: Exception | None = None
        self._callback: Callable[[StripWrite], Any] | None = None

    def done(self) -> bool:
        """Whether it is down, or failed."""
        return self._is_done

    def result(self) -> None:
        """Wait until it is down.

        Raises
        ------
        OSError
        """
        if not self._is_done:
            with self._changed:
                self._changed.wait_for(self.done)
        if self._error is not None:
            raise self._error

    def add_done_callback(self, callback: Callable[[StripWrite], Any], /) -> None:
        """Call this when it is down or failed; at once, if it is already."""
        with self._changed:
            if not self._is_done:
                self._callback = callback
                return
        callback(self)

    def end(self, error: Exception | None) -> Callable[[StripWrite], Any] | None:
        """Note how it ended; return whom to tell. The condition is held."""
        self._error, self.strip = error, None
        self._is_done = True
        return self._callback


class StripWriter:
    """Writes strips in the order in which they were given, in a thread of its own until `close`.

    `write` and `close` are called from one thread at a time.
    """

    def __init__(self) -> None:
        self._waiting: deque[StripWrite] = deque()
        self._given = threading.Condition()
        self._changed = threading.Condition()
        self._ended = False
        self._is_idle = False
        self._gone = threading.Event()
        # daemon: what it holds is waited for by whoever closes the stream
        self._thread = threading.Thread(target=self._run, name="pymmcore-ome tiff", daemon=True)
        self._thread.start()

    def write(self, file: TiffFile, page: int, strip: Any) -> StripWrite:
        """Bring a strip to a page of a file, soon."""
        write = StripWrite(file, page, strip, self._changed)
        self._waiting.append(write)
        if self._is_idle:  # set before it looks for the last time
            with self._given:
                self._given.notify()
        return write

    def close(self) -> None:
        """Write what was given, and end the thread."""
        with self._given:
            self._ended = True
            self._given.notify()
        self._gone.wait()  # not `join`, which must not be interrupted (bpo-45274)

    def _run(self) -> None:
        while batch := self._take():
            for file, group in groupby(batch, attrgetter("file")):
                self._store(file, list(group))
        self._gone.set()

    def _take(self) -> list[StripWrite]:
        """Return the strips to write next; none at the end."""
        if not self._waiting:
            with self._given:
                self._is_idle = True
                self._given.wait_for(lambda: self._waiting or self._ended)
                self._is_idle = False
        batch: list[StripWrite] = []
        nbytes = 0
        while self._waiting and len(batch) < _MOST_STRIPS and nbytes < _MOST_BYTES:
            batch.append(self._waiting.popleft())
            nbytes += batch[-1].strip.nbytes
        return batch

    def _store(self, file: TiffFile, writes: list[StripWrite]) -> None:
        try:
            file.store([(write.page, write.strip) for write in writes])
        except Exception as error:
            if len(writes) == 1:
                self._end(writes, error)
                return
            for write in writes:  # each by itself: those that can be down are
                self._store(file, [write])
            return
        self._end(writes, None)

    def _end(self, writes: list[StripWrite], error: Exception | None) -> None:
        with self._changed:
            callbacks = [write.end(error) for write in writes]
            self._changed.notify_all()
        for write, callback in zip(writes, callbacks, strict=True):
            if callback is not None:
                callback(write)
