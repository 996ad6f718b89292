"""`recover`: finish the documents of a store whose process died. It changes no pixel.

What the frame table lists is on disk already; what is missing is what is written at the end:
final sizes, the channels and positions that came with frames, the OME-XML of the planes, and how
it ended.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime

from pymmcore_ome.backends import describe_existing
from pymmcore_ome.disk import Place, StoreLock, write_whole
from pymmcore_ome.frames import PlaneTable, cut_half_a_line, read_table
from pymmcore_ome.layout import layout_of
from pymmcore_ome.metadata import Document, StoreState, documents_of

from .dataset import Dataset, open_dataset
from .grown_images import grown_plans
from .provisional import confirm_proven


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
        stored.written_shape(image) if layout.schema.grows or image.unbounded_axes else image.shape
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
    planes = PlaneTable(read_table(place.table))
    state = StoreState(layout, record, shapes, planes, pages)
    documents = documents_of(place)
    if layout.schema.grows:
        for document in documents.grown(state, layout.images):
            _put(place, document)
    for document in documents.closed(state):
        _put(place, document)


def _put(place: Place, document: Document) -> None:
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
