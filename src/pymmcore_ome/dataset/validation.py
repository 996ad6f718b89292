"""`validate`: what is wrong with a store. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from pymmcore_ome.backends import array_folder, shard_problems
from pymmcore_ome.disk import read_json
from pymmcore_ome.errors import PymmcoreOmeError, StorePathError
from pymmcore_ome.frames import NOT_AS_ASKED, read_table

from .check_documents import document_problems
from .check_table import TableCheck, pixel_problems
from .dataset import Dataset, open_dataset
from .levels import level_pixel_problems, level_problems
from .torn_files import torn_files


def validate(path: str | os.PathLike[str], *, pixels: bool = False) -> list[str]:
    """Return the problems of a store; an empty list means that it is valid.

    Checked: the documents against OME-Zarr 0.5 (yaozarrs), or against what tifffile reads of an
    OME-TIFF; their content against the schema; every array's shape, dtype and axis names against
    the schema; the frame table against the arrays and the plan; and that the run ended well.

    Parameters
    ----------
    path : path-like
    pixels : bool
        Also read every frame and compare it with its checksum, compute its resolution levels and
        compare them with those on disk, and look for files that no reader can open.
    """
    try:
        dataset = open_dataset(path)
    except StorePathError as error:
        return [str(error)]
    problems = _problems(dataset, pixels)
    if problems and dataset.status == "incomplete":
        with suppress(StorePathError):
            if open_dataset(path).status != "incomplete":
                return validate(path, pixels=pixels)  # its stream was closed in the meantime
    return problems


def _problems(dataset: Dataset, pixels: bool) -> list[str]:
    end = _table_end(dataset)
    problems = list(document_problems(dataset))
    arrays = [*_arrays(dataset), *level_problems(dataset)]
    if arrays:
        # the frame table cannot be judged against arrays that are wrong
        listed = sum(1 for _ in read_table(dataset.location.table, end=end))
        return [*problems, *arrays, *_ending(dataset, listed)]
    if (lost := dataset.lost_table) is not None:
        return [*problems, lost]
    table = TableCheck(dataset, end)
    missing = table.missing_problem()
    return [
        *problems,
        *table.problems,
        *([] if missing is None else [missing]),
        *(_pixels(dataset, end) if pixels else ()),
        *(level_pixel_problems(dataset) if pixels else ()),
        *_ending(dataset, table.row_count),
    ]


def _table_end(dataset: Dataset) -> int | None:
    """Return the bytes of the frame table of a store that may be being written.

    The arrays as they are opened next may lack the frames that its writer adds from now on.
    """
    table = dataset.location.table
    if dataset.status != "incomplete" or not table.exists():
        return None
    return table.stat().st_size


def _pixels(dataset: Dataset, end: int | None) -> Iterator[str]:
    yield from pixel_problems(dataset, end)
    if dataset.status != "incomplete":  # a program may be writing them
        for file in torn_files(dataset):
            yield (
                f"{file} cannot be read, and holds no frame of the frame table. Run "
                "`pymmcore-ome recover` to set it aside: reading its places fails until then"
            )


def _arrays(dataset: Dataset) -> Iterator[str]:
    for image in dataset.images:
        where = f"image {image.path or 'at the root'}"
        try:
            array = image.array
        except PymmcoreOmeError as error:
            yield f"{where}: {error}"
            continue
        if array.dimension_names != image.axes:
            yield f"{where}: axes are {array.dimension_names}, expected {image.axes}"
        elif array.dtype != image.layout.dtype:
            yield f"{where}: dtype is {array.dtype}, expected {image.layout.dtype}"
        elif any(
            have != axis.size
            for have, axis in zip(array.shape, image.layout.axes, strict=True)
            if axis.size is not None
        ):
            yield f"{where}: shape is {array.shape}, expected {image.layout.shape}"
        if dataset.location.format == "ome-zarr":
            folder = array_folder(dataset.path, image.layout)
            if fill := (read_json(folder / "zarr.json") or {}).get("fill_value"):
                yield f"{where}: fill_value is {fill!r:.80}, expected 0: holes would read as that"
        if dataset.record.backend == "native":
            try:
                for problem in shard_problems(array_folder(dataset.path, image.layout)):
                    yield f"{where}: {problem}"
            except PymmcoreOmeError as error:
                yield f"{where}: {error}"


def _ending(dataset: Dataset, listed: int) -> Iterator[str]:
    record = dataset.record
    if record.status == "incomplete":
        yield (
            "the run is incomplete. If nothing is writing to it, run `pymmcore-ome recover`, or "
            "pymmcore_ome.recover(path)"
        )
    elif record.status in ("failed", "canceled"):
        yield f"the run was {record.status}" + (f": {record.reason}" if record.reason else "")
    written = record.frames.get("written")
    if written is not None and written != listed:
        yield f"{written} frames were written, but the frame table lists {listed}"


_SHOWN: Final = 3
_MAX_SENTENCES: Final = 10


class Refused(NamedTuple):
    """One setting that failed to apply.

    Attributes
    ----------
    problem : str
        Which setting, and why.
    frames : int
        Acquired without it.
    first : list of str
        Names of the first few.
    """

    problem: str
    frames: int
    first: list[str]

    @property
    def where(self) -> str:
        """The names of the first frames that it affects."""
        more = ", …" if self.frames > len(self.first) else ""
        return ", ".join(self.first) + more


def refused_settings(dataset: Dataset, rows: Iterable[Mapping[str, Any]]) -> list[Refused]:
    """Return the settings that failed to apply, each once, in order of arrival.

    Parameters
    ----------
    dataset : Dataset
    rows : iterable of mapping
        Its `Dataset.not_as_asked`.
    """
    images = {image.path: image.layout for image in dataset.images}
    counts: dict[str, int] = {}
    first: dict[str, list[str]] = {}
    for row in rows:
        image = images.get(row["image"])
        marks = row["metadata"][NOT_AS_ASKED]
        for problem in map(str, marks if isinstance(marks, list) else [marks]):
            counts[problem] = counts.get(problem, 0) + 1
            names = first.setdefault(problem, [])
            if image is not None and len(names) < _SHOWN:
                names.append(dataset.layout.frame_name(image, row["index"]))
    return [Refused(problem, count, first[problem]) for problem, count in counts.items()]


def store_warnings(dataset: Dataset) -> list[str]:
    """Return the settings that failed to apply, one sentence each; empty when all were applied.

    For a complete run also the reason of its status, such as a failed autofocus.
    """
    rows = dataset.not_as_asked()
    if rows:
        return list(_sentences(refused_settings(dataset, rows)))
    record = dataset.record
    is_whole = dataset.layout.frame_count in (None, record.frames.get("written"))
    if record.status == "complete" and record.reason and is_whole:
        return [record.reason]
    return []


def _sentences(refused: list[Refused]) -> Iterator[str]:
    for one in refused[:_MAX_SENTENCES]:
        frames = "1 frame was" if one.frames == 1 else f"{one.frames} frames were"
        yield f"{frames} acquired with a setting that failed to apply: {one.problem}: {one.where}"
    if len(refused) > _MAX_SENTENCES:
        more = len(refused) - _MAX_SENTENCES
        yield f"{more} more settings failed to apply: see not_as_asked in the frame table"
