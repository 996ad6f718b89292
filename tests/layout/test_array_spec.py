"""`ArraySpec`: frames, blocks, indices and planes, with and without samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymmcore_ome import Camera, Dimension, StorageSchema
from pymmcore_ome.layout import ArraySpec, layout_of
from pymmcore_ome.schema import ImageSchema

FRAME = (Dimension(name="y", size=3), Dimension(name="x", size=2))


@st.composite
def specs(draw: st.DrawFn) -> ArraySpec:
    names = draw(st.permutations(["t", "c", "z"]))[: draw(st.integers(0, 3))]
    loops = [Dimension(name=name, size=draw(st.integers(1, 4))) for name in names]
    order = draw(st.sampled_from(["ome", "acquisition"]))
    schema = StorageSchema(
        dimensions=[*loops, *FRAME], dtype="uint16", rgb=draw(st.booleans()), storage_order=order
    )
    return layout_of(schema).images[0].spec


@given(specs())
def test_frame_survives_its_block_and_its_place_in_the_array(spec: ArraySpec) -> None:
    frame = np.arange(np.prod(spec.frame_shape), dtype=spec.dtype).reshape(spec.frame_shape)
    assert frame.nbytes == spec.nbytes
    block = spec.frame_to_block(frame)
    assert block.shape == spec.block_shape
    assert np.shares_memory(block, frame)
    np.testing.assert_array_equal(spec.block_to_frame(block), frame)
    array = np.zeros(spec.shape, spec.dtype)
    for plane in np.ndindex(*spec.plane_shape()):
        part = array[spec.block_key(spec.plane_start(plane))]
        np.copyto(spec.block_to_frame(part), frame + 1)
    assert np.count_nonzero(array) == array.size, "every element belongs to a frame"


@given(specs())
def test_every_index_belongs_to_one_plane(spec: ArraySpec) -> None:
    planes = list(np.ndindex(*spec.plane_shape()))
    starts = [spec.plane_start(plane) for plane in planes]
    assert [spec.plane_index(start) for start in starts] == planes
    many = np.array(starts, np.int64).reshape(len(starts), spec.rank)
    assert [tuple(row) for row in spec.plane_indices(many).tolist()] == planes
    assert spec.array_shape(spec.plane_shape()) == spec.shape
    assert len(planes) * spec.samples == spec.slice_count


def test_images_that_are_alike_share_their_array() -> None:
    camera = Camera("A", 3, 2, "uint16")
    t, z = Dimension(name="t", size=2), Dimension(name="z", size=2)
    plans = [
        ImageSchema(at={"p": 0}, dimensions=(t,)),
        ImageSchema(at={"p": 1}, dimensions=(z,)),
        ImageSchema(at={"p": 2}, dimensions=(t,)),
        ImageSchema(at={"p": 3}, dimensions=(t,), repeats=2),
        ImageSchema(at={"p": 4, "cam": 0}, dimensions=(t,), camera=camera),
        ImageSchema(at={"p": 4, "cam": 1}, dimensions=(t,), camera=camera),
    ]
    layout = layout_of(StorageSchema(dimensions=FRAME, dtype="uint16", images=plans))
    specs = [image.spec for image in layout.images]
    assert specs[0] is specs[2]
    assert len(set(specs)) == len(layout.specs) == 5
    assert [spec.camera for spec in specs] == [None, None, None, None, 0, 1]
    assert [spec.repeats for spec in specs] == [1, 1, 1, 2, 1, 1]


def test_changed_layout_still_shares_its_arrays() -> None:
    dims = [Dimension(name="p", size=3), Dimension(name="t", size=2), *FRAME]
    layout = layout_of(StorageSchema(dimensions=dims, dtype="uint16"))
    assert layout.with_specs(lambda spec: spec) is layout
    other = layout_of(StorageSchema(dimensions=dims, dtype="uint8")).images[0].spec
    changed = layout.with_specs(lambda spec: other)
    assert changed.specs == [other]
    assert [image.path for image in changed.images] == [image.path for image in layout.images]


def test_spec_is_equal_to_itself_alone() -> None:
    one, other = (
        layout_of(StorageSchema(dimensions=FRAME, dtype="uint8")).images[0].spec for _ in range(2)
    )
    assert one != other
    with pytest.raises(AttributeError):
        one.dtype = "uint16"  # type: ignore[misc]
