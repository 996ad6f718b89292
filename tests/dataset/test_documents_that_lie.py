"""`validate` compares documents with the schema of their store, and names each difference."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po

YX = [
    po.Dimension(name="y", size=6, scale=0.2, unit="micrometer"),
    po.Dimension(name="x", size=8, scale=0.2, unit="micrometer"),
]
CHANNELS = po.Dimension(name="c", coords=["DAPI", po.Channel(name="FITC", color="00FF00")])


def written(path: Path, *dims: po.Dimension, **fields: Any) -> Path:
    """Make a complete store."""
    schema = po.StorageSchema(dimensions=[*dims, *YX], dtype="uint16", **fields)
    with po.open_stream(path, schema) as stream:
        for number in range(stream.progress.frames_planned or 0):
            stream.append(np.full((6, 8), number, "uint16"))
    assert po.validate(path, pixels=True) == []
    return path


@pytest.fixture
def positions(tmp_path: Path) -> Path:
    at = [po.Position(name="left", x_um=1, y_um=2), po.Position(name="right", x_um=9, y_um=2)]
    dims = [po.Dimension(name="p", coords=at), CHANNELS]
    return written(tmp_path / "a.ome.zarr", *dims)


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    at = [po.Position(name="A1", plate_row="A", plate_column="1"),
          po.Position(name="B2", plate_row="B", plate_column="2")]  # fmt: skip
    shape = po.Plate("small", rows=["A", "B"], columns=["1", "2"])
    return written(tmp_path / "a.ome.zarr", po.Dimension(name="p", coords=at), plate=shape)


def lie(key: str, tell: Callable[[Any], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        document = json.loads((path / key).read_text())
        tell(document["attributes"]["ome"])
        (path / key).write_text(json.dumps(document))

    return change


def image(number: int, tell: Callable[[Any], object]) -> Callable[[Path], None]:
    """Change the multiscale of an image."""
    return lie(f"{number}/zarr.json", lambda ome: tell(ome["multiscales"][0]))


def channels(tell: Callable[[Any], object]) -> Callable[[Path], None]:
    return lie("0/zarr.json", lambda ome: tell(ome["omero"]["channels"]))


def transforms(multiscale: Any) -> Any:
    return multiscale["datasets"][0]["coordinateTransformations"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (image(0, lambda one: transforms(one)[0].update(scale=[1, 0.2, 5.0])), "0.scale.2"),
        (image(0, lambda one: transforms(one).pop(1)), "coordinateTransformations"),
        (image(1, lambda one: transforms(one)[1].update(translation=[0, 2, 1])), "translation.2"),
        (image(1, lambda one: one["axes"][2].pop("unit")), "axes.2.unit"),
        (image(1, lambda one: one.update(name="left")), "multiscales.0.name"),
        (channels(lambda all_: all_.reverse()), "omero.channels.0.label"),
        (channels(lambda all_: all_[0].update(color="FF0000")), "omero.channels.0.color"),
        (lie("OME/zarr.json", lambda ome: ome["series"].reverse()), "OME/zarr.json: ome.series.0"),
    ],
)
def test_ngff_that_differs_from_the_schema_is_named(
    positions: Path, change: Callable[[Path], None], words: str
) -> None:
    change(positions)
    assert any(words in problem for problem in po.validate(positions)), po.validate(positions)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lie("zarr.json", lambda ome: ome["plate"]["wells"].pop()), "ome.plate.wells"),
        (lie("zarr.json", lambda ome: ome["plate"].update(name="large")), "ome.plate.name"),
        (lie("zarr.json", lambda ome: ome["plate"]["rows"].append({"name": "C"})), "plate.rows"),
    ],
)  # fmt: skip
def test_plate_that_differs_from_the_schema_is_named(
    plate: Path, change: Callable[[Path], None], words: str
) -> None:
    change(plate)
    assert any(words in problem for problem in po.validate(plate)), po.validate(plate)


XML_LIES = [
    ('PhysicalSizeX="0.2"', 'PhysicalSizeX="0.5"', "PhysicalSizeX of Pixels Pixels:0"),
    ('PhysicalSizeYUnit="µm"', 'PhysicalSizeYUnit="nm"', "PhysicalSizeYUnit"),
    ('SizeC="2"', 'SizeC="3"', "SizeC"),
    ('DimensionOrder="XYCZT"', 'DimensionOrder="XYZCT"', "DimensionOrder"),
    ('Type="uint16"', 'Type="uint32"', "Type"),
    ('Name="DAPI"', 'Name="FITC"', "Name of Channel Channel:0:0"),
    ('Name="left"', 'Name="last"', "left"),
    ('X="9.0"', 'X="7.0"', "X of StageLabel"),
]


@pytest.mark.parametrize("suffix", ["ome.zarr", "ome.tiff"])
@pytest.mark.parametrize(("old", "new", "words"), XML_LIES)
def test_ome_xml_that_differs_from_the_schema_is_named(
    tmp_path: Path, suffix: str, old: str, new: str, words: str
) -> None:
    at = [po.Position(name="left", x_um=1, y_um=2), po.Position(name="right", x_um=9, y_um=2)]
    path = written(tmp_path / f"a.{suffix}", po.Dimension(name="p", coords=at), CHANNELS)
    file = path / "OME" / "METADATA.ome.xml" if path.is_dir() else path
    content = file.read_bytes()
    told, lied = old.encode(), new.encode()
    assert told in content
    file.write_bytes(content.replace(told, lied + b" " * (len(told) - len(lied))))
    assert any(words in problem for problem in po.validate(path)), po.validate(path)


FRAME_LIES = [
    ('TheC="0"', 'TheC="1"', "TheC of Plane 1 of Pixels:0 is '1', expected '0'"),
    ('DeltaT="1.5"', 'DeltaT="2.5"', "DeltaT of Plane"),
    ('ExposureTime="10.0"', 'ExposureTime="20.0"', "ExposureTime of Plane 1"),
    ('PositionZ="3.0"', 'PositionZ="4.0"', "PositionZ of Plane 1"),
    ('FirstC="0"', 'FirstC="1"', "FirstC of TiffData 1 of Pixels:0 is '1', expected '0'"),
    ('PlaneCount="2"', 'PlaneCount="1"', "PlaneCount of TiffData 1"),
    ('IFD="0"', 'IFD="1"', "IFD of TiffData 1"),
]


@pytest.mark.parametrize("form", ["a.ome.zarr", "a.ome.tiff", "per-position"])
@pytest.mark.parametrize(("old", "new", "words"), FRAME_LIES)
def test_plane_that_differs_from_the_frame_table_is_named(
    tmp_path: Path, form: str, old: str, new: str, words: str
) -> None:
    if form == "a.ome.zarr" and "TiffData" in words:
        old, new, words = "<MetadataOnly/>", "<TiffData/>", "found TiffData"
    options = {"files": form} if form == "per-position" else {}
    path = tmp_path / ("a.ome.tiff" if options else form)
    schema = po.StorageSchema(dimensions=[CHANNELS, *YX], dtype="uint16")
    with po.open_stream(path, schema, **options) as stream:
        for number in range(2):
            facts = {"delta_t_s": number * 1.5, "exposure_ms": 10.0, "z_um": 3.0}
            stream.append(np.full((6, 8), number, "uint16"), metadata=facts)
    assert po.validate(path) == []
    file = path / "OME" / "METADATA.ome.xml" if form == "a.ome.zarr" else path
    file = path / "0.ome.tiff" if options else file
    content = file.read_bytes()
    start = content.rfind(b"<OME")  # an earlier description is left in a TIFF
    at = content.index(old.encode(), start)
    lied = new.encode().ljust(len(old))
    file.write_bytes(content[:at] + lied + content[at + len(old) :])
    assert any(words in problem for problem in po.validate(path)), po.validate(path)


def attribute(key: str, tell: Callable[[Any], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        document = json.loads((path / key).read_text())
        tell(document)
        (path / key).write_text(json.dumps(document))

    return change


def test_fill_value_that_is_not_0_is_named(positions: Path) -> None:
    attribute("1/0/zarr.json", lambda array: array.update(fill_value=7))(positions)
    assert po.validate(positions) == [
        "image 1: fill_value is 7, expected 0: holes would read as that"
    ]


@pytest.mark.parametrize("options", [{}, {"files": "per-position"}])
def test_images_of_a_tiff_in_another_order_are_named(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    path = tmp_path / "a.ome.tiff"
    schema = po.StorageSchema(
        dimensions=[po.Dimension(name="p", coords=["a", "b"]), *YX], dtype="uint16"
    )
    with po.open_stream(path, schema, **options) as stream:
        stream.append(np.ones((6, 8), "uint16"))
        stream.append(np.ones((6, 8), "uint16"))
    file = path / "store.json" if options else path
    content = file.read_bytes()
    start = content.rfind(b'"images": [')
    swapped = content[start:].replace(b'"name": "a"', b'"name": "b"', 1)
    assert swapped != content[start:]
    file.write_bytes(content[:start] + swapped)
    assert "images.0.name is 'b', expected 'a'" in po.validate(path)


@pytest.mark.parametrize(
    "change",
    [
        attribute("zarr.json", lambda root: root["attributes"].update(mine={"a": 1})),
        attribute("0/zarr.json", lambda root: root["attributes"].update(mine={"a": 1})),
        attribute("0/0/zarr.json", lambda array: array.update(attributes={"mine": 1})),
        lie("0/zarr.json", lambda ome: ome.update(_creator={"name": "a converter"})),
        lie("0/zarr.json", lambda ome: ome["omero"].update(rdefs={"model": "color"})),
        image(0, lambda one: one.update(metadata={"method": "mean"})),
        channels(lambda all_: all_[0].update(active=False, inverted=True)),
        channels(lambda all_: all_[0]["window"].update(start=100, end=900)),
    ],
)
def test_what_users_and_viewers_add_is_no_problem(
    positions: Path, change: Callable[[Path], None]
) -> None:
    change(positions)
    assert po.validate(positions, pixels=True) == []
