"""A file that is still being written opens, with the frames so far and blanks for the rest."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from helpers import wait_until

from .compare import check_pixels, read
from .corpus import DATA_SETS, WAYS, Way
from .registry import BY_NAME, READERS, Reader


def cases(name: str) -> list[Any]:
    """Return every reader with every way that can write a data set."""
    return [
        pytest.param(reader, way, id=f"{reader.name}-{way.name}")
        for reader in READERS
        if reader.name != "zarrita"  # it looks for the index of a shard at its end only
        for way in WAYS
        # a sequential backend brings frames down when an image is full, or before if it likes
        if way.format == reader.format and way.holds(DATA_SETS[name]) and not way.in_order
    ]


pytestmark = [
    pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument:DeprecationWarning")
]


@pytest.mark.parametrize(("reader", "way"), cases("holes"))
def test_holes_and_no_order_open_before_the_end(
    reader: Reader, way: Way, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    reader.load()
    data, path = DATA_SETS["holes"], tmp_path / f"a{way.suffix}"
    with po.open_stream(path, data.schema, checkpoint_s=0.02, **way.options) as stream:
        for first, last in ((0, 0), (0, 5), (5, 11)):
            data.append(stream, first, last)
            wait_until(lambda last=last: stream.progress.frames_written >= last)
            found = read(reader, path, request)
            assert len(found) == len(data.pictures)
            for image, picture in zip(found.values(), data.pictures, strict=True):
                check_pixels(image, data, picture, last)
    assert po.open_dataset(path).status == "complete"


@pytest.mark.parametrize(("reader", "way"), cases("growing"))
def test_growing_images_open_before_the_end(
    reader: Reader, way: Way, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A reader may see more time points than came, all of them blank."""
    reader.load()
    data, path = DATA_SETS["growing"], tmp_path / f"a{way.suffix}"
    with po.open_stream(path, data.schema, checkpoint_s=0.02, **way.options) as stream:
        for first, last in ((0, 0), (0, 1), (1, 10), (10, 74)):
            data.append(stream, first, last)
            wait_until(lambda last=last: stream.progress.frames_written >= last)
            found = read(reader, path, request)
            assert len(found) == len(data.pictures)
            for image, picture in zip(found.values(), data.pictures, strict=True):
                wanted = data.pixels(picture, last)
                there = -(-last // 4)
                seen = image.pixels[:there]
                np.testing.assert_array_equal(seen, wanted[: len(seen)])
                assert not wanted[len(seen) :].any(), "time points are missing"
                assert not image.pixels[there:].any(), "time points that nobody took"
    assert po.open_dataset(path).status == "complete"


ZARR_WAYS = [way for way in WAYS if way.format == "ome-zarr" and not way.in_order]


@pytest.mark.parametrize("way", ZARR_WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("name", ["holes", "growing"])
def test_recovered_store_opens_in_zarrita(
    name: str, way: Way, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    reader, data = BY_NAME["zarrita"], DATA_SETS[name]
    if not way.holds(data):
        pytest.skip("this way to write cannot hold the data set; see Way.holds")
    reader.load()
    path, left = tmp_path / "a.ome.zarr", tmp_path / "left.ome.zarr"
    frames = 10
    with po.open_stream(path, data.schema, checkpoint_s=0.02, **way.options) as stream:
        data.append(stream, 0, frames)
        wait_until(lambda: len(po.open_dataset(path).frames()) == frames)
        shutil.copytree(path, left)  # what a killed process leaves
    (left / "frames.jsonl.lock").unlink(missing_ok=True)
    assert po.recover(left).status == "recovered"
    found = read(reader, left, request)
    assert len(found) == len(data.pictures)
    for image, picture in zip(found.values(), data.pictures, strict=True):
        wanted = data.pixels(picture, frames)
        np.testing.assert_array_equal(image.pixels, wanted[: len(image.pixels)])
        assert not wanted[len(image.pixels) :].any()
