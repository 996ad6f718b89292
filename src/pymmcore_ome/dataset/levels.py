"""The resolution levels of a closed store: made of what is on disk, and compared with it.

No document lists a level while levels are made: should the process die, the store reads as before,
and they can be made again. No frame is touched.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pymmcore_ome.backends import (
    BackendOptions,
    Downsampler,
    LevelWriter,
    TiffPages,
    array_folder,
    shard_problems,
    stored_spec,
    stored_tiff_levels,
    warn_without_opencv,
    write_levels_from_disk,
    zarr_levels,
)
from pymmcore_ome.errors import (
    Option,
    OptionError,
    PymmcoreOmeError,
    StoreExistsError,
    StorePathError,
)
from pymmcore_ome.frames import PlaneMetadata, frame_checksum, read_table
from pymmcore_ome.layout import ArraySpec, ImageLayout, LevelPlan
from pymmcore_ome.metadata import StoreRecord, StoreState, documents_of, file_name

from .check_table import stored_frame
from .dataset import Dataset
from .image import Image
from .put_document import put_document

if TYPE_CHECKING:
    from pymmcore_ome.backends import StoredTiffLevels

_MOST_FOLDERS: Final = 32  # levels that another program may have made
_SHOWN: Final = 10
FrameKey = tuple[int, tuple[int, ...]]  # image number, index


class MadeLevels(NamedTuple):
    """How many frames have levels now, and the bytes of these levels before compression."""

    frames: int
    nbytes: int


def make_levels(
    dataset: Dataset, plan: LevelPlan, *, overwrite: bool = False, keeps: bool = False
) -> MadeLevels:
    """Make the resolution levels of a closed store, and list them. The caller holds its lock.

    Parameters
    ----------
    dataset : Dataset
    plan : LevelPlan
    overwrite : bool
        Replace levels that are there.
    keeps : bool
        Of an OME-TIFF, make only the levels that read as 0: the others were made by this plan, and
        by none before.

    Raises
    ------
    OptionError
        Levels that the images cannot have, or for which a TIFF was not made.
    StoreExistsError
        When levels are there, and `overwrite` is off.
    StorePathError
        When the store was never closed.
    OSError
        When something cannot be written; no document lists a level then.
    """
    _refuse(dataset, plan, overwrite=overwrite)
    frames = wanted = listed_frames(dataset)
    folders: list[Path] = []
    with ExitStack() as at_last:
        levels: LevelWriter
        if dataset.location.format == "ome-zarr":
            levels = _zarr_levels(dataset, plan)
            at_last.callback(levels.close)
            folders = list(_level_folders(dataset))
            _check_folders(dataset, folders, overwrite=overwrite)
        else:
            levels = in_tiff = _tiff_levels(dataset, plan)
            at_last.callback(levels.close)
            if keeps:
                wanted = [frame for frame in frames if in_tiff.is_blank(*frame)]
        if plan.downsample == "mean":
            warn_without_opencv()
        _put(dataset, dataset.record.with_levels(plan, is_complete=False))
        for folder in folders:
            shutil.rmtree(folder)
        write_levels_from_disk(levels, lambda number: dataset.images[number].array, wanted)
        levels.finish([image.shape for image in dataset.images])
    _put(dataset, dataset.record.with_levels(plan, is_complete=True))
    return MadeLevels(len(frames), sum(_level_bytes(dataset, plan, frames)))


def listed_frames(dataset: Dataset) -> list[FrameKey]:
    """Return the frames of the frame table, those of an image together."""
    numbers = {image.path: image.layout.number for image in dataset.images}
    rows = read_table(dataset.location.table)
    return sorted((numbers[row["image"]], tuple(row["index"])) for row in rows)


def frame_bytes(dataset: Dataset) -> int:
    """Return the bytes of all listed frames at full resolution, before compression."""
    specs = {image.path: image.layout.spec.nbytes for image in dataset.images}
    return sum(specs.get(row["image"], 0) for row in read_table(dataset.location.table))


def _level_bytes(dataset: Dataset, plan: LevelPlan, frames: list[FrameKey]) -> Iterator[int]:
    """Yield the bytes of the levels of the frames of each image."""
    for number, listed in groupby(frames, key=lambda frame: frame[0]):
        spec = dataset.images[number].layout.spec
        smaller = (plan.level_spec(spec, level) for level in range(1, plan.count_of(spec)))
        yield sum(one.nbytes for one in smaller) * sum(1 for _ in listed)


def _refuse(dataset: Dataset, plan: LevelPlan, *, overwrite: bool) -> None:
    if dataset.status == "incomplete":
        raise StorePathError(
            f"{dataset.path} was never closed. Run `pymmcore-ome recover`, then make its levels."
        )
    problems = dict.fromkeys(plan.problem(spec) for spec in dataset.layout.specs)
    if reasons := [problem for problem in problems if problem is not None]:
        raise OptionError(f"{dataset.path}: {'; '.join(reasons)}.")
    if dataset.record.levels_listed is not None and not overwrite:
        raise StoreExistsError(
            f"{dataset.path} has resolution levels already. To make them again, pass ",
            Option("overwrite", True),
            ".",
        )


def _put(dataset: Dataset, record: StoreRecord) -> None:
    """Write the documents of a store with another record."""
    layout, location = dataset.layout, dataset.location
    state = StoreState(
        layout,
        record,
        [image.shape for image in dataset.images],
        PlaneMetadata(read_table(location.table)),
        dataset.stored.pages(layout.images),
    )
    documents = documents_of(location)
    if dataset.record.levels_listed is not None and location.format == "ome-zarr":
        for document in documents.grown(state, layout.images):  # they list levels now
            put_document(location, document)
    for document in documents.closed(state):
        put_document(location, document)


# -- OME-Zarr


def _zarr_levels(dataset: Dataset, plan: LevelPlan) -> LevelWriter:
    specs: dict[object, ArraySpec] = {}
    images: list[ImageLayout] = []
    for image in dataset.layout.images:
        spec = stored_spec(array_folder(dataset.path, image), image.spec)
        key = image.spec, spec.chunk_shape, spec.shard_shape
        images.append(image.with_spec(specs.setdefault(key, spec)))
    options = BackendOptions(dataset.schema.compression, levels=plan)
    return zarr_levels(dataset.path, images, options, dataset.layout.loops)


def _level_folders(dataset: Dataset) -> Iterator[Path]:
    """Yield the folders next to the arrays of the full resolution that are called as levels are."""
    for image in dataset.layout.images:
        group = array_folder(dataset.path, image).parent
        for level in range(1, _MOST_FOLDERS):
            folder = group / str(level)
            if folder.exists():
                yield folder


def _holds_others(folder: Path) -> bool:
    """Whether a folder holds anything but what an array has, its document half written."""
    return any(entry.name not in ("zarr.json", "zarr.json.part", "c") for entry in folder.iterdir())


def _check_folders(dataset: Dataset, folders: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse to delete what is not a level."""
    is_ours = overwrite or dataset.record.levels is not None
    for folder in folders:
        try:
            kind = json.loads((folder / "zarr.json").read_bytes())["node_type"]
        except (OSError, ValueError, LookupError, TypeError):
            kind = None
        if kind is None and dataset.record.levels is not None and not _holds_others(folder):
            continue  # a full disk or a crash left no document of a level
        if kind != "array" or not is_ours:
            what = f"{folder} exists, and is not known as a resolution level. Move it elsewhere"
            if kind != "array":
                raise StoreExistsError(f"{what}.")
            raise StoreExistsError(f"{what}, or pass ", Option("overwrite", True), ".")


# -- OME-TIFF


def _tiff_levels(dataset: Dataset, plan: LevelPlan) -> StoredTiffLevels:
    location, images = dataset.location, dataset.layout.images
    pages = dataset.stored.pages(images)
    assert pages is not None
    paths = {
        image.number: location.path / file_name(image) if location.is_folder else location.path
        for image in images
    }
    levels = stored_tiff_levels(plan, images, paths, pages, dataset.schema.compression)
    try:
        for image, count in zip(images, levels.level_counts(), strict=True):
            if count and count != plan.count_of(image.spec):
                raise _unlike_tiff(dataset, image, count, plan)
    except BaseException:
        levels.close()
        raise
    return levels


def _unlike_tiff(dataset: Dataset, image: ImageLayout, count: int, plan: LevelPlan) -> OptionError:
    wanted = plan.count_of(image.spec)
    if count == 1:
        return OptionError(
            f"{dataset.path} was made without resolution levels, and the pages of a TIFF cannot "
            "get them later. When it is written, set ",
            Option("levels", plan.count),
            ".",
        )
    return OptionError(
        f"{dataset.path} was made for {count} resolution levels, and has no room for {wanted}. "
        "Set ",
        Option("levels", count),
        ".",
    )


def levels_of_tiff(dataset: Dataset, plan: LevelPlan) -> LevelPlan:
    """Return the plan that a TIFF was made with, where ``"auto"`` is asked for."""
    made_with = dataset.record.level_plan
    if dataset.location.format != "ome-tiff" or plan.count != "auto" or made_with is None:
        return plan
    return replace(plan, count=made_with.count)


# -- validation


def level_problems(dataset: Dataset) -> Iterator[str]:
    """Yield what is wrong with the arrays of levels. It reads no pixel."""
    record = dataset.record
    if record.levels is not None and record.levels_listed is None:
        if dataset.status != "incomplete":
            yield (
                "the resolution levels are not complete, so that only the full resolution is "
                "listed. Run `pymmcore-ome levels` to make them"
            )
        return
    for image in dataset.images:
        where = f"image {image.path or 'at the root'}"
        for number, level in enumerate(image.levels[1:], 1):
            try:
                array = level.array
                expected = (*image.shape[:-2], *level.layout.shape[-2:])
            except PymmcoreOmeError as error:
                yield f"{where}, level {number}: {error}"
                continue
            found: list[tuple[str, Any, Any]] = [
                ("axes are", array.dimension_names, image.axes),
                ("dtype is", array.dtype, np.dtype(image.layout.dtype)),
                ("shape is", array.shape, expected),
            ]
            for what, value, wanted in found:
                if value != wanted:
                    yield f"{where}, level {number}: {what} {value}, expected {wanted}"
                    break
            if dataset.location.format == "ome-zarr":
                for problem in shard_problems(array_folder(dataset.path, image.layout, number)):
                    yield f"{where}, level {number}: {problem}"
        if dataset.location.format == "ome-tiff" and 0 not in image.shape:
            yield from _page_problems(dataset, image, where)


def _page_problems(dataset: Dataset, image: Image, where: str) -> Iterator[str]:
    """Yield whether the first page of an image has too few smaller ones."""
    location = dataset.location
    path = location.path / file_name(image.layout) if location.is_folder else location.path
    pages = dataset.stored.pages(dataset.layout.images)
    assert pages is not None
    try:
        with path.open("rb") as file:
            page = int(pages.pages(image.layout.number).flat[0])
            count = TiffPages(path).level_count(file, page)
    except (OSError, ValueError, LookupError) as error:
        yield f"{where}: its smaller pages cannot be read: {error}"
        return
    if len(image.levels) > 1 and count != len(image.levels):
        yield f"{where}: its pages have {count} levels, expected {len(image.levels)}"


def level_pixel_problems(dataset: Dataset) -> Iterator[str]:
    """Yield every level of a listed frame that is not what its full resolution gives."""
    plan = dataset.record.levels_listed
    if plan is None:
        return
    downsampler = Downsampler(plan.downsample)
    images = {image.path: image for image in dataset.images}
    wrong = 0
    for row in read_table(dataset.location.table):
        image, index = images[row["image"]], row["index"]
        if len(image.levels) == 1:
            continue
        problem = _frame_problem(image, index, row.get("checksum"), downsampler)
        if problem is not None:
            wrong += 1
            if wrong <= _SHOWN:
                yield f"the frame at {dataset.layout.frame_name(image.layout, index)}: {problem}"
    if wrong > _SHOWN:
        yield f"the levels of {wrong - _SHOWN} more frames are wrong"


def _frame_problem(
    image: Image, index: tuple[int, ...], checksum: str | None, downsampler: Downsampler
) -> str | None:
    try:
        frame = np.ascontiguousarray(stored_frame(image, index))
    except Exception:  # it is reported already, as in the next case
        return None
    if checksum is not None and frame_checksum(frame) != checksum:
        return None
    levels = downsampler.levels(frame, len(image.levels))
    for number, (level, expected) in enumerate(zip(image.levels[1:], levels, strict=True), 1):
        try:
            found = stored_frame(level, index)
        except Exception as error:  # whatever a damaged chunk or strip makes a library raise
            return f"level {number} cannot be read: {error}"
        if not np.array_equal(found, expected, equal_nan=found.dtype.kind == "f"):
            return f"level {number} is not what its full resolution gives"
    return None
