"""`recover`: write the closing documents of a store whose process died. It changes no frame.

The frames in the frame table are on disk already. The rest is written when a stream is
closed: final sizes, the channels and positions that arrived with frames, the OME-XML, the status.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from pymmcore_ome.backends import array_folder, finish_array, say_shape
from pymmcore_ome.disk import StoreLocation, StoreLock, local_path, write_whole
from pymmcore_ome.errors import MapErrors, NotAStoreError, StorePathError
from pymmcore_ome.frames import PlaneMetadata, cut_half_a_line, json_bytes, provisional, read_table
from pymmcore_ome.layout import Layout, grown_plan, layout_of, new_position
from pymmcore_ome.metadata import ContrastSampler, Status, StoreState, documents_of
from pymmcore_ome.schema import ImageSchema, Position

from .check_table import frame_problem, stored_frame
from .dataset import Dataset, open_dataset
from .image import Image
from .levels import frame_bytes, make_levels
from .put_document import put_document
from .torn_files import set_aside, torn_files

logger = logging.getLogger("pymmcore-ome")
_MOST_BYTES: Final = 1 << 30  # of frames whose levels are made at once


def recover(path: str | os.PathLike[str]) -> Dataset:
    """Write the closing documents of an unclosed store; its status becomes ``"recovered"``.

    Frames that are whole on disk and were not listed, because the disk was full, are listed where
    their checksums prove them. Files that no reader can open, and that hold no listed frame, get
    the suffix ``.torn``, so that their place reads as zeros. Resolution levels that are not
    complete are made of up to 1 GiB of frames; of more, the log shows the command. A complete
    store is not changed otherwise, so running this twice is safe. Where a program died while it
    replaced a store (``overwrite=True``), the earlier store is put back first; if the new one was
    made already, the log names the earlier store and how to restore it.

    Returns
    -------
    Dataset
        The store as it is now.

    Raises
    ------
    NotAStoreError
        When the path is not a store of this package.
    StoreExistsError
        When a program is still writing to it.
    StorePathError
        When a link inside the store leads out of it.
    OSError
        When the documents cannot be written; the old ones are kept.
    """
    replaced = StoreLocation.of_interrupted(local_path(path))
    if replaced is not None:
        with StoreLock(replaced).is_free():
            replaced.put_back()
    location = open_dataset(path).location
    refuse_links(location)
    lock = StoreLock(location)
    lock.acquire()
    try:
        dataset = open_dataset(path)  # read again: no other program can write now
        close_interrupted(dataset)
        finish_levels(open_dataset(path), keeps=dataset.status == "incomplete")
    finally:
        lock.release()
    if location.earlier:
        logger.warning(
            "%s replaced %s, which was not deleted. To restore it, move %s to another folder and "
            "run: pymmcore-ome recover %s",
            location.path,
            location.earlier[-1],
            " and ".join(map(str, location.parts)),
            location.path,
        )
    return open_dataset(path)


def close_interrupted(dataset: Dataset) -> None:
    """Do what `recover` does, but for the levels. The caller holds the store's lock.

    Raises
    ------
    OSError
    NotAStoreError
        When its documents are damaged.
    """
    location = dataset.location
    with damage_of(dataset):
        if dataset.status == "incomplete":
            _finish(dataset, "recovered", "the program that wrote it ended without closing it")
        elif provisional(location.table).exists() and not location.table.exists():
            _finish(dataset, dataset.status, dataset.record.reason)
        if dataset.status != "complete":
            for file in list(torn_files(open_dataset(dataset.path))):
                set_aside(file)


def damage_of(dataset: Dataset) -> MapErrors:
    """Return what reports errors in damaged documents as errors of this package."""
    return MapErrors(
        lambda error: NotAStoreError(f"{dataset.path} is damaged: {error!r}."),
        ArithmeticError, LookupError, TypeError, ValueError,
    )  # fmt: skip


def _finish(dataset: Dataset, status: Status, reason: str | None) -> None:
    location, stored, layout = dataset.location, dataset.stored, dataset.layout
    ended = _end_of_frames(dataset)
    cut_half_a_line(location.table)
    confirm_proven(dataset)
    if dataset.record.backend == "native":
        for image in layout.images:
            finish_array(array_folder(dataset.path, image))
    pages = stored.pages(layout.images)
    shapes = [
        stored.written_shape(image)
        if layout.schema.grows or image.spec.unbounded_axes
        else image.shape
        for image in layout.images
    ]
    if layout.schema.grows:
        plans = grown_plans(layout, shapes, sound_rows(location, layout, shapes))
        layout = layout_of(layout.schema.replace(images=plans or None), layout.named)
    record = replace(
        dataset.record,
        schema=layout.schema.model_dump(mode="json", exclude_defaults=True),
        status=status,
        reason=reason,
        contrast=stored_contrast(dataset, layout, shapes),
        ended=ended,
        recovered=datetime.now().astimezone().isoformat(timespec="milliseconds"),
        frames={**dataset.record.frames, "written": len(dataset.frames())},
    )
    record = record.end_run(status, ended, len(dataset.frames()))
    planes = PlaneMetadata(sound_rows(location, layout, shapes))
    state = StoreState(layout, record, shapes, planes, pages)
    documents = documents_of(location)
    if layout.schema.grows:
        for document in documents.grown(state, layout.images):
            put_document(location, document)
    for document in documents.closed(state):
        put_document(location, document)


def stored_contrast(
    dataset: Dataset, closed: Layout, shapes: Sequence[tuple[int, ...]]
) -> dict[str, tuple[float, float]]:
    """Return the contrast of each channel, from some of the frames on disk.

    Parameters
    ----------
    dataset : Dataset
    closed : Layout
        Of the store when it is closed.
    shapes : sequence of tuple of int
        Of its images then.
    """
    images = {image.path: image for image in dataset.images}
    sampler = ContrastSampler(grows=closed.schema.grows)
    for row in sound_rows(dataset.location, closed, shapes):
        image = images.get(row["image"])
        if image is None:
            continue
        with suppress(Exception):  # a damaged frame is for `validate` to report
            sampler.add(image.layout.spec, row["index"], partial(stored_frame, image, row["index"]))
    return sampler.windows(closed.specs)


def finish_levels(dataset: Dataset, *, keeps: bool) -> None:
    """Make the levels that a closed store lacks, where that does not take long.

    `keeps`: those that are there were made while the frames arrived.
    """
    plan = dataset.record.level_plan
    if plan is None or dataset.record.levels_listed is not None:
        return
    if frame_bytes(dataset) > _MOST_BYTES:
        logger.warning(
            "The resolution levels of %s are not complete. Run: pymmcore-ome levels %s",
            dataset.path,
            dataset.path,
        )
        return
    with damage_of(dataset):
        make_levels(dataset, plan, keeps=keeps)


def _end_of_frames(dataset: Dataset) -> str:
    """Return when the last frame was acquired; where that is not known, when it was listed."""
    table, started = dataset.location.table, dataset.record.started
    now = datetime.now().astimezone()
    listed = datetime.fromtimestamp(table.stat().st_mtime).astimezone() if table.exists() else now
    times = [row["delta_t_s"] for row in dataset.frames() if row.get("delta_t_s") is not None]
    ended = min(now, listed)
    if started is not None and times:
        with suppress(ValueError, OverflowError, TypeError):  # it, or a time, is damaged
            last = datetime.fromisoformat(started) + timedelta(seconds=max(times))
            ended = min(ended, last)
    return ended.isoformat(timespec="milliseconds")


def refuse_links(location: StoreLocation) -> None:
    """Raise `StorePathError` when a store that is to be changed has a link inside."""
    if (link := location.first_link()) is not None:
        raise StorePathError(
            f"{link} is a link, and nothing is written through links. Replace it with a copy of "
            "what it points to."
        )


def sound_rows(
    location: StoreLocation, layout: Layout, shapes: Sequence[tuple[int, ...]]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the frame table but for those outside their image, which `validate` names.

    One damaged row must not keep all other frames from being described.
    """
    planes = {
        image.path: (image.spec.frame_step, shape[: len(image.spec.frame_step)])
        for image, shape in zip(layout.images, shapes, strict=True)
    }
    for row in read_table(location.table):
        steps, sizes = planes.get(row["image"], ((), ()))
        index = row["index"]
        if len(index) == len(steps) and all(
            0 <= at < size and not at % step
            for at, size, step in zip(index, sizes, steps, strict=True)
        ):
            yield row


@dataclass
class _ImageFacts:
    """The position and channels of one image, as its frames have them; the first frame decides."""

    arrival: float = math.inf
    first: Mapping[str, Any] = field(default_factory=dict)
    channels: dict[int, tuple[float, str]] = field(default_factory=dict)
    heights: dict[int, tuple[float, float]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any], channel: int | None, plane: int | None) -> None:
        """Add a frame of the image, and the numbers of its channel and plane."""
        arrival, name = float(row.get("arrival", 0)), row.get("channel")
        if arrival < self.arrival:
            self.arrival, self.first = arrival, row
        if channel is not None and name and arrival < self.channels.get(channel, (math.inf,))[0]:
            self.channels[channel] = arrival, str(name)
        z_um = row.get("z_um")
        if plane is not None and z_um is not None:
            self.heights[plane] = min(
                (arrival, float(z_um)), self.heights.get(plane, (math.inf, 0.0))
            )

    def position(self, name: str) -> Position:
        """Return where the image was taken."""
        rest = self.first.get("metadata")
        about = {
            "pos_name": rest.get("pos_name") if isinstance(rest, Mapping) else None,
            "x_um": self.first.get("x_um"),
            "y_um": self.first.get("y_um"),
        }
        return new_position(name, about)


def grown_plans(
    layout: Layout, shapes: Sequence[tuple[int, ...]], rows: Iterable[Mapping[str, Any]]
) -> tuple[ImageSchema, ...]:
    """Return the images as closing the stream would have described them.

    Parameters
    ----------
    layout : Layout
        Of the store as it is on disk.
    shapes : sequence of tuple of int
        Of the part of each image that was written.
    rows : iterable of mapping
        The frame table, in any order. An image without a frame in it keeps its name alone.
    """
    facts = {image.path: _ImageFacts() for image in layout.images}
    strides = {
        image.path: {stride.name: stride for stride in image.spec.axis_strides}
        for image in layout.images
    }
    for row in rows:
        if row["image"] in facts:
            c, z = (strides[row["image"]].get(axis) for axis in "cz")
            channel = None if c is None else row["index"][c.axis] // c.step
            plane = None if z is None else row["index"][z.axis] // z.step
            facts[row["image"]].add(row, channel, plane)
    selectors = [
        {
            k: v
            for k, v in facts[image.path].first["event_index"].items()
            if v and k not in strides[image.path]
        }
        if facts[image.path].first
        else {"image": image.number}
        for image in layout.images
    ]
    if len({tuple(sorted(at.items())) for at in selectors}) < len(selectors):
        # they do not distinguish the images
        selectors = [{"image": image.number} for image in layout.images]
    return tuple(
        grown_plan(
            layout.schema,
            at=at,
            position=facts[image.path].position(image.position.name or image.name),
            sizes=dict(zip(image.axis_names, shape, strict=True)),
            channels={n: name for n, (_, name) in facts[image.path].channels.items()},
            heights={n: z_um for n, (_, z_um) in facts[image.path].heights.items()},
            camera=image.spec.camera,
        )
        for image, shape, at in zip(layout.images, shapes, selectors, strict=True)
    )


def confirm_proven(dataset: Dataset) -> None:
    """Make the frame table from the unconfirmed one, without the frames that are not on disk.

    For backends that do not report when a frame is on disk (acquire-zarr): frames that match
    their checksums are. It changes no pixel, but may enlarge the shape in an array's document, so
    that all that is on disk can be read.

    Does nothing without an unconfirmed table.

    Raises
    ------
    OSError
        When the table cannot be written; the unconfirmed one is kept.
    """
    table = dataset.location.table
    part = provisional(table)
    if table.exists() or not part.exists():
        return
    rows = list(read_table(part))
    proven: list[dict[str, Any]] = []
    for image in dataset.images:
        listed = [row for row in rows if row["image"] == image.path]
        _set_shape(dataset.path, image, listed)
        fresh = Image(dataset.stored, image.layout)
        stored = [row for row in listed if "checksum" in row and frame_problem(fresh, row) is None]
        _set_shape(dataset.path, image, stored)
        proven += stored
    proven.sort(key=lambda row: int(row.get("arrival", 0)))
    write_whole(table, (json_bytes(row) + b"\n" for row in proven))
    part.unlink()


def _set_shape(root: Path, image: Image, rows: list[dict[str, Any]]) -> None:
    """Write the planned shape to the array's document; an unbounded axis ends at these frames."""
    layout = image.layout
    shape = list(layout.shape)
    for axis in layout.spec.unbounded_axes:
        ends = (row["index"][axis] + layout.spec.frame_step[axis] for row in rows)
        shape[axis] = max(ends, default=0)
    say_shape(array_folder(root, layout), shape, layout.axis_names)
