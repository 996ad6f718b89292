"""Images: their paths, names, positions, axes and chunks."""

from __future__ import annotations

import pytest

from pymmcore_ome import Dimension, Plate, Position, StorageSchema
from pymmcore_ome.errors import OptionError
from pymmcore_ome.layout import Layout, layout_of, with_chunks

YX = [Dimension(name="y", size=64), Dimension(name="x", size=48)]


def layout(*dims: Dimension, **fields: object) -> Layout:
    return layout_of(StorageSchema(dimensions=[*dims, *YX], dtype="uint8", **fields))


def test_one_position_is_the_root_and_several_are_numbered() -> None:
    assert [i.path for i in layout(Dimension(name="t", size=2)).images] == [""]
    assert [i.path for i in layout(Dimension(name="p", size=1)).images] == [""]
    assert [i.path for i in layout(Dimension(name="p", size=3)).images] == ["0", "1", "2"]


def test_plate_images_are_numbered_in_their_wells_in_order_of_visit() -> None:
    wells = [("B", "2"), ("A", "1"), ("B", "2"), ("A", "1")]
    found = layout(
        Dimension(name="p", coords=[Position(plate_row=r, plate_column=c) for r, c in wells]),
        plate=Plate("p", rows=["A", "B"], columns=["1", "2"]),
    )
    assert [i.path for i in found.images] == ["B/2/0", "A/1/0", "B/2/1", "A/1/1"]


def test_plate_with_one_field_is_still_a_plate() -> None:
    found = layout(
        Dimension(name="p", coords=[Position(plate_row="A", plate_column="1")]),
        plate=Plate("p", rows=["A"], columns=["1"]),
    )
    assert found.images[0].path == "A/1/0"


def test_names_are_unique_also_where_case_does_not_count() -> None:
    names = ["a", "A", "a", "a_1", None, "Pos4"]
    found = layout(Dimension(name="p", coords=[Position(name=n) for n in names]))
    made = [image.name for image in found.images]
    assert len({name.casefold() for name in made}) == len(names)
    assert made[0] == "a"
    assert [i.label for i in found.images] == ["a", "A", "a", "a_1", "Pos4", "Pos4"]


@pytest.mark.parametrize("order", ["pg", "gp"])
def test_tiles_of_positions_add_up_and_are_named_position_first(order: str) -> None:
    dims = {
        "p": Dimension(name="p", coords=[Position(name="a", x_um=10, z_um=3), Position(name="b")]),
        "g": Dimension(
            name="g", coords=[Position(name="0000", x_um=-1.0), Position(name="0001", x_um=1.0)]
        ),
    }
    images = layout(*(dims[name] for name in order)).images
    expected = {"a_0000": 9, "a_0001": 11, "b_0000": -1, "b_0001": 1}
    assert {i.name: i.position.x_um for i in images} == expected
    assert {i.name: i.position.z_um for i in images}["a_0001"] == 3


def test_cameras_fold_into_the_channels_cameras_fastest() -> None:
    found = layout(
        Dimension(name="c", coords=["DAPI", "FITC"]), Dimension(name="cam", coords=["L", "R"])
    )
    assert [c.name for c in found.images[0].channels] == ["DAPI L", "DAPI R", "FITC L", "FITC R"]
    alone = layout(Dimension(name="t", size=2), Dimension(name="cam", coords=["L", "R"]))
    assert [c.name for c in alone.images[0].channels] == ["L", "R"]
    assert alone.images[0].axis_names == ("t", "c", "y", "x")


def test_chunks_are_one_frame_unless_declared() -> None:
    image = layout(Dimension(name="t", size=9), Dimension(name="z", size=5, chunk_size=2)).images[0]
    assert image.spec.chunk_shape == (1, 2, 64, 48)
    assert image.spec.shard_shape is None


def test_chunks_and_shards_can_be_overridden_by_axis() -> None:
    found = with_chunks(layout(Dimension(name="t", size=9)), {"y": 32, "t": 3}, {"t": 9})
    assert found.images[0].spec.chunk_shape == (3, 32, 48)
    assert found.images[0].spec.shard_shape == (9, 32, 48)


@pytest.mark.parametrize(
    ("chunks", "shards"), [({"z": 2}, None), ({"t": 0}, None), ({"t": 2}, {"t": 3})]
)
def test_chunks_that_cannot_be_are_refused(
    chunks: dict[str, int], shards: dict[str, int] | None
) -> None:
    with pytest.raises(OptionError):
        with_chunks(layout(Dimension(name="t", size=9)), chunks, shards)
