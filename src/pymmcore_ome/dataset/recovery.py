"""`recover`: finish the documents of a store whose process died. It changes no pixel.

What the frame table lists is on disk already; what is missing is what is written at the end:
final sizes, the channels and positions that came with frames, the OME-XML of the planes, and how
it ended.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pymmcore_ome.backends import describe_existing
from pymmcore_ome.disk import StoreLocation, StoreLock, write_whole
from pymmcore_ome.frames import PlaneMetadata, cut_half_a_line, read_table
from pymmcore_ome.layout import Layout, grown_plan, layout_of, new_position
from pymmcore_ome.metadata import Document, StoreState, documents_of
from pymmcore_ome.schema import ImageSchema, Position

from .dataset import Dataset, open_dataset
from .unconfirmed import confirm_proven


def recover(path: str | os.PathLike[str]) -> Dataset:
    """Finish the documents of a store that was not closed; its status becomes ``"recovered"``.

    A store that was closed is left as it is, so that running it twice is safe.

    Returns
    -------
    Dataset
        The store as it is now.

    Raises
    ------
    NotAStoreError
        When there is no store of this package.
    StoreExistsError
        When a program is still writing to it.
    OSError
        When the documents cannot be written; those that were there are still there.
    """
    lock = StoreLock(open_dataset(path).place)
    lock.acquire()
    try:
        dataset = open_dataset(path)  # as it is now that nobody else writes
        if dataset.status == "incomplete":
            _finish(dataset)
    finally:
        lock.release()
    return open_dataset(path)


def _finish(dataset: Dataset) -> None:
    place, stored, layout = dataset.place, dataset.stored, dataset.layout
    cut_half_a_line(place.table)
    confirm_proven(dataset)
    pages = stored.pages(layout.images)
    shapes = [
        stored.written_shape(image)
        if layout.schema.grows or image.spec.unbounded_axes
        else image.shape
        for image in layout.images
    ]
    if layout.schema.grows:
        plans = grown_plans(layout, shapes, read_table(place.table))
        layout = layout_of(layout.schema.replace(images=plans or None), layout.named)
    record = replace(
        dataset.record,
        schema=layout.schema.model_dump(mode="json", exclude_defaults=True),
        status="recovered",
        reason="the program that wrote it ended without closing it",
        ended=datetime.now().astimezone().isoformat(timespec="milliseconds"),
        frames={**dataset.record.frames, "written": len(dataset.frames())},
    )
    planes = PlaneMetadata(read_table(place.table))
    state = StoreState(layout, record, shapes, planes, pages)
    documents = documents_of(place)
    if layout.schema.grows:
        for document in documents.grown(state, layout.images):
            _put(place, document)
    for document in documents.closed(state):
        _put(place, document)


def _put(place: StoreLocation, document: Document) -> None:
    key, content = document
    if place.format == "ome-zarr":
        target = place.path / key
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)
    elif not place.is_folder:
        describe_existing(place.path, content)
    elif key.endswith(".tiff"):
        describe_existing(place.path / key, content)
    else:
        write_whole(place.path / key, content)


@dataclass
class _Seen:
    """What the frames of one image say; where they differ, the one that came first."""

    arrival: float = math.inf
    first: Mapping[str, Any] = field(default_factory=dict)
    channels: dict[int, tuple[float, str]] = field(default_factory=dict)

    def take(self, row: Mapping[str, Any], channel: int | None) -> None:
        """Note a frame of the image, and the number of its channel."""
        arrival, name = float(row.get("arrival", 0)), row.get("channel")
        if arrival < self.arrival:
            self.arrival, self.first = arrival, row
        if channel is not None and name and arrival < self.channels.get(channel, (math.inf,))[0]:
            self.channels[channel] = arrival, str(name)

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
    """Return the images as the stream would have described them at its end.

    Parameters
    ----------
    layout : Layout
        Of the store as it lies there.
    shapes : sequence of tuple of int
        What was written of each image.
    rows : iterable of mapping
        The frame table, in any order. An image without a frame in it keeps its name alone.
    """
    seen = {image.path: _Seen() for image in layout.images}
    strides = {
        image.path: {stride.name: stride for stride in image.spec.axis_strides}
        for image in layout.images
    }
    for row in rows:
        if row["image"] in seen:
            stride = strides[row["image"]].get("c")
            channel = None if stride is None else row["index"][stride.axis] // stride.step
            seen[row["image"]].take(row, channel)
    selectors = [
        {
            k: v
            for k, v in seen[image.path].first["event_index"].items()
            if v and k not in strides[image.path]
        }
        if seen[image.path].first
        else {"image": image.number}
        for image in layout.images
    ]
    if len({tuple(sorted(at.items())) for at in selectors}) < len(selectors):
        selectors = [{"image": image.number} for image in layout.images]  # they tell nothing apart
    return tuple(
        grown_plan(
            layout.schema,
            at=at,
            position=seen[image.path].position(image.position.name or image.name),
            sizes=dict(zip(image.axis_names, shape, strict=True)),
            channels={n: name for n, (_, name) in seen[image.path].channels.items()},
            camera=image.spec.camera,
        )
        for image, shape, at in zip(layout.images, shapes, selectors, strict=True)
    )
