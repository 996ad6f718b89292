"""Documents of a store that grows while it is written cost little beside its pixels."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from conftest import HANG_S
from pymmcore_ome import Dimension, StorageSchema
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend
from pymmcore_ome.stream import writer as listing
from pymmcore_ome.stream.store import Store
from pymmcore_ome.testing import encoded_frame

SHAPE = (32, 32)
POSITIONS, CHANNELS = 100, 3
FRAME_BYTES = 2 * SHAPE[0] * SHAPE[1]
PAGE_BYTES = 400  # at most, of a page's tags


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of the documents, each time that they are written before the end."""
    sizes: list[int] = []
    write = Store.write_documents

    def noted(self: Store, image_count: int) -> int:
        sizes.append(write(self, image_count))
        return sizes[-1]

    monkeypatch.setattr(Store, "write_documents", noted)
    monkeypatch.setattr(listing, "_PAUSE", 0)  # on a fast machine they may be written any time
    return sizes


@pytest.mark.parametrize("times", [2, 8])
def test_event_driven_tiff_grows_by_a_tenth_of_its_pixels_and_a_megabyte_for_documents(
    tmp_path: Path, documents: list[int], times: int
) -> None:
    path = tmp_path / "a.ome.tiff"
    dims = [Dimension(name=name) for name in "tcz"]
    dims += [Dimension(name="y", size=SHAPE[0]), Dimension(name="x", size=SHAPE[1])]
    schema = StorageSchema(dimensions=dims, dtype="uint16", grows=True)
    frame = encoded_frame(1, SHAPE)
    with po.open_stream(path, schema, checkpoint_s=3600) as stream:
        for t in range(times):
            for p in range(POSITIONS):
                for c in range(CHANNELS):
                    stream.append(frame, at={"t": t, "p": p, "c": c})
    pixels = times * POSITIONS * CHANNELS * FRAME_BYTES
    # the first and the last time are not counted against it, and a document is known by its size
    assert sum(documents) <= pixels / 10 + 2**20 + 3 * max(documents)
    pages = 4 * times * POSITIONS * CHANNELS  # at most: each of two axes may be twice as long
    # the documents of the end are two: what grew, and how it ended
    ending = 3 * max(documents) + 300 * times * POSITIONS * CHANNELS
    assert path.stat().st_size <= pixels + sum(documents) + pages * PAGE_BYTES + ending
    assert po.validate(path) == []


class _Behind(TensorstoreBackend):
    """A backend whose producer is always one image ahead when an image is made."""

    ahead: threading.Semaphore
    opened: list[list[str]]
    path: Path

    def put(self, key: str, content: Iterable[bytes]) -> None:
        super().put(key, content)
        if key == "OME/zarr.json":
            self.opened.append([image.path for image in po.open_dataset(self.path).images])

    def add(self, image: Any) -> None:
        assert self.ahead.acquire(timeout=HANG_S)
        super().add(image)


def test_store_that_grows_can_be_opened_while_its_producer_is_ahead(
    tmp_path: Path, documents: list[int]
) -> None:
    """The documents tell of no image that has not been made."""
    path = tmp_path / "a.ome.zarr"
    ahead, opened = threading.Semaphore(0), list[list[str]]()
    backend = type("Behind", (_Behind,), {"ahead": ahead, "opened": opened, "path": path})
    dims = [Dimension(name="t"), Dimension(name="y", size=4), Dimension(name="x", size=4)]
    schema = StorageSchema(dimensions=dims, dtype="uint8", grows=True)
    with po.open_stream(path, schema, backend=backend) as stream:
        for p in range(4):
            stream.append(np.ones((4, 4), "uint8"), at={"p": p})
            if p:
                ahead.release()
        ahead.release()
    assert all(paths == ["0", "1", "2", "3"][: len(paths)] for paths in opened)
    assert opened[-1] == ["0", "1", "2", "3"]
    assert documents
