"""`LevelPlan`: how many levels an image has, and the array of each."""

from __future__ import annotations

from typing import Any

import pytest

from pymmcore_ome import Dimension, StorageSchema
from pymmcore_ome.layout import ImageLayout, LevelPlan, layout_of, with_chunks, with_default_shards


def image(
    height: int, width: int, chunks: Any = None, shards: Any = False, **fields: Any
) -> ImageLayout:
    """Return an image of 10 time points whose pixels are 0.5 micrometers."""
    dims = [
        Dimension(name="t", size=10),
        Dimension(name="y", size=height, scale=0.5, unit="micrometer", origin=100.0),
        Dimension(name="x", size=width, scale=0.5, unit="micrometer"),
    ]
    layout = layout_of(StorageSchema(dimensions=dims, dtype="uint16", **fields))
    if shards is None:
        layout = with_default_shards(layout)
        shards = {}
    return with_chunks(layout, chunks, shards).images[0]


@pytest.mark.parametrize(
    ("height", "width", "count"),
    [
        (1, 1, 1), (256, 256, 1), (257, 1, 2), (512, 512, 2), (513, 512, 3), (2048, 2048, 4),
        (16384, 16384, 7), (32768, 3, 8), (1_000_000, 2, 8),
    ],
)  # fmt: skip
def test_auto_levels_end_at_256_pixels_and_at_8(height: int, width: int, count: int) -> None:
    assert LevelPlan("auto").count_of(image(height, width).spec) == count


@pytest.mark.parametrize("size", [*range(1, 66), 2047, 2048, 2049])
def test_level_sizes_are_halves_rounded_up(size: int) -> None:
    expected = size
    for level in range(1, 8):
        expected = expected // 2 + expected % 2
        spec = LevelPlan(8).level_spec(image(size, 3).spec, level)
        assert spec.shape == (10, expected, max(1, {1: 2}.get(level, 1)))


def test_pixels_of_a_mean_are_centered_on_the_pixels_they_are_made_of() -> None:
    source = image(64, 64)
    for level, center in ((1, 0.25), (2, 0.75), (3, 1.75)):
        y, x = LevelPlan(4).level(source, level).axes[-2:]
        # the mean of the centers of its pixels, 0, 0.5, 1, ... micrometers from the origin
        assert (x.scale, x.origin) == (0.5 * 2**level, center)
        assert (y.scale, y.origin) == (0.5 * 2**level, 100 + center)


def test_pixels_of_nearest_levels_are_where_the_first_of_their_pixels_is() -> None:
    x = LevelPlan(4, "nearest").level(image(64, 64), 3).axes[-1]
    assert (x.scale, x.origin) == (4.0, 0.0)


def test_an_unknown_pixel_size_counts_as_1() -> None:
    dims = [Dimension(name="y", size=64), Dimension(name="x", size=64)]
    source = layout_of(StorageSchema(dimensions=dims, dtype="uint8")).images[0]
    x = LevelPlan(4).level(source, 2).axes[-1]
    assert (x.scale, x.origin) == (4.0, 1.5)


@pytest.mark.parametrize(
    ("source", "level", "chunk", "shard"),
    [
        (image(2048, 2048, shards=None), 2, (1, 512, 512), (10, 512, 512)),
        (image(2048, 2048, {"y": 512, "x": 512}), 1, (1, 512, 512), (10, 1024, 1024)),
        (image(2048, 2048, {"y": 512, "x": 512}), 3, (1, 256, 256), (10, 256, 256)),
        (image(1000, 700, {"y": 256, "x": 256}), 1, (1, 256, 256), (10, 512, 512)),
        (
            image(1024, 1024, {"y": 128, "x": 128}, {"t": 5, "y": 256, "x": 256}),
            2, (1, 128, 128), (5, 256, 256),
        ),
        (
            image(1024, 1024, {"y": 128, "x": 128}, {"t": 5, "y": 256, "x": 256}),
            3, (1, 128, 128), (5, 128, 128),
        ),
        (image(512, 512, {"t": 5}), 1, (1, 256, 256), (10, 256, 256)),
        (image(512, 512, {"t": 5}, {"t": 10}), 1, (1, 256, 256), (10, 256, 256)),
    ],
)  # fmt: skip
def test_chunks_keep_their_size_and_shards_their_frames(
    source: ImageLayout, level: int, chunk: tuple[int, ...], shard: tuple[int, ...]
) -> None:
    spec = LevelPlan(4).level(source, level).spec
    assert (spec.chunk_shape, spec.shard_shape) == (chunk, shard)


def test_levels_have_no_shards_where_none_are_wanted() -> None:
    spec = LevelPlan(4, has_shards=False).level(image(512, 512, {"t": 5}), 1).spec
    assert (spec.chunk_shape, spec.shard_shape) == ((1, 256, 256), None)


@pytest.mark.parametrize(("size", "most"), [(1, 1), (2, 2), (3, 2), (64, 7), (127, 7), (128, 8)])
def test_levels_below_one_pixel_are_refused(size: int, most: int) -> None:
    spec = image(size, 1).spec
    for count in range(1, 9):
        problem = LevelPlan(count).problem(spec)
        assert (problem is None) == (count <= most)
        if problem is not None:
            assert f"can have {most}" in problem


def test_a_plan_survives_the_store_record() -> None:
    for plan in (LevelPlan("auto"), LevelPlan(3, "nearest", has_shards=False)):
        assert LevelPlan.of_record(plan.to_record(is_complete=False)) == plan
    for damaged in ({}, {"count": 0}, {"count": True, "downsample": "mean"}, {"count": "some"}):
        assert LevelPlan.of_record(damaged) is None
