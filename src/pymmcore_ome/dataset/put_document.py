"""`put_document`: write a document of a closed store, of either format."""

from __future__ import annotations

from pymmcore_ome.backends import describe_existing
from pymmcore_ome.disk import StoreLocation, write_whole
from pymmcore_ome.metadata import Document


def put_document(location: StoreLocation, document: Document) -> None:
    """Write a document of a store that no program has open."""
    key, content = document
    if location.format == "ome-zarr":
        target = location.path / key
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)
    elif not location.is_folder:
        describe_existing(location.path, content)
    elif key.endswith(".tiff"):
        describe_existing(location.path / key, content)
    else:
        write_whole(location.path / key, content)
