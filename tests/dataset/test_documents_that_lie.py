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
