"""`ConversionPlan`: what a conversion will do, after every check and before any file.

The frames of the source are divided into tasks: whole shards of every resolution level, so that two
tasks never write to the same file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import (
    TIFF_LEVELS,
    ZARR_LEVELS,
)
from pymmcore_ome.dataset import (
    Dataset,
    TableCheck,
    open_dataset,
    worker_count,
)
from pymmcore_ome.disk import (
    choose_format,
    default_buffer_bytes,
    free_bytes,
    local_path,
)
from pymmcore_ome.errors import (
    NotAStoreError,
    Option,
    OptionError,
    StorePathError,
)
from pymmcore_ome.layout import (
    ArraySpec,
    ImageLayout,
    chosen_schema,
    level_shape,
)
from pymmcore_ome.metadata import StoreRecord

from .copying import (
    MEMORY_FACTOR,
    TASK_BYTES,
    CopyTask,
    TableLines,
    image_tasks,
    plane_sizes,
    task_planes,
)
from .options import SaveOptions, one_of
from .plan import plan_store
from .store import now, plain_schema

CODECS: Final = {"ome-zarr": ZARR_LEVELS, "ome-tiff": TIFF_LEVELS}
_SHARD_BYTES: Final = 128 << 20  # a shard is written by one thread
_MOST_BOX_BYTES: Final = 32 << 20
_TASKS_A_WORKER: Final = 4


class ConversionPlan:
    """A conversion that was checked. Nothing is made.

    Parameters
    ----------
    src, dst, images, workers, verify
        As `convert`.
    options : SaveOptions
        Of the copy.

    Attributes
    ----------
    source : Dataset
    store : StorePlan
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
        if options.compression is None and schema.compression is not None:
            codecs = CODECS[choose_format(target, options.format)]
            is_known = schema.compression.partition(":")[0] in codecs
            options = replace(options, compression=schema.compression if is_known else "zstd")
        self.store = plan_store(target, schema, options, _SHARD_BYTES)
        self.options = options
        self.shapes = self._shapes()
        self.table = TableLines(
            self.source.location.table,
            {
                self._source_image(image).path: (image.spec, plane_sizes(image.spec, shape))
                for image, shape in zip(self.images, self.shapes, strict=True)
            },
        )
        self.frames = self.table.count
        self.pixel_bytes = sum(
            len(self.table.of(self._source_image(image).path)[0]) * image.spec.nbytes
            for image in self.images
        )
        self.budget_bytes = options.buffer_bytes or default_buffer_bytes()
        self._fit_memory()
        self._units = self._task_sizes()
        self.task_count = sum(1 for image in self.images for _ in self._places(image))
        if not self.store.resumes:
            self._check_room()

    # -- what is copied

    @property
    def images(self) -> Sequence[ImageLayout]:
        return self.store.layout.images

    def _source_image(self, image: ImageLayout) -> ImageLayout:
        """Return an image of the copy as it is in the source."""
        return self.source.layout.images[self.numbers[image.number]]

    def _shapes(self) -> list[tuple[int, ...]]:
        """Return the shape of each image; an axis without a planned size is as long as it is."""
        return [
            self.source.images[self.numbers[image.number]].shape
            if image.spec.unbounded_axes
            else image.shape
            for image in self.images
        ]

    def _task_sizes(self) -> dict[tuple[ArraySpec, tuple[int, ...]], tuple[int, ...]]:
        """Return the planes of a task along each axis, for each kind of image."""
        aim = max(1, self.pixel_bytes // (self.workers * _TASKS_A_WORKER))
        most_bytes = min(TASK_BYTES, aim)
        plan, loops = self.store.options.levels, self.store.layout.loops
        is_tiff = self.store.place.format == "ome-tiff"
        found: dict[tuple[ArraySpec, tuple[int, ...]], tuple[int, ...]] = {}
        for image, shape in zip(self.images, self.shapes, strict=True):
            key = image.spec, shape
            if key not in found:
                sizes = plane_sizes(image.spec, shape)
                found[key] = task_planes(
                    image.spec, sizes, None if is_tiff else plan, loops, most_bytes
                )
        return found

    def _places(self, image: ImageLayout) -> NDArray[np.int64]:
        """Return the number of each task of an image that has frames."""
        planes, _ = self.table.of(self._source_image(image).path)
        shape = self.shapes[image.number]
        sizes, unit = plane_sizes(image.spec, shape), self._units[image.spec, shape]
        if not sizes:
            return np.zeros(min(1, len(planes)), np.int64)
        at = np.unravel_index(planes, sizes)
        units = [n // part for n, part in zip(at, unit, strict=True)]
        counts = [-(-size // part) for size, part in zip(sizes, unit, strict=True)]
        return np.unique(np.ravel_multi_index(units, counts))

    def tasks(self, listed: Mapping[int, NDArray[np.int64]]) -> Iterator[CopyTask]:
        """Yield the tasks with frames that are not listed yet."""
        for image in self.images:
            shape = self.shapes[image.number]
            sizes, unit = plane_sizes(image.spec, shape), self._units[image.spec, shape]
            planes, lines = self.table.of(self._source_image(image).path)
            have = listed.get(image.number)
            tasks = image_tasks(image.number, image.spec, sizes, unit, planes, lines, self.table)
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
                for spec in self.store.layout.specs
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
        plan, total = self.store.options.levels, 0
        if plan is None:
            return 0
        for image in self.images:
            count = len(self.table.of(self._source_image(image).path)[0])
            for level in range(1, plan.count_of(image.spec)):
                pixels = prod(level_shape(image.spec.block_shape, level))
                total += count * pixels * image.spec.frame_dtype.itemsize
        return total

    def _check_room(self) -> None:
        """Refuse a copy without compression that the disk has no room for."""
        free = free_bytes(self.store.place.path)
        needed = self.pixel_bytes + self.level_bytes
        if free is not None and self.store.options.compression is None and needed > free:
            raise StorePathError(
                f"{self.store.place.path} would have {needed:,} bytes, and the disk has {free:,} "
                "free. Free some, choose another disk, or set ",
                Option("compression", "zstd"),
                ".",
            )

    def record(self) -> StoreRecord:
        """Return the record of the copy, when it is complete."""
        before, options = self.source.record, self.store.options
        chosen = {
            "images": None if len(self.numbers) == len(self.source.images) else list(self.numbers),
            "levels": options.levels and options.levels.to_record(is_complete=True),
            "compression": options.compression,
        }
        return replace(
            before,
            version=version("pymmcore-ome"),
            schema=plain_schema(self.store.layout.schema),
            backend=self.store.backend.name,
            frames={
                "planned": self.store.layout.frame_count,
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


def plane_number(spec: ArraySpec, sizes: Sequence[int], index: Sequence[int]) -> int:
    number = 0
    for n, size in zip(spec.plane_index(index), sizes, strict=True):
        number = number * size + n
    return number


def _numbers(spec: ArraySpec, sizes: Sequence[int], task: CopyTask) -> set[int]:
    return {plane_number(spec, sizes, index) for index in task.indices}


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
