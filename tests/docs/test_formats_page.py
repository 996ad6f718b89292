"""The table of where metadata goes is true: every path in it leads to the value that was given."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import pymmcore_ome as po
from conftest import ROOT
from pymmcore_ome.testing import encoded_frame

TEXT = (ROOT / "docs" / "reference" / "formats.md").read_text()
TABLE = TEXT.split("| what |")[1].split("\n\n")[0]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE.splitlines()[2:]]

#: The brightest pixel but 0.1 % of the channel GFP.
SHOWN = float(
    np.percentile(
        [encoded_frame(number, (6, 8)) for number in range(16) if number // 2 % 2 == 0],
        99.9,
        method="nearest",
    )
)

#: what -> (in OME-XML, in NGFF, in the store record or in the frame table)
EXPECTED: dict[str, tuple[Any, Any, Any]] = {
    "name of an image": ("left", "left", None),
    "axis order": ("XYZCT", "z", None),
    "units": ("µm", "micrometer", None),
    "pixel size": ("0.25", 0.25, None),
    "z step": ("0.5", 0.5, None),
    "time increment": ("2.5", 2.5, None),
    "stage position, x": ("10.0", 10, 10),
    "stage position, z": ("30.0", 30, 30),
    "channel name": ("GFP", "GFP", "GFP"),
    "channel color": ("305420031", "123456", None),
    "display window": (None, SHOWN, SHOWN),
    "excitation": ("488.0", None, 488),
    "emission": ("509.0", None, 509),
    "fluorophore": ("EGFP", None, "EGFP"),
    "channel group": (None, None, "Channel"),
    "significant bits": ("12", 4095, 12),
    "plate": ("my plate", "my plate", "my plate"),
    "rows of the plate": ("2", [{"name": "A"}, {"name": "B"}], ["A", "B"]),
    "well of an image": ("0", 0, None),
    "field of a well": ("Image:0", "0", None),
    "microscope": ("Ti2", None, "Ti2"),
    "objective": ("Plan Apo", None, "Plan Apo"),
    "magnification": ("20.0", None, 20),
    "numerical aperture": ("0.75", None, 0.75),
    "camera": ("Zyla", None, "Zyla"),
    "gain": ("3.0", None, 3),
    "binning": ("2x2", None, 2),
    "start of the run": (re.compile(r"\d{4}-\d\d-\d\dT"), None, re.compile(r"\d{4}-\d\d-\d\dT")),
    "time of a frame": ("1.5", None, 1.5),
    "exposure of a frame": ("20.0", None, 20),
    "stage position of a frame, x": ("11.0", None, 11),
    "stage position of a frame, z": ("31.0", None, 31),
    "all other metadata of a frame": (None, None, {"laser": "on"}),
    "sequence and summary metadata": (None, None, {"devices": []}),
    "status of the run": (None, None, "complete"),
}


@pytest.fixture(scope="module", params=["a.ome.zarr", "a.ome.tiff"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("formats") / request.param
    left = po.Position("left", x_um=10, y_um=20, z_um=30, plate_row="A", plate_column="1")
    right = po.Position("right", plate_row="B", plate_column="2")
    gfp = po.Channel("GFP", color="#123456", group="Channel", excitation_nm=488, emission_nm=509,
                     fluorophore="EGFP")  # fmt: skip
    schema = po.StorageSchema(
        dimensions=[
            po.Dimension(name="t", size=2, scale=2.5, unit="second"),
            po.Dimension(name="p", coords=[left, right]),
            po.Dimension(name="c", coords=[gfp, "DAPI"]),
            po.Dimension(name="z", size=2, scale=0.5, unit="micrometer"),
            po.Dimension(name="y", size=6, scale=0.25, unit="micrometer"),
            po.Dimension(name="x", size=8, scale=0.25, unit="micrometer"),
        ],
        dtype="uint16",
        significant_bits=12,
        plate=po.Plate("my plate", rows=["A", "B"], columns=["1", "2"]),
        instrument=po.Instrument(
            name="Ti2",
            objective=po.Objective(name="Plan Apo", magnification=20, numerical_aperture=0.75),
            detectors=[po.Detector(name="Camera", model="Zyla", gain=3, binning=2)],
        ),
    )
    facts = {"delta_t_s": 1.5, "exposure_ms": 20, "x_um": 11, "y_um": 21, "z_um": 31}
    with po.open_stream(path, schema, acquisition={"summary": {"devices": []}}) as stream:
        for number in range(16):
            stream.append(encoded_frame(number, (6, 8)), metadata={**facts, "laser": "on"})
    return path


def agrees(found: Any, expected: Any) -> bool:
    if isinstance(expected, re.Pattern):
        return bool(expected.match(found))
    return bool(found == expected)


def at(document: Any, keys: str) -> Any:
    for key in keys.split("."):
        document = document[int(key) if isinstance(document, list) else key]
    return document


def test_table_lists_every_piece_once() -> None:
    assert [row[0] for row in ROWS] == list(EXPECTED)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_path_of_the_table_leads_to_its_value(store: Path, row: list[str]) -> None:
    what, xml_path, ngff_path, own = (cell.replace("`", "") for cell in row)
    in_xml, in_ngff, in_own = EXPECTED[what]
    assert bool(xml_path) == (in_xml is not None)
    assert bool(ngff_path) == (in_ngff is not None)
    if xml_path:
        assert agrees(in_ome_xml(store, xml_path), in_xml)
    if ngff_path and store.is_dir():
        folder, _, keys = ngff_path.partition(": ")
        document = json.loads((store / folder.strip(":") / "zarr.json").read_text())
        assert agrees(at(document["attributes"], keys), in_ngff)
    dataset = po.open_dataset(store)
    if own.startswith("frame table"):
        assert agrees(dataset.frames()[0][own.split(", ")[1]], in_own)
    elif in_own is not None:
        page = json.loads(json.dumps(dataset.record.to_attributes()))
        assert agrees(at(page, own), in_own)


def in_ome_xml(store: Path, path: str) -> str | None:
    if store.is_dir():
        text = (store / "OME" / "METADATA.ome.xml").read_text("utf-8")
    else:
        with tifffile.TiffFile(store) as tiff:
            text = tiff.ome_metadata or ""
    root = ET.fromstring(re.sub(r'xmlns="[^"]*"', "", text).split("?>")[1])
    element, _, attribute = path.partition("/@")
    found = root.find(element)
    assert found is not None, f"{element} is missing"
    return found.get(attribute) if attribute else found.text
