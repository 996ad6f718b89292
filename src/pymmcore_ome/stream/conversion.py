"""`convert`: copy a store into another format, other chunks, and levels, and prove the copy.

Everything is checked before a file is made. The frames of whole shards are then copied side by
side, and each is listed in the frame table of the new store when it was read back. Until all are,
the store is incomplete: no reader takes it for a whole one, and `resume=True` does the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import (
    TIFF_LEVELS,
    ZARR_LEVELS,
    ArrayBackend,
    Files,
    array_differences,
    array_folder,
    warn_without_opencv,
    whole_files,
)
from pymmcore_ome.dataset import (
    Dataset,
    finish_levels,
    open_dataset,
    refuse_links,
    run_tasks,
)
from pymmcore_ome.disk import (
    StoreLock,
)
from pymmcore_ome.errors import (
    MapErrors,
    Option,
    ResumeError,
    StorePathError,
)
from pymmcore_ome.frames import FrameRecord, FrameTableWriter, cut_half_a_line, read_table
from pymmcore_ome.layout import (
    Chunks,
    Downsample,
    LevelCount,
    Shards,
)
from pymmcore_ome.metadata import StoreRecord, documents_of

from .conversion_plan import ConversionPlan, plane_number
from .copying import (
    CopyJob,
    CopyTask,
    PageWriter,
    plane_sizes,
)
from .options import SaveOptions
from .progress import Progress, Summary
from .resume import json_differences
from .store import Store, claimed

CODECS: Final = {"ome-zarr": ZARR_LEVELS, "ome-tiff": TIFF_LEVELS}
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
        ``"name"`` or ``"name:level"``. None: that of the source, or zstd where the format does
        not have it.
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
    plan = ConversionPlan(src, dst, options, images=images, workers=workers, verify=verify)
    return Conversion(plan).run()


class Conversion:
    """Runs a conversion, or goes on with one that was stopped. One `run` each.

    Parameters
    ----------
    plan : ConversionPlan
    """

    def __init__(self, plan: ConversionPlan) -> None:
        self.plan = plan
        self._target = plan.store

    def run(self, on_progress: Callable[[Progress], object] | None = None) -> Summary:
        """Convert; see `convert`.

        Parameters
        ----------
        on_progress : callable, optional
            Called with a `Progress` after each task, from the thread that called `run`.
        """
        began = time.monotonic()
        record = self.plan.record()
        if (
            self._target.options.levels is not None
            and self._target.options.levels.downsample == "mean"
        ):
            warn_without_opencv()
        listed: dict[int, NDArray[np.int64]] = {}
        if self._target.resumes:
            store, listed = self._resumed(record)
            if store is None:
                return self._summary(record, began)
        else:
            store = self._made(record)
        written = [sum(len(planes) for planes in listed.values()), 0]

        def report() -> None:
            if on_progress is not None:
                on_progress(self._progress(written, began))

        try:
            report()
            with closing(self._job(store)) as job:
                for task, checksums in run_tasks(job, self.plan.tasks(listed), self.plan.workers):
                    written[0] += self._list(store, task, checksums, listed)
                    written[1] += len(task.indices) * self.plan.images[task.image].spec.nbytes
                    report()
        except BaseException:
            store.leave()
            raise
        self._finish(store, record)
        return self._summary(record, began)

    def _job(self, store: Store) -> CopyJob:
        pages = None
        if self._target.place.format == "ome-tiff":
            pages = PageWriter(store.backend, store.levels)
        return CopyJob(
            source=self.plan.source.path,
            images=self.plan.images,
            source_numbers=self.plan.numbers,
            options=self._target.options,
            loops=self._target.layout.loops,
            target=self._target.place.path,
            verify=self.plan.verify,
            most_bytes=self.plan.box_bytes,
            in_threads=self.plan.task_count < self.plan.workers,
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
        image = self.plan.images[task.image]
        have = listed.get(task.image)
        sizes = plane_sizes(image.spec, self.plan.shapes[task.image])
        rows = self.plan.table.rows(task.lines)
        known = set() if have is None else set(have.tolist())
        records = [
            FrameRecord.of_row(row, image=image.path, checksum=checksum)
            for row, checksum in zip(rows, checksums, strict=True)
            if not known or plane_number(image.spec, sizes, row["index"]) not in known
        ]
        store.table.extend(records)
        store.table.flush()
        return len(records)

    def _finish(self, store: Store, record: StoreRecord) -> None:
        done = record.with_levels(self._target.options.levels, is_complete=True)
        is_resumed_tiff = self._target.resumes and self._target.place.format == "ome-tiff"
        if is_resumed_tiff:  # what the levels have is not known: made where they are blank
            done = record.with_levels(self._target.options.levels, is_complete=False)
        store.finish_copy(done, self.plan.shapes)
        if is_resumed_tiff:
            finish_levels(open_dataset(self._target.place.path), keeps=True)

    def _progress(self, written: Sequence[int], began: float) -> Progress:
        return Progress(
            frames_planned=self.plan.frames,
            frames_appended=written[0],
            frames_skipped=0,
            frames_written=written[0],
            bytes_written=written[1],
            bytes_in_flight=0,
            buffer_bytes=self.plan.budget_bytes,
            blocked_s=0.0,
            elapsed_s=time.monotonic() - began,
        )

    def _summary(self, record: StoreRecord, began: float) -> Summary:
        return Summary(
            path=self._target.place.path,
            status=record.status,
            reason=record.reason,
            frames_planned=self._target.layout.frame_count,
            frames_written=self.plan.frames,
            frames_skipped=record.frames.get("skipped") or 0,
            bytes_written=self.plan.pixel_bytes,
            duration_s=time.monotonic() - began,
        )

    # -- the new store

    def _unfinished(self, record: StoreRecord) -> StoreRecord:
        return replace(
            record.with_levels(self._target.options.levels, is_complete=False),
            status="incomplete",
            reason=None,
            frames={**record.frames, "written": None},
        )

    def _backend(self) -> ArrayBackend:
        if self._target.place.format == "ome-zarr":
            return whole_files()(self._target.backend.name)
        return self._target.backend()

    def _made(self, record: StoreRecord) -> Store:
        plan = self._target

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
                for image, shape in zip(self.plan.images, self.plan.shapes, strict=True):
                    if image.spec.unbounded_axes:
                        store.backend.grow(image.number, shape)
        return store

    def _resumed(self, record: StoreRecord) -> tuple[Store | None, dict[int, NDArray[np.int64]]]:
        """Open a store that was left incomplete; None when it is complete already."""
        plan = self._target
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
        plan, found = self._target, there.record.converted_from
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
                "anew with ",
                Option("overwrite", True),
                ".",
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
        plan = self._target
        cut_half_a_line(plan.place.table)
        by_path = {image.path: image for image in self.plan.images}
        listed: dict[int, list[int]] = {}
        for row in read_table(plan.place.table):
            image = by_path[row["image"]]
            sizes = plane_sizes(image.spec, self.plan.shapes[image.number])
            listed.setdefault(image.number, []).append(
                plane_number(image.spec, sizes, row["index"])
            )
        if plan.place.format == "ome-zarr":
            for image in self.plan.images:
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
