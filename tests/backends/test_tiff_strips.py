"""Strips that are written together: each on its page, and an error says how many are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import pymmcore_ome as po
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.backends import BackendOptions, FrameWrite, PartialWriteError
from pymmcore_ome.backends.tiff.backend import TiffBackend
from pymmcore_ome.backends.tiff.file import TiffFile
from pymmcore_ome.backends.tiff.format import PageKind, TiffForm
from pymmcore_ome.disk import StoreLocation
from pymmcore_ome.layout import layout_of

PAGES = 40
SHAPES = {"odd": (5, 7), "whole pages of memory": (64, 64)}


def tiff(path: Path, shape: tuple[int, int], big: bool = True) -> TiffFile:
    path.touch()
    file = TiffFile(path, TiffForm(big))
    file.add_pages(PageKind(*shape, 1, "uint16", 1, 1, None), PAGES // 2, None)
    file.add_pages(PageKind(*shape, 1, "uint16", 1, 1, None), PAGES - PAGES // 2, None)
    return file


def frame(page: int, shape: tuple[int, int]) -> np.ndarray:
    return np.full(shape, 1000 + page, "<u2")


def pages_of(path: Path) -> list[int]:
    """Return the number of the frame on each page, 0 where none is."""
    with tifffile.TiffFile(path) as file:
        found = [page.asarray() for page in file.pages]
    assert all((array == array.flat[0]).all() for array in found)
    return [max(0, int(array.flat[0]) - 1000) for array in found]


@pytest.mark.parametrize("big", [True, False])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    "batches",
    [
        [list(range(1, PAGES))],
        [[3, 4, 5, 6, 7, 8], [1, 2], [30, 29, 28], [18, 19, 20, 21, 22, 23, 24]],
        [[39], [9, 10, 11, 12, 20, 13, 14]],
    ],
)
def test_strips_that_are_stored_together_are_each_on_its_page(
    tmp_path: Path, batches: list[list[int]], shape: tuple[int, int], big: bool
) -> None:
    path = tmp_path / "a.tiff"
    file = tiff(path, shape, big)
    stored: set[int] = set()
    for batch in batches:
        file.store([(page, frame(page, shape)) for page in batch])
        stored |= set(batch)
        assert pages_of(path) == [n if n in stored else 0 for n in range(PAGES)]
    file.rest()


def test_write_that_takes_a_part_at_a_time_is_whole_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    if not hasattr(os, "pwritev"):
        pytest.skip("this system has no pwritev: strips are written one by one")
    pwritev = os.pwritev
    monkeypatch.setattr(
        os, "pwritev", lambda fd, pieces, at: pwritev(fd, [memoryview(pieces[0])[:33]], at)
    )
    file = tiff(tmp_path / "a.tiff", SHAPES["odd"])
    file.store([(page, frame(page, SHAPES["odd"])) for page in range(1, PAGES)])
    file.rest()
    assert pages_of(tmp_path / "a.tiff") == list(range(PAGES))


def schema(positions: int) -> StorageSchema:
    dims = [
        Dimension(name="t", size=PAGES // positions), Dimension(name="p", size=positions),
        Dimension(name="y", size=SHAPES["odd"][0]), Dimension(name="x", size=SHAPES["odd"][1]),
    ]  # fmt: skip
    return StorageSchema(dimensions=dims, dtype="uint16")


class FullDisk(TiffBackend):
    """Has no room for the frames of some (image, time)."""

    full: tuple[tuple[int, int], ...] = ()

    def write_frames(self, frames: Any) -> None:
        frame_of: dict[Any, dict[int, tuple[int, int]]] = {}
        for image, index, _ in frames:
            pages = frame_of.setdefault(self._file(image), {})
            pages[self.pages.page(image, index)] = image, index[0]
        with pytest.MonkeyPatch.context() as patched:
            for file, pages in frame_of.items():
                patched.setattr(file, "store", self._limited(file.store, pages))
            super().write_frames(frames)

    def _limited(self, store: Any, pages: dict[int, tuple[int, int]]) -> Any:
        def limited(strips: list[tuple[int, Any]]) -> None:
            if any(pages[page] in self.full for page, _ in strips):
                raise OSError(28, "No space left on device")
            store(strips)

        return limited


@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("files", ["one", "per-position"])
@pytest.mark.parametrize(
    ("full", "written"), [([(0, 0)], 0), ([(1, 3)], 7), ([(0, 9), (1, 4)], 9), ([(1, 19)], 39)]
)
def test_frames_before_the_one_that_cannot_be_written_are_on_disk_and_listed(
    tmp_path: Path, full: list[tuple[int, int]], written: int, files: Any, compression: Any
) -> None:
    path = tmp_path / "a.ome.tiff"
    backend = type("Full", (FullDisk,), {"full": tuple(full)})
    stream = po.open_stream(path, schema(2), backend=backend, files=files, compression=compression)
    frames = [frame(number, SHAPES["odd"]) for number in range(PAGES)]
    with pytest.raises(errors.WriteError, match="No space left"):
        for array in frames:
            stream.append(array)
        stream.close()
    with pytest.raises(errors.WriteError, match="No space left"):
        stream.close()
    dataset = po.open_dataset(path)
    assert dataset.status == "failed"
    listed = [(row["image"], row["index"][0]) for row in dataset.frames()]
    images = {image.path: (number, image) for number, image in enumerate(dataset.images)}
    numbers = {2 * t + images[name][0] for name, t in listed}
    assert numbers >= set(range(written))
    # others of the batch are there where their image has a file of its own
    assert files == "per-position" or numbers == set(range(written))
    assert numbers.isdisjoint({2 * t + image for image, t in full})
    for name, t in listed:
        number, image = images[name]
        np.testing.assert_array_equal(image[t], frames[2 * t + number])


def test_batch_names_the_frames_of_it_that_are_not_on_disk(tmp_path: Path) -> None:
    layout = layout_of(schema(2), named=True)
    backend = type("Full", (FullDisk,), {"full": ((1, 3),)})()
    backend.create(
        StoreLocation.of_new(tmp_path / "a.ome.tiff", "ome-tiff", "one"), layout, BackendOptions()
    )
    batch = [
        FrameWrite(number % 2, (number // 2,), frame(number, SHAPES["odd"])) for number in range(20)
    ]
    with pytest.raises(PartialWriteError) as raised:
        backend.write_frames(batch)
    backend.close()
    assert raised.value.missing == set(range(7, 20))
    assert isinstance(raised.value.__cause__, OSError)
    on_disk = set(pages_of(tmp_path / "a.ome.tiff"))
    assert on_disk == set(range(7))
