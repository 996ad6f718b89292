"""Images of cameras that differ: their kinds of frame, names and documents."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import pymmcore_ome as po
from pymmcore_ome import Camera, Dimension, errors
from pymmcore_ome.schema import ImageSchema

FRAME = (Dimension(name="y", size=4), Dimension(name="x", size=5))
WIDE, DEEP = Camera("Wide", 4, 9, "uint8"), Camera("Deep / µ", 6, 3, "uint16", significant_bits=12)


def schema_of(*dims: Dimension, **fields: object) -> po.StorageSchema:
    return po.StorageSchema(dimensions=(*dims, *FRAME), dtype="uint16", **fields)


def test_cameras_of_one_kind_fold_and_others_do_not() -> None:
    twin = WIDE.replace(name="Twin")
    folded = po.FrameRouter(schema_of(Dimension(name="cam", coords=[WIDE, twin])))
    assert [i.name for i in folded.layout.images] == ["Pos0"]
    assert [c.name for c in folded.layout.images[0].channels] == ["Wide", "Twin"]
    split = po.FrameRouter(schema_of(Dimension(name="cam", coords=[WIDE, DEEP, twin])))
    assert [i.name for i in split.layout.images] == ["Wide", "Deep _ µ", "Twin"]
    assert [i.label for i in split.layout.images] == ["Wide", "Deep / µ", "Twin"]
    assert [i.spec.frame_shape for i in split.layout.images] == [(4, 9), (6, 3), (4, 9)]


@pytest.mark.parametrize("order", ["pt", "tp"])
@pytest.mark.parametrize("outer", [False, True])
def test_arrival_and_index_agree_wherever_the_cameras_are_in_the_loops(
    order: str, outer: bool
) -> None:
    loops = [Dimension(name=name, size=2) for name in order]
    cameras = Dimension(name="cam", coords=[WIDE, DEEP])
    router = po.FrameRouter(schema_of(*([cameras, *loops] if outer else [*loops, cameras])))
    places = [(address.image_number, address.index) for address in router]
    assert places == [router.by_index(router.index_of(n))[::-1][:2] for n in range(8)]
    assert len(set(places)) == len(router) == 8
    names = [image.name for image in router.layout.images]
    assert sorted(names) == ["Pos0_Deep _ µ", "Pos0_Wide", "Pos1_Deep _ µ", "Pos1_Wide"]


def test_frame_of_another_camera_is_refused_and_takes_no_place(tmp_path: Path) -> None:
    schema = schema_of(Dimension(name="t", size=2), Dimension(name="cam", coords=[WIDE, DEEP]))
    with po.open_stream(tmp_path / "a.ome.zarr", schema) as stream:
        wide, deep = np.ones((4, 9), "uint8"), np.full((6, 3), 2, "uint16")
        for at in ({"cam": 0}, None):
            with pytest.raises(errors.FrameError, match=r"declares \(4, 9\) uint8"):
                stream.append(deep, at=at)
        with pytest.raises(errors.FrameError, match=r"declares \(6, 3\) uint16"):
            stream.append(wide, at={"cam": 1})
        with pytest.raises(errors.PlacementError, match="cam runs from 0 to 1"):
            stream.append(wide, at={"cam": 2})
        for _ in range(2):
            stream.append(wide)
            stream.append(deep)
    assert po.validate(tmp_path / "a.ome.zarr", pixels=True) == []


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
def test_frame_that_does_not_fit_makes_no_image_in_a_store_that_grows(
    tmp_path: Path, suffix: str
) -> None:
    cameras = Dimension(name="cam", coords=[WIDE, DEEP])
    schema = schema_of(Dimension(name="t"), cameras, grows=True)
    with po.open_stream(tmp_path / f"a{suffix}", schema) as stream:
        with pytest.raises(errors.FrameError):
            stream.append(np.ones((6, 3), "uint16"), at={"p": 1})
        stream.append(np.ones((6, 3), "uint16"), at={"p": 2, "cam": 1})
        stream.append(np.ones((4, 9), "uint8"), at={"p": 2, "t": 1})
    dataset = po.open_dataset(tmp_path / f"a{suffix}")
    assert [i.name for i in dataset.images] == ["Pos2_Deep _ µ", "Pos2_Wide"]
    assert po.validate(dataset.path, pixels=True) == []


def test_each_image_of_a_plan_may_have_a_camera_of_its_own(tmp_path: Path) -> None:
    """Also two of one shape and type that differ in the bits that carry signal alone."""
    cameras = [DEEP, DEEP.replace(significant_bits=14), WIDE]
    plans = [ImageSchema(at={"p": n}, camera=camera) for n, camera in enumerate(cameras)]
    with po.open_stream(tmp_path / "a.ome.zarr", schema_of(images=plans)) as stream:
        for n, camera in enumerate(cameras):
            frame = np.full((camera.height, camera.width), n + 1, camera.dtype)
            stream.append(frame, at={"p": n})
    root = ET.parse(tmp_path / "a.ome.zarr" / "OME" / "METADATA.ome.xml").getroot()
    found = [p.get("SignificantBits") for p in root.iter() if p.tag.endswith("}Pixels")]
    assert found == ["12", "14", None]
    assert po.validate(tmp_path / "a.ome.zarr", pixels=True) == []


@pytest.mark.parametrize(
    ("coords", "words"),
    [([WIDE, 3], "mapping of fields"), ([{"name": "a"}], "height"), ([WIDE, "b"], "fields")],
)
def test_what_is_no_camera_is_refused(coords: list[object], words: str) -> None:
    with pytest.raises(errors.SchemaError, match=words):
        Dimension(name="cam", coords=coords)


def test_schema_with_cameras_survives_json_and_yaml() -> None:
    schema = schema_of(Dimension(name="cam", coords=[WIDE, DEEP]))
    assert po.StorageSchema.from_json(schema.to_json()) == schema
    assert po.StorageSchema.from_yaml(schema.to_yaml()) == schema


def test_far_index_in_a_store_that_grows_costs_no_object_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    own = po.Channel.__init__

    def counted(self: po.Channel, *values: object, **fields: object) -> None:
        nonlocal made
        made += 1
        own(self, *values, **fields)

    schema = schema_of(Dimension(name="t"), Dimension(name="c"), grows=True)
    with po.open_stream(tmp_path / "a.ome.zarr", schema) as stream:
        stream.append(np.ones((4, 5), "uint16"), at={"t": 2_000_000}, metadata={"channel": "DAPI"})
        monkeypatch.setattr(po.Channel, "__init__", counted)
    assert made < 100
    assert po.open_dataset(tmp_path / "a.ome.zarr").images[0].shape == (2_000_001, 1, 4, 5)
