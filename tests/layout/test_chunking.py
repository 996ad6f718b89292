"""`chunks="auto"`: chunks of frames that come one after the other, large enough and no larger."""

from __future__ import annotations

from itertools import pairwise, product
from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymmcore_ome import Channel, Dimension, FrameRouter, ImageSchema, StorageSchema
from pymmcore_ome.errors import OptionError
from pymmcore_ome.layout import (
    Layout,
    layout_of,
    schema_with_default_shards,
    with_chunks,
    with_default_shards,
)
from pymmcore_ome.layout.chunking import auto_chunk_shape


def schema(sizes: dict[str, Any], side: int = 256, **fields: Any) -> StorageSchema:
    """Return a loop nest of uint32 frames of side x side pixels."""
    dims = [
        size if isinstance(size, Dimension) else Dimension(name=name, size=size)
        for name, size in sizes.items()
    ]
    plane = [Dimension(name="y", size=side), Dimension(name="x", size=side)]
    return StorageSchema(dimensions=[*dims, *plane], **{"dtype": "uint32", **fields})


def auto(schema: StorageSchema, **shards: int) -> dict[str, int]:
    """Return the chunk size of every axis but y and x."""
    image = with_chunks(layout_of(schema), "auto", shards).images[0]
    assert image.spec.chunk_shape[-2:] == image.shape[-2:], "frames stay whole"
    return dict(zip(image.axis_names[:-2], image.spec.chunk_shape, strict=False))


@pytest.mark.parametrize(
    ("loops", "side", "expected"),
    [
        # frames of 256 KiB: 16 are enough
        ({"t": 100}, 256, {"t": 16}),
        ({"t": None}, 256, {"t": 16}),
        ({"t": 5}, 256, {"t": 5}),
        ({"t": 100, "z": 3}, 256, {"t": 6, "z": 3}),
        ({"t": 100, "z": 20}, 256, {"t": 1, "z": 16}),
        ({"t": 100, "c": 2, "z": 2}, 256, {"t": 4, "c": 2, "z": 2}),
        ({"t": 100, "z": 2, "c": 2}, 256, {"t": 4, "c": 2, "z": 2}),
        ({"t": 100, "p": 2, "c": 2}, 256, {"t": 1, "c": 2}),
        ({"t": 100, "p": 2}, 256, {"t": 1}),
        ({"p": 2, "t": 100}, 256, {"t": 16}),
        ({"t": 100, "p": 1, "c": 2}, 256, {"t": 8, "c": 2}),
        ({"t": 100, "c": 1, "cam": 2}, 256, {"t": 8, "c": 2}),
        # cameras fold into the channels, cameras fastest
        ({"t": 100, "c": 8, "cam": 3}, 256, {"t": 1, "c": 18}),
        ({"t": 100, "c": 8, "z": 2, "cam": 3}, 256, {"t": 1, "c": 9, "z": 2}),
        ({"t": 100, "cam": 2, "c": 3}, 256, {"t": 3, "c": 6}),
        ({"cam": 2, "t": 100, "c": 3}, 256, {"t": 1, "c": 1}),
        # frames of 2 MiB and more are chunks of their own
        ({"t": 100, "z": 9}, 725, {"t": 1, "z": 1}),
        ({"t": 100, "z": 9}, 724, {"t": 1, "z": 3}),
        # what the schema declares stays, and what is outside of it does not come in a row
        ({"t": 100, "z": Dimension(name="z", size=9, chunk_size=2)}, 256, {"t": 1, "z": 2}),
        ({"t": 100, "z": Dimension(name="z", size=2, chunk_size=2)}, 256, {"t": 8, "z": 2}),
        ({"t": Dimension(name="t", size=9, chunk_size=2), "z": 9}, 256, {"t": 2, "z": 8}),
    ],
)
def test_auto_gathers_along_the_fastest_loops(
    loops: dict[str, Any], side: int, expected: dict[str, int]
) -> None:
    assert auto(schema(loops, side)) == expected


def test_auto_keeps_the_samples_of_a_pixel_together() -> None:
    assert auto(schema({"t": 100}, 256, rgb=True)) == {"t": 6, "c": 3}
    assert auto(schema({"t": 100, "p": 2}, 256, rgb=True)) == {"t": 1, "c": 3}
    assert auto(schema({"t": 100, "c": 4}, 128, rgb=True)) == {"t": 6, "c": 12}


def test_auto_chunks_divide_the_shards() -> None:
    assert auto(schema({"t": 100}), t=30) == {"t": 30}
    assert auto(schema({"t": 100}), t=6) == {"t": 6}
    assert auto(schema({"t": 100, "z": 3}), t=8) == {"t": 8, "z": 3}
    assert auto(schema({"t": 100, "z": 3}), z=4) == {"t": 1, "z": 2}
    assert auto(schema({"t": 100}, rgb=True), c=1) == {"t": 16, "c": 1}


def test_auto_is_one_frame_where_the_order_is_no_loop_nest() -> None:
    jagged = schema({}).replace(
        images=(
            ImageSchema(at={"p": 0}, dimensions=(Dimension(name="t", size=50),)),
            ImageSchema(at={"p": 1}, dimensions=(Dimension(name="z", size=50),)),
        )
    )
    assert [i.spec.chunk_shape for i in with_chunks(layout_of(jagged), "auto", None).images] == [
        (1, 256, 256)
    ] * 2
    growing = layout_of(schema({"t": None, "c": None}, grows=True))
    assert with_chunks(growing, "auto", None) == growing


def test_chunks_of_another_word_are_refused() -> None:
    with pytest.raises(OptionError, match="'auto' or sizes"):
        with_chunks(layout_of(schema({"t": 2})), "large", None)  # type: ignore[arg-type]


@st.composite
def nests(draw: st.DrawFn) -> StorageSchema:
    names = draw(st.permutations(["t", "p", "c", "z", "cam"]))[: draw(st.integers(1, 4))]
    sizes: dict[str, Any] = {name: draw(st.integers(1, 5)) for name in names}
    if "c" in sizes and draw(st.booleans()):
        every, plane = st.integers(1, 3), st.sampled_from([None, 0])
        sparse = [
            Channel(name=f"{n}", every=draw(every), plane=draw(plane)) for n in range(sizes["c"])
        ]
        sizes["c"] = Dimension(name="c", coords=sparse)
    return schema(sizes, 2, rgb=draw(st.booleans()), dtype="uint8")


def comes_in_a_row(layout: Layout, chunk: tuple[int, ...]) -> bool:
    """Whether no chunk is left and come back to, of all images together."""
    cells = [
        (address.image, tuple(i // n for i, n in zip(address.index, chunk, strict=False)))
        for address in FrameRouter(layout)
    ]
    runs = [cells[0], *(b for a, b in pairwise(cells) if a != b)]
    return len(runs) == len(set(runs))


@settings(max_examples=150)
@given(nests(), st.integers(1, 400))
def test_frames_of_an_auto_chunk_come_in_a_row_and_it_is_as_large_as_it_may(
    nest: StorageSchema, least_bytes: int
) -> None:
    layout = layout_of(nest)
    image = layout.images[0]
    chunk = auto_chunk_shape(image.spec, nest.frame_dimensions, least_bytes)
    assert all(0 < n <= size for n, size in zip(chunk, image.shape, strict=True))
    assert chunk[-2:] == (2, 2)
    assert comes_in_a_row(layout, chunk)
    frames = prod(chunk) // prod(image.spec.block_shape)
    is_folded = {"c", "cam"} <= {d.name for d in nest.dimensions if d.size != 1}
    if frames > 1:
        assert prod(chunk) < least_bytes * (6 if is_folded else 2)
    if prod(chunk) >= least_bytes or is_folded:
        return
    if 2 * prod(image.spec.block_shape) >= least_bytes:
        assert frames == 1
        return
    plain = [Dimension(name=d.name, size=d.size) if d.name == "c" else d for d in nest.dimensions]
    layout = layout_of(nest.replace(dimensions=plain))
    sizes = zip(image.spec.block_shape[:-2], image.shape, strict=False)
    for shape in product(*(range(unit, size + 1, unit) for unit, size in sizes)):
        assert prod(shape) * 4 <= prod(chunk) or not comes_in_a_row(layout, shape)


def sharded(sizes: dict[str, Any], side: int = 256, **fields: Any) -> dict[str, int] | None:
    """Return the default shard size of every axis but y and x; None without shards."""
    spec = with_default_shards(layout_of(schema(sizes, side, **fields))).images[0].spec
    if spec.shard_shape is None:
        return None
    assert spec.shard_shape[-2:] == spec.shape[-2:]
    return dict(zip(spec.axis_names[:-2], spec.shard_shape, strict=False))


@pytest.mark.parametrize(
    ("loops", "side", "expected"),
    [
        ({"t": 100}, 256, {"t": 100}),
        ({"t": 1024}, 256, {"t": 1024}),
        ({"t": 20_000}, 256, {"t": 1000}),  # 20 shards that are alike, not 19 and a rest
        ({"t": None}, 256, {"t": 1024}),
        ({"t": None, "z": 10, "c": 3}, 256, {"t": 34, "c": 3, "z": 10}),
        ({"t": 100, "z": 3}, 256, {"t": 100, "z": 3}),
        ({"t": 10_000, "p": 5, "z": 3}, 256, {"t": 334, "z": 3}),
        ({"c": 4, "t": 3000}, 256, {"t": 1000, "c": 1}),  # one channel after the other
        ({"t": 2, "z": 5000}, 256, {"t": 1, "z": 1000}),
        ({"t": 1000}, 8192, {"t": 4}),  # 256 MiB a frame
        ({"p": 3456}, 256, None),  # one frame an image: nothing to put together
        ({"t": 3}, 32_768, None),  # 4 GiB a frame
    ],
)
def test_default_shards_are_boxes_of_what_comes_fastest(
    loops: dict[str, Any], side: int, expected: dict[str, int] | None
) -> None:
    assert sharded(loops, side) == expected


@given(
    sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=3),
    order=st.permutations("tcz"),
    side=st.sampled_from([1, 64, 2048, 20_000]),
    rgb=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_default_shards_are_bounded_and_never_larger_than_the_image(
    sizes: list[int], order: list[str], side: int, rgb: bool
) -> None:
    plan = schema(dict(zip(order, sizes, strict=False)), side, dtype="uint8", rgb=rgb)
    spec = with_default_shards(layout_of(plan)).images[0].spec
    shard = spec.write_shape
    assert all(size <= whole for size, whole in zip(shard, spec.shape, strict=True))
    assert all(size % step == 0 for size, step in zip(shard, spec.frame_step, strict=False))
    frames = prod(shard[:-2]) // spec.samples if spec.shard_shape else 1
    assert frames <= 1024
    assert frames * spec.nbytes <= max(1 << 30, spec.nbytes)


def test_default_shards_leave_what_was_chosen() -> None:
    plan = schema({"t": Dimension(name="t", size=100, shard_size=7)})
    assert sharded({"t": Dimension(name="t", size=100, shard_size=7)}) == {"t": 7}
    layout = with_chunks(layout_of(plan), None, False)
    assert layout.images[0].spec.shard_shape is None


def test_tiles_have_shards_of_whole_frames() -> None:
    layout = with_chunks(layout_of(schema({"t": 100}, 100)), {"y": 30, "x": 64}, None)
    assert with_default_shards(layout).images[0].spec.shard_shape == (100, 120, 128)


def test_images_that_are_not_known_yet_get_shards_that_are_long_in_time() -> None:
    plan = schema({"t": None, "c": None, "z": None}, grows=True)
    sizes = {d.name: d.shard_size for d in schema_with_default_shards(plan).dimensions}
    assert sizes == {"t": 64, "c": 4, "z": 4, "y": None, "x": None}
