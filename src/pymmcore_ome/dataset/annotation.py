"""`annotate`: add metadata to a store that is closed. No pixel and no frame is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pymmcore_ome.disk import StoreLock
from pymmcore_ome.errors import StorePathError
from pymmcore_ome.frames import PlaneMetadata
from pymmcore_ome.metadata import StoreState, documents_of

from .dataset import Dataset, open_dataset
from .put_document import put_document
from .recovery import damage_of, refuse_links, sound_rows


def annotate(path: str | os.PathLike[str], namespace: str, mapping: Mapping[str, Any]) -> Dataset:
    """Add metadata of your own to a closed store: the sample, the operator, notes.

    Parameters
    ----------
    path : path-like
    namespace : str
        Of your own, such as ``"sample"`` or a URL. What it had before is updated.
    mapping : mapping of str to anything that JSON can hold

    Returns
    -------
    Dataset
        The store as it is now; `Dataset.annotations` has the mapping.

    Raises
    ------
    OptionError
        On a namespace or a mapping that cannot be kept.
    StoreExistsError
        When a program is still writing to the store.
    StorePathError
        When the store was never closed (recover it first), or has a link inside.
    """
    location = open_dataset(path).location
    refuse_links(location)
    lock = StoreLock(location)
    lock.acquire()
    try:
        dataset = open_dataset(path)
        if dataset.status == "incomplete":
            raise StorePathError(
                f"{dataset.path} was never closed. Run `pymmcore-ome recover`, then annotate it."
            )
        record = dataset.record.annotated(namespace, mapping)
        with damage_of(dataset):
            layout = dataset.layout
            shapes = [image.shape for image in dataset.images]
            planes = PlaneMetadata(sound_rows(location, layout, shapes))
            pages = dataset.stored.pages(layout.images)
            for document in documents_of(location).closed(
                StoreState(layout, record, shapes, planes, pages)
            ):
                put_document(location, document)
    finally:
        lock.release()
    return open_dataset(path)
