"""`CopyJob`: copies the frames of a part of a store into files that no other task writes.

A task has whole shards of every resolution level, so that no task needs another, and running one
twice does no harm. It reads each frame once, compares it with its checksum, writes it and its
levels, and reads it back. It knows no documents, and lists no frame.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, lcm, prod
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from pymmcore_ome.backends import (
    ArrayBackend,
    BackendOptions,
    FrameWrite,
    LevelWriter,
    PartialWriteError,
    PlaneReader,
    array_folder,
    file_writer,
    stored_spec,
)
from pymmcore_ome.dataset import Dataset, open_dataset
from pymmcore_ome.disk import advice_on_write
from pymmcore_ome.errors import MapErrors, NotAStoreError, WriteError
from pymmcore_ome.frames import frame_checksum
from pymmcore_ome.layout import ArraySpec, ImageLayout, LevelPlan, index_name
from pymmcore_ome.schema import Dimension

#: Small shards are copied together, up to so many bytes.
TASK_BYTES: Final = 64 << 20
_BOX_BYTES: Final = 32 << 20  # of frames that are read together, at most
#: Memory of a task, in bytes of the frames that it reads together: levels, compressed pixels.
MEMORY_FACTOR: Final = 2.4

Index = tuple[int, ...]


class CopyTask(NamedTuple):
    """Some frames of an image that are in files of their own.

    Attributes
    ----------
    image : int
        Its number in the converted store.
    indices : tuple of tuple of int
        In storage order; of the source.
    checksums : tuple of str or None
        As the frame table of the source has them.
    lines : tuple of int
        Where the frames' lines begin in that table.
    """

    image: int
    indices: tuple[Index, ...]
    checksums: tuple[str | None, ...]
    lines: tuple[int, ...]


class Stopped(Exception):
    """The conversion was stopped while a task ran; it is no error of the task."""


class TableLines:
    """Where each frame has its line in a frame table: 16 bytes a frame in memory.

    Parameters
    ----------
    path : Path
        Of a table without problems; see `TableCheck`.
    specs : mapping of str to (ArraySpec, planes along each axis)
        By the path of an image. Lines of other images are left out.
    """

    def __init__(self, path: Path, specs: Mapping[str, tuple[ArraySpec, Index]]) -> None:
        self.path = path
        planes: dict[str, array[int]] = {name: array("q") for name in specs}
        starts: dict[str, array[int]] = {name: array("q") for name in specs}
        self.count = at = 0
        with path.open("rb") as file:
            for line in file:
                row = from_json(line)
                name = row["image"]
                if name in planes:
                    spec, sizes = specs[name]
                    number = 0
                    for n, size in zip(spec.plane_index(row["index"]), sizes, strict=True):
                        number = number * size + n
                    planes[name].append(number)
                    starts[name].append(at)
                    self.count += 1
                at += len(line)
        self._planes, self._starts = planes, starts

    def of(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the number of each listed plane of an image, and where its line begins."""
        return np.array(self._planes[name], np.int64), np.array(self._starts[name], np.int64)

    def rows(self, starts: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Yield the rows that begin at these bytes."""
        with self.path.open("rb") as file:
            for start in starts:
                file.seek(start)
                row = from_json(file.readline())
                row["index"] = tuple(row["index"])
                yield row


def plane_sizes(spec: ArraySpec, shape: Sequence[int]) -> Index:
    """Return the planes along each axis of an array of this shape, at least 1."""
    return tuple([max(1, n) for n in spec.plane_shape(shape)])


def task_planes(
    spec: ArraySpec,
    sizes: Sequence[int],
    plan: LevelPlan | None,
    loops: Sequence[Dimension],
    most_bytes: int,
) -> Index:
    """Return the planes along each axis that a task has: whole shards of all levels.

    Small ones are taken together, up to `most_bytes`, or the image.
    """
    levels = [spec]
    if plan is not None:
        levels += [plan.level_spec(spec, n, loops) for n in range(1, plan.count_of(spec))]
    unit = [
        min(size, lcm(step, *(level.write_shape[axis] for level in levels)) // step)
        for axis, (size, step) in enumerate(zip(sizes, spec.frame_step, strict=True))
    ]
    for axis in reversed(range(len(unit))):
        room = max(1, most_bytes // (prod(unit) * spec.nbytes))
        unit[axis] = min(sizes[axis], unit[axis] * min(room, ceil(sizes[axis] / unit[axis])))
        if unit[axis] < sizes[axis]:
            break
    return tuple(unit)


def image_tasks(
    image: int,
    spec: ArraySpec,
    sizes: Index,
    unit: Index,
    planes: NDArray[np.int64],
    lines: NDArray[np.int64],
    table: TableLines,
) -> Iterator[CopyTask]:
    """Yield the tasks of an image, in storage order; parts without a frame have none.

    Parameters
    ----------
    image : int
    spec : ArraySpec
    sizes, unit : tuple of int
        Planes along each axis of the image, and of a task.
    planes, lines : array of int
        The frames to copy; see `TableLines.of`.
    table : TableLines
    """
    if not len(planes):
        return
    if sizes:
        places = np.stack(np.unravel_index(planes, sizes), axis=1)
        counts = [ceil(size / part) for size, part in zip(sizes, unit, strict=True)]
        units = np.ravel_multi_index(tuple((places // np.array(unit)).T), counts)
    else:
        places = np.zeros((len(planes), 0), np.int64)
        units = np.zeros(len(planes), np.int64)
    order = np.lexsort((planes, units))
    ends = np.flatnonzero(np.diff(units[order])) + 1
    for chosen in np.split(order, ends):
        starts = lines[chosen].tolist()
        yield CopyTask(
            image,
            tuple(spec.plane_start(plane) for plane in places[chosen].tolist()),
            tuple(row.get("checksum") for row in table.rows(starts)),
            tuple(starts),
        )


def boxes(
    first: Sequence[int], end: Sequence[int], nbytes: int, most_bytes: int, near: Sequence[int]
) -> Iterator[tuple[Index, Index]]:
    """Cut a box of planes into boxes that are read at once, in storage order.

    Parameters
    ----------
    first, end : sequence of int
    nbytes : int
        Of a plane.
    most_bytes : int
        Of a box, if `near` allows.
    near : sequence of int
        Planes along each axis that are stored together, and read together.
    """
    sizes = [b - a for a, b in zip(first, end, strict=True)]
    for axis, size in enumerate(sizes):
        total = nbytes * prod(sizes)
        if total <= most_bytes:
            break
        together = near[axis]
        step = max(1, most_bytes * size // total // together) * together
        if step >= size:
            continue
        at = first[axis]
        while at < end[axis]:
            stop = min(end[axis], (at // step + 1) * step)
            yield from boxes(
                (*first[:axis], at, *first[axis + 1 :]),
                (*end[:axis], stop, *end[axis + 1 :]),
                nbytes, most_bytes, near,
            )  # fmt: skip
            at = stop
        return
    yield tuple(first), tuple(end)


class Writer(Protocol):
    """What a job writes with; see `FileWriter`."""

    def write(self, frames: Sequence[FrameWrite]) -> None: ...
    def publish(self) -> None: ...
    def discard(self) -> None: ...
    def reader(self, image: int) -> PlaneReader: ...
    def close(self) -> None: ...


class PageWriter:
    """Writes the pages of OME-TIFF files that one process holds open, one thread after another.

    Parameters
    ----------
    backend : ArrayBackend
    levels : LevelWriter or None
    """

    def __init__(self, backend: ArrayBackend, levels: LevelWriter | None) -> None:
        self._backend, self._levels = backend, levels
        self._lock = threading.Lock()

    def write(self, frames: Sequence[FrameWrite]) -> None:
        with self._lock:
            try:
                self._backend.write_frames(frames)
            except PartialWriteError as error:
                raise error.__cause__ or error from error
            if self._levels is not None:
                self._levels.write(frames)

    def publish(self) -> None:
        """A page is in place as soon as it is written."""

    def discard(self) -> None:
        """What nothing points at does no harm."""

    def reader(self, image: int) -> PlaneReader:
        reader = self._backend.reader(image)
        assert reader is not None
        return reader

    def close(self) -> None:
        """The backend is not its own."""


@dataclass
class CopyJob:
    """Copies tasks. Its `run` is called from many threads, and in other processes.

    Attributes
    ----------
    source : Path
    images : tuple of ImageLayout
        Of the converted store.
    source_numbers : tuple of int
        The number that each has in the source.
    options : BackendOptions
    loops : sequence of Dimension
        As `LevelPlan.level_spec`.
    target : Path
    verify : bool
        Read back what was written.
    most_bytes : int
        Of frames that are read together.
    in_threads : bool
        Compress in further threads.
    """

    source: Path
    images: Sequence[ImageLayout]
    source_numbers: Sequence[int]
    options: BackendOptions
    loops: Sequence[Dimension]
    target: Path
    verify: bool = True
    most_bytes: int = _BOX_BYTES
    in_threads: bool = False
    #: Of an OME-TIFF, what all threads write with.
    pages: PageWriter | None = None

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._dataset: Dataset | None = None
        self._lock = threading.Lock()
        self._own = threading.local()
        self._writers: list[Writer] = []
        self._is_stopped = threading.Event()

    def __getstate__(self) -> dict[str, Any]:
        assert self.pages is None, "one process writes an OME-TIFF"
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def stop(self) -> None:
        self._is_stopped.set()

    def close(self) -> None:
        """Let go of every resource; no task runs any more."""
        for writer in self._writers:
            writer.close()

    def run(self, task: CopyTask) -> list[str]:
        """Copy the frames of a task; return their checksums.

        Raises
        ------
        NotAStoreError
            When a frame of the source is damaged.
        WriteError
            When a frame could not be written, or reads back changed.
        Stopped
        """
        image = self.images[task.image]
        writer = self._writer()

        def not_written(error: Exception) -> WriteError:
            return WriteError(
                f"{self.target}: image {image.shown_name!r} could not be written: {error}. "
                f"{advice_on_write(error)}"
            )

        checksums: dict[Index, str] = {}
        expected = dict(zip(task.indices, task.checksums, strict=True))
        try:
            for frames in self._frames(task):
                for frame in frames:
                    checksums[frame.index] = found = frame_checksum(frame.frame)
                    if expected[frame.index] not in (None, found):
                        raise self._damaged(task, frame.index)
                with MapErrors(not_written, OSError):
                    writer.write(frames)
            with MapErrors(not_written, OSError):
                writer.publish()
        except BaseException:
            writer.discard()
            raise
        if self.verify:
            self._verify(task, writer.reader(task.image), checksums)
        return [checksums[index] for index in task.indices]

    def _frames(self, task: CopyTask) -> Iterator[list[FrameWrite]]:
        """Yield the frames of a task, those that are read together as one list."""
        dataset = self._opened()
        source = dataset.images[self.source_numbers[task.image]].layout

        def unreadable(error: Exception) -> NotAStoreError:
            return NotAStoreError(
                f"{self.source}: image {source.shown_name!r} cannot be read: {error}."
            )

        with MapErrors(unreadable, OSError):
            reader = dataset.stored.array(source)
            for box in self._boxes(task, self._source_chunks(source)):
                yield [
                    FrameWrite(task.image, index, frame)
                    for index, frame in self._read(reader, task, box)
                ]

    def _boxes(self, task: CopyTask, chunks: Sequence[int]) -> Iterator[_Box]:
        """Yield what is read at once: whole chunks, and whole files of chunks of several frames."""
        image = self.images[task.image]
        spec, rank = image.spec, image.spec.rank
        planes = [spec.plane_index(index) for index in task.indices]
        if not rank:
            yield _Box((), (), list(task.indices))
            return
        first = [min(at) for at in zip(*planes, strict=True)]
        end = [max(at) + 1 for at in zip(*planes, strict=True)]
        most_bytes = self.most_bytes
        if spec.gathered_axes:
            chunks, most_bytes = spec.write_shape, 0
        near = [max(1, n // step) for n, step in zip(chunks, spec.frame_step, strict=False)]
        for low, high in boxes(first, end, spec.nbytes, most_bytes, near):
            inside = [
                index
                for index, plane in zip(task.indices, planes, strict=True)
                if all(a <= n < b for a, n, b in zip(low, plane, high, strict=True))
            ]
            if inside:
                yield _Box(low, high, inside)

    def _source_chunks(self, source: ImageLayout) -> Index:
        """Return the chunks of an image of the source, which the schema need not know."""
        dataset = self._opened()
        if dataset.location.format == "ome-tiff":
            return (1,) * len(source.axes)
        with self._lock:
            found = self._chunks.get(source.number)
            if found is None:
                folder = array_folder(dataset.path, source)
                found = self._chunks[source.number] = stored_spec(folder, source.spec).chunk_shape
        return found

    def _read(
        self, reader: PlaneReader, task: CopyTask, box: _Box
    ) -> Iterator[tuple[Index, NDArray[Any]]]:
        """Yield the frames of a box, contiguous."""
        if self._is_stopped.is_set():
            raise Stopped
        spec = self.images[task.image].spec
        start, stop = spec.plane_start(box.first), spec.plane_start(box.end)
        picks = [np.arange(a, b) for a, b in zip(start, stop, strict=True)]
        rows, columns = (slice(0, size) for size in spec.shape[-2:])
        block = reader.read(picks, rows, columns)
        for index in box.indices:
            at = [n - a for n, a in zip(index, start, strict=True)]
            frame = spec.block_to_frame(block[spec.block_key(at)])
            yield index, np.ascontiguousarray(frame)

    def _verify(self, task: CopyTask, reader: PlaneReader, checksums: Mapping[Index, str]) -> None:
        image = self.images[task.image]

        def changed(what: str) -> WriteError:
            return WriteError(
                f"{self.target}: image {image.shown_name!r} {what}. Check the disk, and convert "
                "again."
            )

        with MapErrors(lambda error: changed(f"cannot be read back: {error}")):
            for box in self._boxes(task, image.spec.chunk_shape):
                for index, frame in self._read(reader, task, box):
                    if frame_checksum(frame) != checksums[index]:
                        where = index_name(image, index)
                        raise changed(f"reads back changed at {where or 'its only frame'}")

    def _damaged(self, task: CopyTask, index: Index) -> NotAStoreError:
        dataset = self._opened()
        image = dataset.images[self.source_numbers[task.image]].layout
        return NotAStoreError(
            f"{self.source}: the frame at {dataset.layout.frame_name(image, index)} does not match "
            "its checksum. List all damaged frames with `pymmcore-ome validate --pixels`."
        )

    def _opened(self) -> Dataset:
        with self._lock:
            if self._dataset is None:
                self._dataset = open_dataset(self.source)
                self._chunks: dict[int, Index] = {}
            return self._dataset

    def _writer(self) -> Writer:
        """Return what this thread writes with."""
        if self.pages is not None:
            return self.pages
        writer: Writer | None = getattr(self._own, "writer", None)
        if writer is None:
            writer = self._own.writer = file_writer(
                self.target, self.images, self.options, self.loops, in_threads=self.in_threads
            )
            with self._lock:
                self._writers.append(writer)
        return writer


class _Box(NamedTuple):
    """Planes that are read at once, and the indices of the frames among them."""

    first: Index
    end: Index
    indices: list[Index]
