"""Every demo sequence, run for real on its demo microscope and read back by another library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import useq
import yaozarrs
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import DEMO, ROOT
from helpers import index_of, listening, read_by_zarr
from pymmcore_ome.acquisition import forecast
from pymmcore_ome.cli.microscope import demo_microscope, first_comment

SEQUENCES = sorted(DEMO.glob("*.yaml"))
#: Those whose events say in which place and in which channel their frames are.
SPECIAL = {"own_sequences", "two_cameras", "two_kinds_of_camera", "rgb"}


@pytest.mark.parametrize("file", SEQUENCES, ids=lambda path: path.stem)
def test_demo_sequence_is_saved_frame_for_frame(
    core: CMMCorePlus, tmp_path: Path, file: Path
) -> None:
    sequence = useq.MDASequence.from_file(file)
    if demo_microscope(file).name != "demo.cfg":
        core = CMMCorePlus()
        core.loadSystemConfiguration(demo_microscope(file))
    path = tmp_path / "exp.ome.zarr"
    planned = forecast(core, sequence, po.Output(path))
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=str(path))

    dataset = po.open_dataset(path)
    assert dataset.status == "complete"
    assert po.validate(path) == []
    assert planned.frames == len(dataset.frames())
    assert [(image.path, image.position, image.shape) for image in dataset.images] == [
        (image.path, image.position, image.shape) for image in planned.plan.layout.images
    ]
    yaozarrs.validate_zarr_store(str(path))

    rows = dataset.frames()
    cameras = core.getNumberOfCameraChannels()
    assert len(rows) == len(delivered) == len(list(sequence)) * cameras > 0
    arrays = {image.path: read_by_zarr(path, image.path) for image in dataset.images}
    for row, (pixels, event, _) in zip(rows, delivered, strict=True):
        assert row["event_index"] == index_of(event)
        stored = arrays[row["image"]][row["index"]]
        if pixels.ndim == 3:  # red, green and blue are three channels
            first, *rest = row["index"]
            stored = np.stack([arrays[row["image"]][(first + n, *rest)] for n in range(3)], -1)
        np.testing.assert_array_equal(stored, pixels)
        if file.stem not in SPECIAL:
            check_place(dataset, row, event)
    if file.stem not in SPECIAL:
        check_documents(path, dataset, sequence)


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.cfg")), ids=lambda path: path.name)
def test_demo_microscope_is_used_by_a_sequence(file: Path) -> None:
    assert file in {demo_microscope(sequence) for sequence in SEQUENCES}


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.*")), ids=lambda path: path.name)
def test_demo_file_says_what_it_shows(file: Path) -> None:
    if file.suffix != ".md":
        shows = first_comment(file)
        assert len(shows) > 20
        for page in (DEMO / "README.md", ROOT / "docs" / "reference" / "demos.md"):
            assert f"| `{file.name}` | {shows} |" in page.read_text(encoding="utf-8")


def check_place(dataset: po.Dataset, row: dict[str, Any], event: Any) -> None:
    """Assert that the frame's place means what the event says, by name and by coordinate."""
    image = next(i for i in dataset.images if i.path == row["image"])
    index = dict(zip(image.axes, row["index"], strict=False))
    assert index == {a: v for a, v in index_of(event).items() if a in "tcz"}
    if event.pos_name is not None:
        assert image.label.startswith(event.pos_name)
    if event.channel is not None:
        assert image.channels[index["c"]].name == event.channel.config == row["channel"]
    for letter, asked in (("x", event.x_pos), ("y", event.y_pos)):
        if asked is not None:
            assert getattr(image.position, f"{letter}_um") == pytest.approx(asked)
            assert row[f"{letter}_um"] == pytest.approx(asked, abs=0.05)
    assert row["delta_t_s"] > 0
    if event.exposure is not None:
        assert row["exposure_ms"] == event.exposure


def check_documents(path: Path, dataset: po.Dataset, sequence: useq.MDASequence) -> None:
    """Assert that the NGFF documents agree with the sequence."""
    for image in dataset.images:
        ome = json.loads((path / image.path / "zarr.json").read_text())["attributes"]["ome"]
        multiscale = ome["multiscales"][0]
        names = [axis["name"] for axis in multiscale["axes"]]
        found = {
            item["type"]: dict(zip(names, item[item["type"]], strict=True))
            for item in multiscale["datasets"][0]["coordinateTransformations"]
        }
        assert found["scale"]["x"] == found["scale"]["y"] == 0.325
        if sequence.z_plan is not None:
            assert found["scale"]["z"] == sequence.z_plan.step
            first = next(iter(sequence.z_plan))
            assert found["translation"]["z"] == pytest.approx((image.position.z_um or 0) + first)
        if isinstance(sequence.time_plan, useq.TIntervalLoops) and sequence.time_plan.interval:
            assert found["scale"]["t"] == sequence.time_plan.interval.total_seconds()
        if image.position.x_um is not None:
            assert found["translation"]["x"] == pytest.approx(image.position.x_um)
            assert found["translation"]["y"] == pytest.approx(image.position.y_um)
        assert [c["label"] for c in ome["omero"]["channels"]] == [
            c.config for c in sequence.channels
        ]
    root = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
    if isinstance(sequence.stage_positions, useq.WellPlatePlan):
        wells = {f"{w['path']}" for w in root["plate"]["wells"]}
        assert wells == {f"{n[0]}/{n[1:]}" for n in sequence.stage_positions.selected_well_names}
        assert (len(root["plate"]["rows"]), len(root["plate"]["columns"])) == (8, 12)
    elif len(dataset.images) > 1:
        assert root["bioformats2raw.layout"] == 3


def test_there_are_at_least_five_demo_sequences() -> None:
    assert len(SEQUENCES) >= 6
    readme = (DEMO / "README.md").read_text()
    for file in (*SEQUENCES, DEMO / "demo.cfg"):
        assert file.name in readme
        assert file.read_text().startswith("# "), "each says what it shows"
