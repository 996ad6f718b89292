"""The documents: valid OME-Zarr 0.5 and OME-XML that say what the schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaozarrs
from hypothesis import given
from hypothesis import strategies as st
from ome_types import from_xml
from ome_types import model as ome_model

import pymmcore_ome as po
from pymmcore_ome import Channel, Dimension, Plate, Position, StorageSchema
from pymmcore_ome.disk import read_description
from pymmcore_ome.layout import layout_of
from pymmcore_ome.metadata import StoreRecord, StoreState
from pymmcore_ome.metadata.display import channel_colors
from pymmcore_ome.metadata.ome_xml import OmeXml
from pymmcore_ome.schema import MICROMETERS, SECONDS, UNIT_SYMBOLS

YX = [
    Dimension(name="y", size=6, scale=0.1, unit="micrometer"),
    Dimension(name="x", size=8, scale=0.2, unit="micrometer"),
]


def made(path: Path, *dims: Dimension, **fields: Any) -> Path:
    """Make an empty store and return its path."""
    schema = StorageSchema(dimensions=[*dims, *YX], dtype=fields.pop("dtype", "uint16"), **fields)
    po.open_stream(path / "a.ome.zarr", schema).close()
    yaozarrs.validate_zarr_store(str(path / "a.ome.zarr"))
    return path / "a.ome.zarr"


def ome(path: Path) -> dict[str, Any]:
    return json.loads((path / "zarr.json").read_text())["attributes"]["ome"]


def transforms(path: Path) -> dict[str, list[float]]:
    found = ome(path)["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    return {item["type"]: item[item["type"]] for item in found}


def test_store_of_several_images_lists_them_in_valid_ome_xml_while_it_is_written(
    tmp_path: Path,
) -> None:
    position = Dimension(name="p", coords=["left & right", "b"])
    schema = StorageSchema(dimensions=[Dimension(name="t", size=2), position, *YX], dtype="float32")
    with po.open_stream(tmp_path / "a.ome.zarr", schema):
        text = (tmp_path / "a.ome.zarr" / "OME" / "METADATA.ome.xml").read_bytes()
    images = from_xml(text, validate=True).images
    assert [image.id for image in images] == ["Image:0", "Image:1"]
    assert [(i.pixels.size_t, i.pixels.size_x, i.pixels.type.value) for i in images] == [
        (2, 8, "float"), (2, 8, "float"),
    ]  # fmt: skip


def test_single_image_is_the_root(tmp_path: Path) -> None:
    path = made(
        tmp_path,
        Dimension(name="t", size=3, scale=2.5, unit="second"),
        Dimension(name="c", coords=["DAPI", Channel(name="X", color="#123456")]),
        Dimension(name="z", size=4, scale=0.5, origin=-1.5, unit="micrometer"),
    )
    multiscale = ome(path)["multiscales"][0]
    assert [(a["name"], a["type"], a.get("unit")) for a in multiscale["axes"]] == [
        ("t", "time", "second"), ("c", "channel", None), ("z", "space", "micrometer"),
        ("y", "space", "micrometer"), ("x", "space", "micrometer"),
    ]  # fmt: skip
    assert transforms(path)["scale"] == [2.5, 1, 0.5, 0.1, 0.2]
    assert transforms(path)["translation"] == [0, 0, -1.5, 0, 0]
    assert [(c["label"], c["color"]) for c in ome(path)["omero"]["channels"]] == [
        ("DAPI", "0000FF"), ("X", "123456"),
    ]  # fmt: skip
    array = json.loads((path / "0" / "zarr.json").read_text())
    assert array["dimension_names"] == ["t", "c", "z", "y", "x"]
    assert array["shape"] == [3, 2, 4, 6, 8]


def test_several_positions_are_bioformats2raw_with_series_and_xml(tmp_path: Path) -> None:
    path = made(
        tmp_path,
        Dimension(name="p", coords=[
            Position(name="left", x_um=10, y_um=-5, z_um=2),
            Position(name="right", label="rechts/oben"),
        ]),
        Dimension(name="c", coords=["DAPI", "FITC"]),
        Dimension(name="z", size=4, scale=0.5, origin=1, unit="micrometer"),
        significant_bits=12,
    )  # fmt: skip
    assert ome(path) == {"version": "0.5", "bioformats2raw.layout": 3}
    assert ome(path / "OME")["series"] == ["0", "1"]
    assert [ome(path / n)["multiscales"][0]["name"] for n in "01"] == ["left", "rechts/oben"]
    assert transforms(path / "0")["translation"] == [0, 3, -5, 10]
    xml = from_xml((path / "OME" / "METADATA.ome.xml").read_text(), validate=True)
    assert [image.name for image in xml.images] == ["left", "rechts/oben"]
    pixels = xml.images[0].pixels
    assert (pixels.size_c, pixels.size_z, pixels.size_t) == (2, 4, 1)
    assert (pixels.physical_size_x, pixels.physical_size_y, pixels.physical_size_z) == (
        0.2,
        0.1,
        0.5,
    )
    assert pixels.significant_bits == 12
    assert [c.name for c in pixels.channels] == ["DAPI", "FITC"]
    assert xml.images[0].stage_label is not None
    assert (xml.images[0].stage_label.x, xml.images[0].stage_label.y) == (10, -5)


@pytest.mark.parametrize("order", ["ome", "acquisition", ["t", "z"]])
def test_xml_dimension_order_is_the_arrays_order_reversed(tmp_path: Path, order: Any) -> None:
    dims = [Dimension(name="p", size=2), Dimension(name="t", size=2), Dimension(name="z", size=3)]
    path = made(tmp_path, *dims, storage_order=order)
    pixels = from_xml((path / "OME" / "METADATA.ome.xml").read_text()).images[0].pixels
    names = json.loads((path / "0/0/zarr.json").read_text())["dimension_names"]
    written = [letter for letter in pixels.dimension_order.value if letter.lower() in names]
    assert "".join(written) == "".join(reversed(names)).upper()


def test_plate_lists_all_rows_and_columns_and_only_used_wells(tmp_path: Path) -> None:
    wells = [("A", "1"), ("A", "1"), ("C", "2")]
    path = made(
        tmp_path,
        Dimension(name="p", coords=[
            Position(name=f"{r}{c}", plate_row=r, plate_column=c) for r, c in wells
        ]),
        plate=Plate("my plate", rows=["A", "B", "C"], columns=["1", "2"]),
    )  # fmt: skip
    plate = ome(path)["plate"]
    assert plate["name"] == "my plate"
    assert plate["version"] == "0.5"
    assert plate["field_count"] == 2
    assert [r["name"] for r in plate["rows"]] == ["A", "B", "C"]
    assert plate["wells"] == [
        {"path": "A/1", "rowIndex": 0, "columnIndex": 0},
        {"path": "C/2", "rowIndex": 2, "columnIndex": 1},
    ]
    assert [i["path"] for i in ome(path / "A/1")["well"]["images"]] == ["0", "1"]
    assert not (path / "B").exists()


def test_uneven_steps_are_kept_as_coordinates_without_a_unit_on_the_scale(tmp_path: Path) -> None:
    path = made(tmp_path, Dimension(name="z", coords=[0.0, 1.0, 5.0], unit="micrometer"))
    notes = json.loads((path / "zarr.json").read_text())["attributes"]["pymmcore_ome"]["image"]
    assert notes["coordinates"] == {"z": [0, 1, 5]}
    assert notes["units"] == {"z": "micrometer"}
    assert "unit" not in ome(path)["multiscales"][0]["axes"][0]


@pytest.mark.parametrize(
    ("dtype", "bits", "window"),
    [("uint8", None, (0, 255)), ("uint16", 12, (0, 4095)), ("int16", None, (-32768, 32767)),
     ("float32", None, (0, 1))],
)  # fmt: skip
def test_omero_window_is_the_range_of_the_pixels(
    tmp_path: Path, dtype: str, bits: int | None, window: tuple[float, float]
) -> None:
    dim = Dimension(name="c", coords=["a"])
    path = made(tmp_path, dim, dtype=dtype, significant_bits=bits)
    found = ome(path)["omero"]["channels"][0]["window"]
    assert (found["min"], found["max"]) == window


def test_custom_axis_takes_the_channels_place(tmp_path: Path) -> None:
    path = made(tmp_path, Dimension(name="angle", size=3, scale=90, unit="degree"))
    assert ome(path)["multiscales"][0]["axes"][0]["name"] == "angle"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["DAPI", "FITC", "Cy5"], ["0000FF", "00FF00", "FF00FF"]),
        (["whatever"], ["FFFFFF"]),
        (["GFP"], ["00FF00"]),
    ],
)
def test_channel_colors_follow_the_names(names: list[str], expected: list[str]) -> None:
    assert channel_colors([Channel(name=n) for n in names]) == expected


def test_channel_colors_differ_where_names_do_not_tell() -> None:
    found = channel_colors([Channel(name=n) for n in ("GFP", "EGFP", "a", "b", "c")])
    assert len(set(found)) == 5


def test_root_holds_the_schema_and_the_acquisition(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    path = tmp_path / "b.ome.zarr"
    po.open_stream(path, small_schema, acquisition={"note": [1, float("nan")]}).close()
    dataset = po.open_dataset(path)
    assert dataset.schema == small_schema
    assert dataset.acquisition == {"note": [1, None]}
    assert dataset.record.frames == {"planned": 12, "written": 0, "skipped": 0}


def test_xml_has_no_character_reference_which_bio_formats_blanks_out(tmp_path: Path) -> None:
    channel = Channel(name='µ <&> "é"\n&#181;', fluorophore="a\tb")
    places = [Position(name="a", label="line 1\nline 2 \x00", x_um=1), Position(name="b")]
    path = made(
        tmp_path,
        Dimension(name="p", coords=places),
        Dimension(name="c", coords=[channel]),
    )
    text = (path / "OME" / "METADATA.ome.xml").read_bytes()
    assert b"&#" not in text
    image = from_xml(text, validate=True).images[0]
    assert image.name == "line 1 line 2 \ufffd"
    assert image.pixels.channels[0].name == 'µ <&> "é" &#181;'
    assert image.pixels.physical_size_x_unit.value == "µm"


def test_xml_of_a_file_to_which_no_frame_came_is_valid(tmp_path: Path) -> None:
    axes = [Dimension(name="t"), *YX]
    schema = StorageSchema(dimensions=axes, dtype="uint16", grows=True)
    path = tmp_path / "a.ome.tiff"
    po.open_stream(path, schema).close()
    with tifffile.TiffFile(path) as tiff:
        xml = from_xml(tiff.pages[0].description, validate=True)
    assert xml.images == []
    assert len(xml.structured_annotations.comment_annotations) == 1
    assert po.open_dataset(path).status == "complete"


@pytest.mark.parametrize(
    ("unit", "um", "in_xml"),
    [("nanometer", 1e-3, "nm"), ("millimeter", 1e3, "mm"), ("um", 1, "µm"), ("angstrom", 1e-4, "Å"),
     ("centimeter", 1e4, "cm"), ("inch", 25400, "in")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_stage_positions_are_in_the_unit_of_the_axis(
    tmp_path: Path, name: str, unit: str, um: float, in_xml: str
) -> None:
    sizes = {"z": 3, "y": 6, "x": 8}
    dims = [Dimension(name=n, size=size, scale=2, unit=unit) for n, size in sizes.items()]
    place = Position(name="a", x_um=10, y_um=5, z_um=2)
    schema = StorageSchema(dimensions=[Dimension(name="p", coords=[place]), *dims], dtype="uint16")
    path = tmp_path / name
    with po.open_stream(path, schema) as stream:
        for _ in range(3):
            stream.append(np.ones((6, 8), "uint16"))
    image = po.open_dataset(path).images[0]
    np.testing.assert_allclose(image.coords["z"], 2 / um + 2.0 * np.arange(3))
    np.testing.assert_allclose(image.coords["x"][:2], [10 / um, 10 / um + 2])
    if name.endswith("zarr"):
        np.testing.assert_allclose(transforms(path)["translation"], [2 / um, 5 / um, 10 / um])
        text = (path / "OME" / "METADATA.ome.xml").read_bytes()
    else:
        text = read_description(path) or b""
    pixels = from_xml(text, validate=True).images[0].pixels
    assert (pixels.physical_size_x, pixels.physical_size_x_unit.value) == (2, in_xml)
    found = [plane.position_z for plane in pixels.planes]
    np.testing.assert_allclose(found, [2, 2 + 2 * um, 2 + 4 * um])


@pytest.mark.parametrize(("name", "unit"), [("x", "foo"), ("x", "second"), ("t", "micrometer")])
def test_unit_that_is_none_of_its_kind_is_refused(name: str, unit: str) -> None:
    with pytest.raises(po.errors.SchemaError, match="NGFF's names"):
        Dimension(name=name, size=3, scale=1, unit=unit)


def test_units_have_the_symbols_of_ome_xml() -> None:
    lengths = {UNIT_SYMBOLS[name] for name in MICROMETERS}
    times = {UNIT_SYMBOLS[name] for name in SECONDS}
    not_in_ngff = {"pixel", "reference frame", "li", "pt", "thou", "ly", "ua", "dam", "das"}
    assert lengths == {unit.value for unit in ome_model.UnitsLength} - not_in_ngff
    assert times == {unit.value for unit in ome_model.UnitsTime} - not_in_ngff


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
TEXTS = st.text(max_size=8)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


CHANNELS = st.builds(
    Channel, name=st.text(min_size=1, max_size=8), fluorophore=maybe(TEXTS),
    exposure_ms=maybe(st.floats(min_value=0, allow_infinity=False)),
    excitation_nm=maybe(POSITIVE), emission_nm=maybe(POSITIVE),
)  # fmt: skip
DETECTORS = st.builds(
    po.Detector, name=TEXTS, manufacturer=maybe(TEXTS), model=maybe(TEXTS), gain=maybe(NUMBERS),
    offset=maybe(NUMBERS), binning=maybe(st.integers(1, 99)),
)  # fmt: skip
OBJECTIVES = st.builds(
    po.Objective, name=maybe(TEXTS), manufacturer=maybe(TEXTS), magnification=maybe(POSITIVE),
    numerical_aperture=maybe(POSITIVE),
)  # fmt: skip
INSTRUMENTS = st.builds(
    po.Instrument, name=maybe(TEXTS), manufacturer=maybe(TEXTS), objective=maybe(OBJECTIVES),
    detectors=st.lists(DETECTORS, max_size=3),
)  # fmt: skip


@given(
    channels=st.lists(CHANNELS, min_size=1, max_size=3),
    instrument=maybe(INSTRUMENTS),
    label=maybe(TEXTS),
    at=maybe(NUMBERS),
    scale=maybe(NUMBERS.filter(bool)),
    unit=st.sampled_from([None, *MICROMETERS]),
    started=maybe(TEXTS | st.datetimes().map(str)),
)
def test_every_accepted_schema_can_be_described_when_it_is_closed(
    channels: list[Channel],
    instrument: po.Instrument | None,
    label: str | None,
    at: float | None,
    scale: float | None,
    unit: str | None,
    started: str | None,
) -> None:
    schema = StorageSchema(
        dimensions=[
            Dimension(name="p", coords=[Position(name="a", label=label, x_um=at, z_um=at)]),
            Dimension(name="c", coords=channels),
            *(Dimension(name=name, size=3, scale=scale, unit=unit) for name in "zyx"),
        ],
        dtype="uint16",
        instrument=instrument,
    )
    layout = layout_of(schema)
    record = StoreRecord(version="1", schema={}, started=started)
    xml = b"".join(OmeXml(StoreState(layout, record, [layout.images[0].shape]))(layout.images))
    (image,) = from_xml(xml).images
    assert len(image.pixels.channels) == len(channels)
    assert b"&#" not in xml


def test_custom_axis_and_levels_say_what_they_are(tmp_path: Path) -> None:
    schema = StorageSchema(
        dimensions=[
            Dimension(name="angle", size=2), Dimension(name="z", size=2),
            Dimension(name="y", size=8), Dimension(name="x", size=8),
        ],
        dtype="uint8",
    )  # fmt: skip
    with po.open_stream(tmp_path / "a.ome.zarr", schema, levels=2) as stream:
        for _ in range(4):
            stream.append(np.zeros((8, 8), "uint8"))
    ome = json.loads((tmp_path / "a.ome.zarr" / "zarr.json").read_bytes())["attributes"]["ome"]
    (multiscale,) = ome["multiscales"]
    # the official schema allows at most three axes that may be of space
    assert multiscale["axes"][0] == {"name": "angle", "type": "other"}
    assert multiscale["type"] == "mean"
    assert "halves rounded up" in multiscale["metadata"]["description"]
