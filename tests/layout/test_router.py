"""The router: index and arrival lead to the same place, and nothing lands outside the plan."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import useq
from hypothesis import given
from hypothesis import strategies as st

from pymmcore_ome import Dimension, FrameRouter, StorageSchema
from pymmcore_ome.errors import OutsidePlanError, PlanFullError
from pymmcore_ome.layout import TakenPlanes, layout_of

YX = [Dimension(name="y", size=2), Dimension(name="x", size=3)]


@st.composite
def schemas(draw: st.DrawFn) -> StorageSchema:
    """Any loop nest over the known dimensions, in any order of acquisition and storage."""
    names = draw(st.permutations(["t", "p", "g", "c", "z", "cam"]))
    names = names[: draw(st.integers(0, 6))]
    dims = [Dimension(name=name, size=draw(st.integers(1, 4))) for name in names]
    stored = [name for name in names if name in "tcz"]
    if "cam" in names and "c" not in names:
        order = draw(st.sampled_from(["ome", "acquisition"]))
    else:
        order = draw(st.sampled_from(["ome", "acquisition", draw(st.permutations(stored))]))
    return StorageSchema(dimensions=[*dims, *YX], dtype="uint8", storage_order=order)


@given(schemas())
def test_router_by_arrival_and_by_index_agree_and_fill_every_place_once(
    schema: StorageSchema,
) -> None:
    router = FrameRouter(schema)
    dims = schema.frame_dimensions
    indices = [
        dict(zip([d.name for d in dims], values, strict=True))
        for values in product(*(range(d.size or 0) for d in dims))
    ]
    by_arrival = list(router)
    assert by_arrival == [router.by_index(index) for index in indices]
    assert len(set(by_arrival)) == len(indices) == len(router)
    places = {
        (image.path, index)
        for image in router.layout.images
        for index in product(*(range(n) for n in image.shape[:-2]))
    }
    assert {(a.image, a.index) for a in by_arrival} == places


@given(schemas())
def test_images_are_numbered_in_order_of_first_visit(schema: StorageSchema) -> None:
    seen = list(dict.fromkeys(address.image_number for address in FrameRouter(schema)))
    assert seen == list(range(len(seen)))


@given(schemas())
def test_storage_index_is_the_acquisition_index_reordered(schema: StorageSchema) -> None:
    router = FrameRouter(schema)
    cameras = next((d.size or 1 for d in schema.frame_dimensions if d.name == "cam"), 1)
    for number, address in enumerate(router):
        at = router.index_of(number)
        image = router.layout.images[address.image_number]
        for axis, value in zip(image.axis_names[:-2], address.index, strict=True):
            if axis == "c":
                assert value == at.get("c", 0) * cameras + at.get("cam", 0)
            else:
                assert value == at[axis]


def test_ome_storage_order_is_t_c_z_whatever_the_acquisition_order() -> None:
    dims = [Dimension(name=name, size=2) for name in ("z", "t", "c")]
    schema = StorageSchema(dimensions=[*dims, *YX], dtype="uint8")
    router = FrameRouter(schema)
    assert router.layout.images[0].axis_names == ("t", "c", "z", "y", "x")
    assert router.by_number(1).index == (0, 1, 0)


@pytest.mark.parametrize(
    "at",
    [{"t": 3}, {"t": -1}, {"q": 1}, {"t": 1.5}, {"t": "1"}, {"c": 0, "z": 7}],
)
def test_index_outside_the_plan_is_refused_never_wrapped(at: dict[str, int]) -> None:
    schema = StorageSchema(dimensions=[Dimension(name="t", size=3), *YX], dtype="uint8")
    with pytest.raises(OutsidePlanError, match="The plan is"):
        FrameRouter(schema).by_index(at)


def test_missing_and_unknown_axes_at_zero_are_accepted(small_schema: StorageSchema) -> None:
    router = FrameRouter(small_schema)
    assert router.by_index({"t": 1}) == router.by_index({"t": 1, "p": 0, "c": 0, "z": 0})


def test_useq_index_keys_are_understood(small_schema: StorageSchema) -> None:
    event = useq.MDAEvent(index={"t": 2, "p": 1, "c": 1})
    assert FrameRouter(small_schema).by_index(event.index)[:2] == ("1", (2, 1))


def test_one_frame_too_many_is_refused(small_schema: StorageSchema) -> None:
    router = FrameRouter(small_schema)
    assert len(router) == 12
    with pytest.raises(PlanFullError, match="the plan has 12 frames"):
        router.by_number(12)


def test_unbounded_plan_goes_on() -> None:
    dims = [Dimension(name="t"), Dimension(name="c", size=2), *YX]
    router = FrameRouter(StorageSchema(dimensions=dims, dtype="uint8"))
    assert router.by_number(2_000_001).index == (1_000_000, 1)
    with pytest.raises(TypeError):
        len(router)


@given(schemas(), st.data())
def test_taken_planes_name_the_frame_that_has_each(
    schema: StorageSchema, data: st.DataObject
) -> None:
    layout = layout_of(schema)
    taken = [TakenPlanes(image.spec) for image in layout.images]
    order = data.draw(st.permutations(list(FrameRouter(layout))))
    planes = [
        (taken[address.image_number], taken[address.image_number].spec.plane_index(address.index))
        for address in order
    ]
    for number, (image, plane) in enumerate(planes):
        assert image.frame_number(plane) is None
        image.take(plane, number)
        assert image.last == plane
    assert [image.frame_number(plane) for image, plane in planes] == list(range(len(order)))


def test_taken_planes_grow_with_an_unbounded_axis_that_is_not_stored_first() -> None:
    dims = [Dimension(name="z"), Dimension(name="t", size=3), *YX]
    layout = layout_of(StorageSchema(dimensions=dims, dtype="uint8"))
    router, taken = FrameRouter(layout), TakenPlanes(layout.images[0].spec)
    for number in range(200):
        taken.take(router.by_number(number).index, number)
    assert [taken.frame_number(router.by_number(n).index) for n in range(200)] == list(range(200))
    assert taken.frame_number(router.by_number(5000).index) is None


@given(
    st.lists(st.tuples(*[st.integers(0, 9) | st.just(10**11), st.integers(0, 2)]), max_size=20),
    st.lists(st.tuples(*[st.integers(0, 9), st.integers(0, 2)]), max_size=5),
    st.tuples(*[st.sets(st.integers(0, 12) | st.just(10**11)), st.sets(st.integers(0, 2))]),
)
def test_taken_planes_are_a_set(
    added: list[tuple[int, ...]], removed: list[tuple[int, ...]], wanted: tuple[set[int], ...]
) -> None:
    dims = [Dimension(name="t"), Dimension(name="z", size=3), *YX]
    spec = layout_of(StorageSchema(dimensions=dims, dtype="uint8")).images[0].spec
    planes, expected = TakenPlanes(spec, np.uint8), set(added) - set(removed)
    for plane in added:
        planes.take(plane)
    for plane in removed:
        planes.release(plane)
    assert set(planes) == expected
    picks = [np.array(sorted(pick), np.intp) for pick in wanted]
    mask = planes.mask(picks)
    for offset in np.ndindex(mask.shape):
        plane = tuple(int(pick[n]) for pick, n in zip(picks, offset, strict=True))
        assert mask[offset] == (plane in expected) == (plane in planes)
