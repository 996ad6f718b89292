"""Strips that are written together: each on its page, and each with an end of its own."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from conftest import HANG_S
from pymmcore_ome.backends.tiff.backend import StripWriter
from pymmcore_ome.backends.tiff.file import TiffFile
from pymmcore_ome.backends.tiff.format import PageKind, TiffForm

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


def test_strip_that_cannot_be_written_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    file = tiff(path, SHAPES["odd"])
    store, gate = file.store, threading.Event()

    def full(strips: Any) -> None:
        assert gate.wait(HANG_S)
        if any(page == 7 for page, _ in strips):
            raise OSError("no room")
        store(strips)

    file.store = full  # type: ignore[method-assign]
    writer = StripWriter()
    writes = [writer.write(file, page, frame(page, SHAPES["odd"])) for page in range(1, 12)]
    told: list[Any] = []
    for write in writes:
        write.add_done_callback(told.append)
    gate.set()
    for page, write in enumerate(writes, 1):
        if page == 7:
            with pytest.raises(OSError, match="no room"):
                write.result()
        else:
            write.result()
        assert write.done()
    writer.close()
    assert set(told) == set(writes)
    assert pages_of(path)[:12] == [n if n != 7 else 0 for n in range(12)]
    file.rest()
