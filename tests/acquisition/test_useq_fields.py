"""Every field of useq's models is applied, kept, or reported as ignored."""

from __future__ import annotations

import inspect
from pathlib import Path

import ome_types
import pydantic
import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import DEMO
from pymmcore_ome import errors
from pymmcore_ome.acquisition.useq.fields import USES
from pymmcore_ome.disk import read_description

SUB_SETUP = {"setup": {"properties": [["Camera", "Gain", "3"]]}, "z_plan": {"range": 2, "step": 1}}
BOTH = pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])


def models() -> dict[str, type[pydantic.BaseModel]]:
    """Every model that useq exports, and `Channel` of an event under its exported name."""
    return {
        name: value
        for name, value in vars(useq).items()
        if inspect.isclass(value) and issubclass(value, pydantic.BaseModel)
    }


@pytest.mark.parametrize("name", sorted(models()))
def test_every_field_of_a_model_has_a_use(name: str) -> None:
    model = models()[name]
    known = [key for key in USES if key in (name, model.__name__)] or [name]
    of_event = name == "EventChannel"
    assert set(USES["EventChannel" if of_event else known[0]]) == set(model.model_fields)
    for key, uses in USES.items():
        if key.startswith(f"{model.__name__} "):
            assert set(uses) == set(model.model_fields)


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        ({"stage_positions": [{"x": 0, "sequence": SUB_SETUP}]}, r"\[0\].sequence has a setup"),
        ({"setup": {"min_start_time": 3}}, "setup has a min_start_time"),
        ({"setup": {"slm_image": {"data": [[0, 1], [1, 0]]}}}, "setup has an slm_image"),
        ({"channels": [{"config": "DAPI", "camera": "Nope"}]}, "device 'Nope'"),
    ],
    ids=["setup", "start", "slm", "camera"],
)  # fmt: skip
def test_ignored_field_is_refused_before_anything_is_created(
    core: CMMCorePlus, tmp_path: Path, sequence: dict[str, object], reason: str
) -> None:
    path = tmp_path / "a.ome.zarr"
    planned = useq.MDASequence(**{"channels": ["DAPI"], **sequence})
    with po.install(core), pytest.raises(errors.AcquisitionError, match=reason):
        core.mda.run(planned, output=path)
    assert not path.exists()


@BOTH
def test_setup_of_a_position_is_flagged_there_if_it_is_run_anyway(
    core: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    sequence = useq.MDASequence(
        stage_positions=[{"x": 0, "y": 0}, {"x": 0, "y": 0, "sequence": SUB_SETUP}],
        channels=["DAPI"],
    )
    with po.install(core, unready="record"):
        core.mda.run(sequence, output=path)
    rows = po.open_dataset(path).frames()
    flagged = [bool(row["metadata"].get("not_as_asked")) for row in rows]
    assert flagged == [row["event_index"]["p"] == 1 for row in rows]
    assert sum(flagged) == 3


@BOTH
@pytest.mark.parametrize("way", ["install", "output"])
def test_camera_of_a_channel_is_refused_or_flagged(tmp_path: Path, suffix: str, way: str) -> None:
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "two_cameras.cfg")
    core.setCameraDevice("Left")
    path = tmp_path / f"a{suffix}"
    channels = [{"config": "DAPI", "camera": "Left"}, {"config": "FITC", "camera": "Right"}]
    sequence = useq.MDASequence(channels=channels)
    with po.install(core), pytest.raises(errors.AcquisitionError, match="'FITC' requests camera"):
        core.mda.run(sequence, output=path)
    assert not path.exists()
    output = po.Output(path, unready="record", core=core)
    if way == "install":
        with po.install(core):
            core.mda.run(sequence, output=output)
    else:
        core.mda.run(sequence, output=output)
    reasons = [row["metadata"].get("not_as_asked") for row in po.open_dataset(path).frames()]
    assert reasons == [
        None, ["channel 'FITC' requests camera 'Right'; 'Left' acquired the frame"]
    ]  # fmt: skip
    with po.install(core):
        core.mda.run(
            useq.MDASequence(channels=[{"config": "DAPI", "camera": "Left"}]),
            output=po.Output(path, overwrite=True),
        )
    assert po.open_dataset(path).not_as_asked() == []
    core.unloadAllDevices()


def test_action_that_the_engine_does_not_know_is_reported(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    path = tmp_path / "a.ome.zarr"
    events = [
        useq.MDAEvent(index={"t": 0}),
        useq.MDAEvent(index={"t": 0}, action=useq.CustomAction(name="bleach")),
        useq.MDAEvent(index={"t": 1}),
    ]
    with po.install(core):
        core.mda.run(iter(events), output=path)
    dataset = po.open_dataset(path)
    assert len(dataset.frames()) == 2
    assert "no action 'bleach'" in (dataset.record.reason or "")


def test_plate_of_positions_and_labels_have_one_name_in_both_formats(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    wells = [{"x": n, "name": "a/b" if n else "é", "plate_row": 0, "plate_col": n} for n in (0, 1)]
    tiff, folder = tmp_path / "a.ome.tiff", tmp_path / "a.ome.zarr"
    with po.install(core):
        core.mda.run(useq.MDASequence(stage_positions=wells), output=[tiff, folder])
    documents = [read_description(tiff), (folder / "OME" / "METADATA.ome.xml").read_bytes()]
    for found in (ome_types.from_xml((xml or b"").decode()) for xml in documents):
        assert [image.name for image in found.images] == ["é", "a/b"]
        assert [plate.name for plate in found.plates] == ["Plate"]
    assert '"name":"Plate"' in (folder / "zarr.json").read_text().replace(" ", "")
