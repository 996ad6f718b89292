"""`convert`: copy a store into another format, other chunks, and levels, and prove the copy.

Everything is checked before a file is made. The frames of whole shards are then copied side by
side, and each is listed in the frame table of the new store when it was read back. Until all are,
the store is incomplete: no reader takes it for a whole one, and `resume=True` does the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import (
    ArrayBackend,
    Files,
    array_differences,
    array_folder,
    warn_without_opencv,
    whole_files,
)
from pymmcore_ome.dataset import (
    Dataset,
    TableCheck,
    finish_levels,
    open_dataset,
    refuse_links,
    run_tasks,
    worker_count,
)
from pymmcore_ome.disk import StoreLock, default_buffer_bytes, free_bytes, local_path
from pymmcore_ome.errors import MapErrors, NotAStoreError, OptionError, ResumeError, StorePathError
from pymmcore_ome.frames import FrameRecord, FrameTableWriter, cut_half_a_line, read_table
from pymmcore_ome.layout import (
    ArraySpec,
    Chunks,
    Downsample,
    ImageLayout,
    LevelCount,
    Shards,
    chosen_schema,
    level_shape,
)
from pymmcore_ome.metadata import StoreRecord, documents_of

from .copying import (
    MEMORY_FACTOR,
    TASK_BYTES,
    CopyJob,
    CopyTask,
    PageWriter,
    TableLines,
    image_tasks,
    plane_sizes,
    task_planes,
)
from .options import SaveOptions, one_of
from .plan import plan_store
from .progress import Progress, Summary
from .resume import json_differences
from .store import Store, claimed, now, plain_schema

_SHARD_BYTES: Final = 128 << 20  # a shard is written by one thread
_MOST_BOX_BYTES: Final = 32 << 20
_TASKS_A_WORKER: Final = 4


def convert(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    images: Sequence[int | str] | None = None,
    levels: LevelCount | None = None,
    downsample: Downsample = "mean",
    chunks: Chunks = None,
    shards: Shards = None,
    compression: str | None = None,
    files: Files = "one",
    workers: int | None = None,
    buffer_bytes: int | None = None,
    resume: bool = False,
    verify: bool = True,
    overwrite: bool = False,
) -> Summary:
    """Copy a closed store into a new one: another format, compression, chunks, or levels.

    Each frame of the frame table is read once, compared with its checksum, written with its levels,
    and read back. The frame table and its checksums go along, so that
    ``validate(dst, pixels=True)`` proves that the copy holds what the camera delivered. Frames
    that are missing stay missing. The source is not changed.

    Until all frames are copied, the status of `dst` is ``"incomplete"``. Should the program be
    stopped, call it again with ``resume=True``.

    Parameters
    ----------
    src : path-like
        A store of this package, of either format, that was closed.
    dst : path-like
        Of the new store; missing parent folders are made.
    format : ``"ome-zarr"`` | ``"ome-tiff"``, optional
        None: by the suffix of `dst`.
    images : sequence of int or str, optional
        Numbers or names of the images to copy. None: all.
    levels : int or ``"auto"``, optional
        As `open_stream`: the resolution levels of the copy. None: the full resolution alone.
    downsample : ``"mean"`` | ``"nearest"``
        As `open_stream`.
    chunks, shards
        As `open_stream`, OME-Zarr only. None: a frame is a chunk, and a shard has up to 128 MiB.
    compression : str, optional
        ``"name"`` or ``"name:level"``. None: that of the source.
    files : ``"one"`` | ``"per-position"``
        As `open_stream`, OME-TIFF only.
    workers : int, optional
        Threads. None: one a processor.
    buffer_bytes : int, optional
        Memory for frames, at most; fewer threads work where it is small. None: a quarter of the
        free memory, at most 1 GiB.
    resume : bool
        Go on with a conversion that was stopped: of the same source, with the same options. A
        new one where there is none.
    verify : bool
        Read each frame back, and compare it.
    overwrite : bool
        Replace an existing store.

    Returns
    -------
    Summary
        `status` and `reason`: those of the source. `frames_written` and `bytes_written`: the
        frames of the copy, and their pixels before compression.

    Raises
    ------
    OptionError
        Options that cannot be, or an image that the source does not have.
    StorePathError
        When the source was never closed or is damaged (NotAStoreError), the path cannot be used,
        something is there (StoreExistsError), or it cannot be resumed (ResumeError).
    WriteError
        When something cannot be written, or reads back changed. The copy stays incomplete.
    """
    options = SaveOptions(
        format=format, levels=levels, downsample=downsample, chunks=chunks, shards=shards,
        compression=compression, files=files, buffer_bytes=buffer_bytes, resume=resume,
        overwrite=overwrite,
    )  # fmt: skip
    return Conversion(src, dst, options, images=images, workers=workers, verify=verify).run()


class Conversion:
    """A conversion that was checked, and can be run. Nothing is made before `run`.

    Parameters
    ----------
    As `convert`.

    Attributes
    ----------
    source : Dataset
    plan : StorePlan
    workers : int
        Tasks that run at once: fewer than asked for where the memory is small.
    frames, pixel_bytes : int
        To copy in all, and their bytes before compression, at full resolution.
    task_count : int
    """

    def __init__(
        self,
        src: str | os.PathLike[str],
        dst: str | os.PathLike[str],
        options: SaveOptions,
        *,
        images: Sequence[int | str] | None = None,
        workers: int | None = None,
        verify: bool = True,
    ) -> None:
        one_of("verify", verify, (True, False))
        one_of("resume", options.resume, (True, False))
        self.workers = worker_count(workers)
        self.verify = verify
        self.source = _sound_source(src)
        target = local_path(dst)
        _refuse_overlap(self.source.path, target)
        self.numbers = _chosen(self.source, images)
        schema = chosen_schema(self.source.layout, self.numbers)
        options = replace(options, compression=options.compression or schema.compression)
        self.plan = plan_store(target, schema, options, _SHARD_BYTES)
        self.options = options
        self.shapes = self._shapes()
        self._table = TableLines(
            self.source.location.table,
            {
                self._source_image(image).path: (image.spec, plane_sizes(image.spec, shape))
                for image, shape in zip(self._images, self.shapes, strict=True)
            },
        )
        self.frames = self._table.count
        self.pixel_bytes = sum(
            len(self._table.of(self._source_image(image).path)[0]) * image.spec.nbytes
            for image in self._images
        )
        self.budget_bytes = options.buffer_bytes or default_buffer_bytes()
        self._fit_memory()
        self._units = self._task_sizes()
        self.task_count = sum(1 for image in self._images for _ in self._places(image))
        if not self.plan.resumes:
            self._check_room()

    # -- what is copied

    @property
    def _images(self) -> Sequence[ImageLayout]:
        return self.plan.layout.images

    def _source_image(self, image: ImageLayout) -> ImageLayout:
        """Return an image of the copy as it is in the source."""
        return self.source.layout.images[self.numbers[image.number]]

    def _shapes(self) -> list[tuple[int, ...]]:
        """Return the shape of each image; an axis without a planned size is as long as it is."""
        return [
            self.source.images[self.numbers[image.number]].shape
            if image.spec.unbounded_axes
            else image.shape
            for image in self._images
        ]

    def _task_sizes(self) -> dict[tuple[ArraySpec, tuple[int, ...]], tuple[int, ...]]:
        """Return the planes of a task along each axis, for each kind of image."""
        aim = max(1, self.pixel_bytes // (self.workers * _TASKS_A_WORKER))
        most_bytes = min(TASK_BYTES, aim)
        plan, loops = self.plan.options.levels, self.plan.layout.loops
        is_tiff = self.plan.place.format == "ome-tiff"
        found: dict[tuple[ArraySpec, tuple[int, ...]], tuple[int, ...]] = {}
        for image, shape in zip(self._images, self.shapes, strict=True):
            key = image.spec, shape
            if key not in found:
                sizes = plane_sizes(image.spec, shape)
                found[key] = task_planes(
                    image.spec, sizes, None if is_tiff else plan, loops, most_bytes
                )
        return found

    def _places(self, image: ImageLayout) -> NDArray[np.int64]:
        """Return the number of each task of an image that has frames."""
        planes, _ = self._table.of(self._source_image(image).path)
        shape = self.shapes[image.number]
        sizes, unit = plane_sizes(image.spec, shape), self._units[image.spec, shape]
        if not sizes:
            return np.zeros(min(1, len(planes)), np.int64)
        at = np.unravel_index(planes, sizes)
        units = [n // part for n, part in zip(at, unit, strict=True)]
        counts = [-(-size // part) for size, part in zip(sizes, unit, strict=True)]
        return np.unique(np.ravel_multi_index(units, counts))

    def _tasks(self, listed: Mapping[int, NDArray[np.int64]]) -> Iterator[CopyTask]:
        """Yield the tasks with frames that are not listed yet."""
        for image in self._images:
            shape = self.shapes[image.number]
            sizes, unit = plane_sizes(image.spec, shape), self._units[image.spec, shape]
            planes, lines = self._table.of(self._source_image(image).path)
            have = listed.get(image.number)
            tasks = image_tasks(image.number, image.spec, sizes, unit, planes, lines, self._table)
            for task in tasks:
                if have is None or not _numbers(image.spec, sizes, task).issubset(have.tolist()):
                    yield task

    # -- memory and disk

    def _fit_memory(self) -> None:
        """Let as many threads work as the memory has room for.

        Raises
        ------
        OptionError
            When there is no room for one.
        """
        needed = max(
            (
                prod(spec.write_shape) * spec.frame_dtype.itemsize
                if spec.gathered_axes
                else spec.nbytes
                for spec in self.plan.layout.specs
            ),
            default=1,
        )
        room = int(self.budget_bytes / (needed * MEMORY_FACTOR))
        if room < 1:
            raise OptionError(
                f"A frame, or a shard with chunks of several frames, takes "
                f"{int(needed * MEMORY_FACTOR):,} bytes of memory, and buffer_bytes is "
                f"{self.budget_bytes:,}. Raise buffer_bytes, or choose smaller chunks and shards."
            )
        self.workers = min(self.workers, room)

    @property
    def box_bytes(self) -> int:
        """Bytes of frames that a thread reads at once."""
        return min(_MOST_BOX_BYTES, int(self.budget_bytes / self.workers / MEMORY_FACTOR))

    @property
    def memory_bytes(self) -> int:
        """Memory for frames, at most."""
        return int(self.workers * self.box_bytes * MEMORY_FACTOR)

    @property
    def level_bytes(self) -> int:
        """Bytes of the levels but the full resolution, before compression."""
        plan, total = self.plan.options.levels, 0
        if plan is None:
            return 0
        for image in self._images:
            count = len(self._table.of(self._source_image(image).path)[0])
            for level in range(1, plan.count_of(image.spec)):
                pixels = prod(level_shape(image.spec.block_shape, level))
                total += count * pixels * image.spec.frame_dtype.itemsize
        return total

    def _check_room(self) -> None:
        """Refuse a copy without compression that the disk has no room for."""
        free = free_bytes(self.plan.place.path)
        needed = self.pixel_bytes + self.level_bytes
        if free is not None and self.plan.options.compression is None and needed > free:
            raise StorePathError(
                f"{self.plan.place.path} would have {needed:,} bytes, and the disk has {free:,} "
                "free. Free some, choose another disk, or set ",
                "compression='zstd'.",
            )

    # -- run

    def run(self, on_progress: Callable[[Progress], object] | None = None) -> Summary:
        """Convert; see `convert`.

        Parameters
        ----------
        on_progress : callable, optional
            Called with a `Progress` after each task, from the thread that called `run`.
        """
        began = time.monotonic()
        record = self._record()
        if self.plan.options.levels is not None and self.plan.options.levels.downsample == "mean":
            warn_without_opencv()
        listed: dict[int, NDArray[np.int64]] = {}
        if self.plan.resumes:
            store, listed = self._resumed(record)
            if store is None:
                return self._summary(record, began)
        else:
            store = self._made(record)
        written = [sum(len(planes) for planes in listed.values()), 0]

        def report() -> None:
            if on_progress is not None:
                on_progress(self._progress(written, began))

        report()
        try:
            with closing(self._job(store)) as job:
                for task, checksums in run_tasks(job, self._tasks(listed), self.workers):
                    written[0] += self._list(store, task, checksums, listed)
                    written[1] += len(task.indices) * self._images[task.image].spec.nbytes
                    report()
        except BaseException:
            store.leave()
            raise
        self._finish(store, record)
        return self._summary(record, began)

    def _job(self, store: Store) -> CopyJob:
        pages = None
        if self.plan.place.format == "ome-tiff":
            pages = PageWriter(store.backend, store.levels)
        return CopyJob(
            source=self.source.path,
            images=self._images,
            source_numbers=self.numbers,
            options=self.plan.options,
            loops=self.plan.layout.loops,
            target=self.plan.place.path,
            verify=self.verify,
            most_bytes=self.box_bytes,
            in_threads=self.task_count < self.workers,
            pages=pages,
        )

    def _list(
        self,
        store: Store,
        task: CopyTask,
        checksums: Sequence[str],
        listed: Mapping[int, NDArray[np.int64]],
    ) -> int:
        """List the frames of a task that was done; return how many are new in the table."""
        image = self._images[task.image]
        have = listed.get(task.image)
        sizes = plane_sizes(image.spec, self.shapes[task.image])
        rows = self._table.rows(task.lines)
        known = set() if have is None else set(have.tolist())
        records = [
            FrameRecord.of_row(row, image=image.path, checksum=checksum)
            for row, checksum in zip(rows, checksums, strict=True)
            if not known or _plane_number(image.spec, sizes, row["index"]) not in known
        ]
        store.table.extend(records)
        store.table.flush()
        return len(records)

    def _finish(self, store: Store, record: StoreRecord) -> None:
        done = record.with_levels(self.plan.options.levels, is_complete=True)
        is_resumed_tiff = self.plan.resumes and self.plan.place.format == "ome-tiff"
        if is_resumed_tiff:  # what the levels have is not known: made where they are blank
            done = record.with_levels(self.plan.options.levels, is_complete=False)
        store.finish_copy(done, self.shapes)
        if is_resumed_tiff:
            finish_levels(open_dataset(self.plan.place.path), keeps=True)

    def _progress(self, written: Sequence[int], began: float) -> Progress:
        return Progress(
            frames_planned=self.frames,
            frames_appended=written[0],
            frames_skipped=0,
            frames_written=written[0],
            bytes_written=written[1],
            bytes_in_flight=0,
            buffer_bytes=self.budget_bytes,
            blocked_s=0.0,
            elapsed_s=time.monotonic() - began,
        )

    def _summary(self, record: StoreRecord, began: float) -> Summary:
        return Summary(
            path=self.plan.place.path,
            status=record.status,
            reason=record.reason,
            frames_planned=self.plan.layout.frame_count,
            frames_written=self.frames,
            frames_skipped=record.frames.get("skipped") or 0,
            bytes_written=self.pixel_bytes,
            duration_s=time.monotonic() - began,
        )

    # -- the new store

    def _record(self) -> StoreRecord:
        """Return the record of the copy, when it is complete."""
        before, options = self.source.record, self.plan.options
        chosen = {
            "images": None if len(self.numbers) == len(self.source.images) else list(self.numbers),
            "levels": options.levels and options.levels.to_record(is_complete=True),
            "compression": options.compression,
        }
        return replace(
            before,
            version=version("pymmcore-ome"),
            schema=plain_schema(self.plan.layout.schema),
            backend=self.plan.backend.name,
            frames={
                "planned": self.plan.layout.frame_count,
                "written": self.frames,
                "skipped": before.frames.get("skipped"),
            },
            converted_from={
                "path": str(self.source.path.absolute()),
                "started": before.started,
                "status": before.status,
                "version": before.version,
                "converted": now(),
                "frames": self.frames,
                "options": chosen,
            },
        ).with_levels(options.levels, is_complete=True)

    def _unfinished(self, record: StoreRecord) -> StoreRecord:
        return replace(
            record.with_levels(self.plan.options.levels, is_complete=False),
            status="incomplete",
            reason=None,
            frames={**record.frames, "written": None},
        )

    def _backend(self) -> ArrayBackend:
        if self.plan.place.format == "ome-zarr":
            return whole_files()(self.plan.backend.name)
        return self.plan.backend()

    def _made(self, record: StoreRecord) -> Store:
        plan = self.plan

        def not_made(error: Exception) -> StorePathError:
            return StorePathError(f"{plan.place.path} could not be made: {error}.")

        with MapErrors(not_made):
            making = Store.made(
                plan.place,
                plan.layout,
                self._backend(),
                plan.options,
                overwrite=plan.replaces,
                record=self._unfinished(record),
            )
            with making as store:
                if plan.place.format == "ome-zarr":
                    store.levels = None  # each task writes its own
                for image, shape in zip(self._images, self.shapes, strict=True):
                    if image.spec.unbounded_axes:
                        store.backend.grow(image.number, shape)
        return store

    def _resumed(self, record: StoreRecord) -> tuple[Store | None, dict[int, NDArray[np.int64]]]:
        """Open a store that was left incomplete; None when it is complete already."""
        plan = self.plan
        lock = StoreLock(plan.place)
        with claimed(plan.place.path), lock.is_free():
            lock.acquire()
            try:
                there = open_dataset(plan.place.path)
                self._compare(there, record)
                if there.status == "incomplete":
                    return self._reopened(there, record, lock)
            except BaseException:
                lock.release()
                raise
        lock.release()
        Store.forget(plan.place.path)
        return None, {}

    def _compare(self, there: Dataset, record: StoreRecord) -> None:
        """Refuse a store that is not a part of this conversion.

        Raises
        ------
        ResumeError
        """
        plan, found = self.plan, there.record.converted_from
        path = plan.place.path
        refuse_links(there.location)
        if found is None:
            raise ResumeError(
                f"{path} was not written by convert, so that it cannot be resumed. Choose another "
                "path."
            )
        if there.status == "recovered":
            raise ResumeError(
                f"{path} was closed by `pymmcore-ome recover`, and cannot be resumed. Convert it "
                "anew with overwrite=True."
            )
        wanted = record.converted_from or {}
        keys = ("started", "status", "frames", "options")
        problems = list(
            json_differences(
                "source",
                {key: found.get(key) for key in keys},
                {key: wanted.get(key) for key in keys},
            )
        )
        if there.location != plan.place:
            problems.append(f"format: {there.location.format} there, {plan.place.format} now")
        problems += json_differences("schema", there.record.schema, record.schema)
        if not problems and plan.place.format == "ome-zarr" and there.status == "incomplete":
            problems += array_differences(path, plan.layout, plan.options.compression)
        if problems:
            raise ResumeError(
                f"{path} cannot be resumed, it differs from this conversion: "
                f"{'; '.join(problems[:20])}. Convert as before, or choose another path."
            )

    def _reopened(
        self, there: Dataset, record: StoreRecord, lock: StoreLock
    ) -> tuple[Store, dict[int, NDArray[np.int64]]]:
        plan = self.plan
        cut_half_a_line(plan.place.table)
        by_path = {image.path: image for image in self._images}
        listed: dict[int, list[int]] = {}
        for row in read_table(plan.place.table):
            image = by_path[row["image"]]
            sizes = plane_sizes(image.spec, self.shapes[image.number])
            listed.setdefault(image.number, []).append(
                _plane_number(image.spec, sizes, row["index"])
            )
        if plan.place.format == "ome-zarr":
            for image in self._images:
                for part in array_folder(plan.place.path, image).parent.rglob("*.part"):
                    part.unlink(missing_ok=True)
        backend = self._backend()
        backend.reopen(
            plan.place, plan.layout, plan.options, there.stored.pages(plan.layout.images)
        )
        table = FrameTableWriter(plan.place.table, exists=True)
        store = Store(
            plan.place, plan.layout, backend, table, self._unfinished(record),
            documents_of(plan.place), lock, is_resumed=True,
        )  # fmt: skip
        return store, {number: np.array(planes) for number, planes in listed.items()}


def _plane_number(spec: ArraySpec, sizes: Sequence[int], index: Sequence[int]) -> int:
    number = 0
    for n, size in zip(spec.plane_index(index), sizes, strict=True):
        number = number * size + n
    return number


def _numbers(spec: ArraySpec, sizes: Sequence[int], task: CopyTask) -> set[int]:
    return {_plane_number(spec, sizes, index) for index in task.indices}


def _sound_source(src: str | os.PathLike[str]) -> Dataset:
    """Open the store to convert.

    Raises
    ------
    StorePathError
        When it was never closed, or is damaged.
    """
    source = open_dataset(src)
    if source.status == "incomplete":
        if source.record.converted_from is not None:
            raise StorePathError(
                f"{source.path} is a conversion that was stopped. Finish it with "
                "`pymmcore-ome convert --resume`."
            )
        raise StorePathError(
            f"{source.path} was never closed. Run `pymmcore-ome recover`, then convert it."
        )
    for image in source.images:
        if image.array.dtype != np.dtype(image.layout.dtype):
            raise NotAStoreError(
                f"{source.path} is damaged: image {image.name!r} is {image.array.dtype}, expected "
                f"{image.layout.dtype}."
            )
    problems = TableCheck(source).problems
    if problems:
        raise NotAStoreError(
            f"{source.path} is damaged: {problems[0]}. List all problems with "
            "`pymmcore-ome validate`."
        )
    return source


def _refuse_overlap(source: Path, target: Path) -> None:
    """Refuse to write into the source, or over it.

    Raises
    ------
    StorePathError
    """
    one, other = source.resolve(), target.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise StorePathError(
            f"{target} is, contains, or is inside {source}, which is to be converted. Choose a "
            "path outside it."
        )


def _chosen(source: Dataset, images: Sequence[int | str] | None) -> list[int]:
    """Return the numbers of the images to copy, in the order of the source.

    Raises
    ------
    OptionError
        On an image that the source does not have.
    """
    if images is None:
        return list(range(len(source.images)))
    if isinstance(images, (str, int)):
        images = [images]
    names = {image.name: number for number, image in enumerate(source.images)}
    names |= {image.path: number for number, image in enumerate(source.images) if image.path}
    found: set[int] = set()
    for wanted in images:
        if isinstance(wanted, str) and wanted in names:
            found.add(names[wanted])
        elif type(wanted) is int and 0 <= wanted < len(source.images):
            found.add(wanted)
        else:
            shown = ", ".join(image.name for image in source.images[:10])
            raise OptionError(
                f"{source.path} has no image {wanted!r:.80}; it has {len(source.images)}: {shown}"
                f"{', …' if len(source.images) > 10 else ''}."
            )
    if not found:
        raise OptionError("images must name at least one image, got none.")
    return sorted(found)
