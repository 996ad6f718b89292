"""`resumed`: an existing store is opened again for the frames that it lacks.

Everything is compared first, and every difference named, before a byte is changed. Then the store
is closed as `recover` does it, where its program died, and marked incomplete again: whatever
ends this program, `recover` and another resume find all frames.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from pymmcore_ome.backends import array_differences
from pymmcore_ome.dataset import (
    Dataset,
    close_interrupted,
    frame_problem,
    open_dataset,
    refuse_links,
    sound_rows,
)
from pymmcore_ome.disk import StoreLocation, StoreLock, write_whole
from pymmcore_ome.errors import MapErrors, ResumeError
from pymmcore_ome.frames import FrameTableWriter, cut_half_a_line, json_bytes
from pymmcore_ome.metadata import StoreState, documents_of

from .options import SaveOptions
from .plan import StorePlan
from .store import Store, claimed, now, plain_schema

logger = logging.getLogger("pymmcore-ome")
_MOST: Final = 20
#: Of a camera: what may be set between two runs, and does not change where its frames go.
_SETTINGS: Final = ("gain", "offset")
#: Differences with which the arrays on disk can still be compared.
_WITHIN_ARRAYS: Final = ("schema.compression", "levels")


@contextmanager
def resumed(
    plan: StorePlan,
    options: SaveOptions,
    differences: Callable[[Mapping[str, Any]], list[str]] | None = None,
) -> Iterator[Store]:
    """Open a store again, to add the frames that it lacks.

    Parameters
    ----------
    plan : StorePlan
        What would be made anew.
    options : SaveOptions
    differences : callable, optional
        As `open_planned`.

    Raises
    ------
    ResumeError
        When it cannot be resumed; nothing was changed.
    StoreExistsError
        When a program is still writing to it.
    """

    def not_resumed(error: Exception) -> ResumeError:
        return ResumeError(f"{plan.place.path} could not be resumed: {error}.")

    lock = StoreLock(StoreLocation.of_existing(plan.place.path) or plan.place)
    with claimed(plan.place.path), lock.is_free():
        lock.acquire()
        try:
            dataset = open_dataset(plan.place.path)
            _compare(dataset, plan, differences)
            with MapErrors(not_resumed):
                yield _opened(dataset, plan, options, lock)
        except BaseException:
            lock.release()
            raise


def _compare(
    dataset: Dataset,
    plan: StorePlan,
    differences: Callable[[Mapping[str, Any]], list[str]] | None,
) -> None:
    """Refuse a store that is not what the plan would make.

    Raises
    ------
    ResumeError
    """
    path, record = dataset.path, dataset.record
    if plan.layout.schema.grows:
        raise ResumeError(
            f"{path} cannot be resumed: an acquisition without a plan, such as an iterator, does "
            "not show which frames are missing. Choose another path."
        )
    if not plan.backend.can_resume:
        raise ResumeError(
            f"{path} cannot be resumed: {plan.backend.name} writes arrays from the beginning, and "
            "cannot open them again. Choose another path, or acquire with the backend native."
        )
    refuse_links(dataset.location)
    if (lost := dataset.lost_table) is not None:
        raise ResumeError(f"{path} cannot be resumed: {lost}.")
    found: list[str] = []
    if differences is not None:
        found += differences(record.acquisition)
    if dataset.location != plan.place:
        found.append(f"format: {_place(dataset.location)} there, {_place(plan.place)} now")
    if record.backend != plan.backend.name:
        found.append(f"backend: {record.backend!r} there, {plan.backend.name!r} now")
    there, now_ = dict(record.schema), dict(plain_schema(plan.layout.schema))
    there, now_ = json.loads(json_bytes(there)), json.loads(json_bytes(now_))
    found += json_differences("schema", _fixed(there), _fixed(now_))
    levels = [None if p is None else p.to_record(is_complete=False) for p in (
        record.level_plan, plan.options.levels)]  # fmt: skip
    if levels[0] != levels[1]:
        found.append(f"levels: {levels[0]} there, {levels[1]} now")
    is_like = all(difference.startswith(_WITHIN_ARRAYS) for difference in found)
    if is_like and plan.place.format == "ome-zarr":
        found += [
            difference
            for difference in array_differences(path, plan.layout, plan.options.compression)
            if not found or not difference.startswith("compression")
        ]
    if dataset.location == plan.place and plan.place.format == "ome-tiff":
        found += _form_differences(dataset, plan.options.bigtiff)
    if found:
        more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
        raise ResumeError(
            f"{path} cannot be resumed, it differs from this acquisition: "
            f"{'; '.join(found[:_MOST])}{more}. "
            "Acquire as the first run did, or choose another path."
        )


def _form_differences(dataset: Dataset, bigtiff: bool) -> Iterator[str]:
    """Yield that a TIFF is a classic one where a BigTIFF would be made, or the other way round.

    Pages of one form, written into a file of the other, would destroy it.
    """
    path = dataset.path
    files = sorted(path.glob("*.ome.tiff")) if dataset.location.is_folder else [path]
    for file in files[:1]:
        with file.open("rb") as start:
            is_big = b"+" in start.read(4)
        if is_big != bigtiff:
            yield f"bigtiff: {is_big} there, {bigtiff} now"


def _place(location: Any) -> str:
    return f"{location.format}{'' if location.is_folder else ' in one file'}"


def _fixed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without what may be set between two runs."""
    instrument = schema.get("instrument")
    if isinstance(instrument, dict):
        instrument["detectors"] = [
            {key: value for key, value in one.items() if key not in _SETTINGS}
            for one in instrument.get("detectors") or ()
        ]
    return schema


def json_differences(name: str, there: Any, now_: Any) -> Iterator[str]:
    """Yield each value in which two JSON documents differ, with where it is."""
    if isinstance(there, dict) and isinstance(now_, dict):
        for key in dict.fromkeys((*there, *now_)):
            yield from json_differences(f"{name}.{key}", there.get(key), now_.get(key))
    elif isinstance(there, list) and isinstance(now_, list) and len(there) == len(now_):
        for number, (one, other) in enumerate(zip(there, now_, strict=True)):
            part = one.get("name", number) if isinstance(one, dict) else number
            yield from json_differences(f"{name}[{part}]", one, other)
    elif there != now_:
        yield f"{name}: {_short(there)} there, {_short(now_)} now"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _opened(dataset: Dataset, plan: StorePlan, options: SaveOptions, lock: StoreLock) -> Store:
    """Open a store whose lock is held, and which is what the plan would make."""
    place = plan.place
    close_interrupted(dataset)
    cut_half_a_line(place.table)
    if dataset.status == "incomplete":
        dataset = open_dataset(place.path)
    layout = plan.layout
    rows = _rows(dataset)
    if options.resume == "verify":
        rows = _verified(dataset, rows)
    numbers = {image.path: image.number for image in dataset.layout.images}
    by_place = {(numbers[row["image"]], row["index"]): row for row in rows}
    started = now()
    after_s = _seconds_since(dataset.record.started, rows)
    record = dataset.record
    if not record.runs and record.started is not None:  # of an earlier version
        record = record.begin_run(record.started)
        record = record.end_run(dataset.status, dataset.record.ended, len(by_place))
    record = record.begin_run(started).with_levels(plan.options.levels, is_complete=False)
    backend = plan.backend()
    pages = dataset.stored.pages(layout.images)
    table: FrameTableWriter | None = None
    try:
        backend.reopen(place, layout, plan.options, pages)
        documents = documents_of(place)
        shapes = [image.shape for image in layout.images]
        state = StoreState(layout, record, shapes, pages=backend.pages)
        for key, content in documents.reopened(state):
            backend.put(key, content)
        table = FrameTableWriter(
            place.table,
            sync_pixels=backend.sync if plan.options.outlasts_power else None,
            exists=True,
        )
    except BaseException:
        backend.close()
        if table is not None:
            table.close()
        raise
    planned = layout.frame_count
    missing = None if planned is None else planned - len(by_place)
    logger.info(
        "%s is resumed: it has %d frames, and %s", place.path, len(by_place),
        "none is missing" if not missing else f"{missing} are missing",
    )  # fmt: skip
    return Store(
        place, layout, backend, table, record, documents, lock,
        stored=list(by_place),
        next_number=1 + max((int(row.get("arrival", 0)) for row in rows), default=-1),
        resumed_after_s=after_s,
        is_resumed=True,
        was_complete=dataset.record if dataset.status == "complete" else None,
    )  # fmt: skip


def _rows(dataset: Dataset) -> list[dict[str, Any]]:
    shapes = [image.shape for image in dataset.layout.images]
    return list(sound_rows(dataset.location, dataset.layout, shapes))


def _verified(dataset: Dataset, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows whose pixels are those that were acquired; forget the others."""
    images = {image.path: image for image in dataset.images}
    good = [row for row in rows if frame_problem(images[row["image"]], row) is None]
    if len(good) < len(rows):
        logger.warning(
            "%s: %d frames do not match their checksums, and are acquired again",
            dataset.path, len(rows) - len(good),
        )  # fmt: skip
        write_whole(dataset.location.table, (json_bytes(row) + b"\n" for row in good))
    return good


def _seconds_since(started: str | None, rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the seconds since the first run began: by the clock, and after every frame."""
    last_s = max((row["delta_t_s"] for row in rows if row.get("delta_t_s") is not None), default=0)
    try:
        began = datetime.fromisoformat(started or "")
        passed_s = (datetime.now().astimezone() - began).total_seconds()
    except (ValueError, TypeError):
        passed_s = 0.0
    return max(passed_s, float(last_s))
