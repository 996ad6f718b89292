"""What people and other software do around a run: the data must not suffer from it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from helpers import SkipEvent, delete, listening, needs_skip_event, read_by_zarr
from pymmcore_ome import errors

SEQUENCE = useq.MDASequence(time_plan={"interval": 0, "loops": 6})  # in one camera burst
SNAPPED = useq.MDASequence(time_plan={"interval": 0.01, "loops": 6})  # frame by frame


def test_run_started_from_sequence_finished_is_saved_beside_the_first(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    first, second = tmp_path / "1.ome.zarr", tmp_path / "2.ome.zarr"
    other = useq.MDASequence(channels=["DAPI", "FITC"])

    def chain(_: Any) -> None:
        core.mda.events.sequenceFinished.disconnect(chain)
        core.mda.run(other, output=second)

    core.mda.events.sequenceFinished.connect(chain)
    with po.install(core):
        core.mda.run(SEQUENCE, output=first)
    for path, count in ((first, 6), (second, 2)):
        assert po.validate(path) == []
        assert len(po.open_dataset(path).frames()) == count


def test_run_started_from_inside_a_run_is_refused_and_the_first_goes_on(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    refused: list[Exception] = []

    def nested(*_: Any) -> None:
        if not refused:
            with pytest.raises(errors.AcquisitionError, match="inside another") as caught:
                core.mda.run(SEQUENCE, output=tmp_path / "2.ome.zarr")
            refused.append(caught.value)

    core.mda.events.frameReady.connect(nested)
    with po.install(core):
        core.mda.run(SEQUENCE, output=tmp_path / "1.ome.zarr")
    core.mda.events.frameReady.disconnect(nested)
    assert refused
    assert po.validate(tmp_path / "1.ome.zarr") == []


def test_slot_that_works_in_place_cannot_change_what_is_stored(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    blocked: list[Exception] = []

    def spoil(image: np.ndarray, *_: Any) -> None:
        try:
            image[...] = 7
        except ValueError as error:
            blocked.append(error)

    with po.install(core), listening(core) as delivered:
        core.mda.events.frameReady.connect(spoil)
        core.mda.run(SEQUENCE, output=tmp_path / "a.ome.zarr")
        core.mda.events.frameReady.disconnect(spoil)
    assert len(blocked) == 6
    found = read_by_zarr(tmp_path / "a.ome.zarr", "")
    np.testing.assert_array_equal(found, [pixels for pixels, *_ in delivered])


def test_store_deleted_in_the_middle_of_a_run_is_raised(core: CMMCorePlus, tmp_path: Path) -> None:
    def delete_it(*_: Any) -> None:
        if len(delivered) == 3:
            delete(tmp_path / "a.ome.zarr")

    with po.install(core), listening(core) as delivered:
        core.mda.events.frameReady.connect(delete_it)
        with pytest.raises(errors.WriteError):
            core.mda.run(SEQUENCE, output=tmp_path / "a.ome.zarr")
        core.mda.events.frameReady.disconnect(delete_it)


def test_missing_frames_are_told_in_the_status_and_the_log(
    core: CMMCorePlus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    snap, count = core.snapImage, 0

    def sometimes() -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise RuntimeError("no image")
        snap()

    monkeypatch.setattr(core, "snapImage", sometimes)
    with po.install(core), caplog.at_level(logging.WARNING, "pymmcore-ome"):
        core.mda.run(SNAPPED, output=tmp_path / "a.ome.zarr")
    assert "1 of 6 planned frames were not acquired" in caplog.text
    assert "1 of 6" in (po.open_dataset(tmp_path / "a.ome.zarr").record.reason or "")


def test_output_without_install_knows_that_the_engine_failed(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, count = core.getImage, 0

    def breaks(*args: Any) -> Any:
        nonlocal count
        count += 1
        if count == 4:
            raise RuntimeError("the camera fell off")
        return get(*args)

    monkeypatch.setattr(core, "getImage", breaks)
    for name, options in {"told": {"core": core}, "guessed": {}}.items():
        count = 0
        output = po.Output(tmp_path / f"{name}.ome.zarr", **options)
        with pytest.raises(RuntimeError, match="fell off"):
            core.mda.run(SNAPPED, output=output)
        assert po.open_dataset(output.path).status == "failed"
        assert len(po.open_dataset(output.path).frames()) == 3


def test_output_without_install_on_an_existing_path_stops_its_own_core(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    (tmp_path / "a.ome.zarr").mkdir()
    output = po.Output(tmp_path / "a.ome.zarr", core=core)
    endless = useq.MDASequence(time_plan={"interval": 0.01, "loops": 50_000})
    with listening(core) as delivered:
        core.mda.run(endless, output=output)
    assert len(delivered) < 50_000
    with pytest.raises(errors.StoreExistsError):
        output.result()


def test_frame_metadata_with_arrays_is_stored(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = core.mda.engine
    original = type(engine).get_frame_metadata

    def more(self: Any, *args: Any, **kwargs: Any) -> Any:
        return {**original(self, *args, **kwargs), "temperatures": np.arange(3), "none": ()}

    monkeypatch.setattr(type(engine), "get_frame_metadata", more)
    with po.install(core):
        core.mda.run(SEQUENCE, output=tmp_path / "a.ome.zarr")
    rows = po.open_dataset(tmp_path / "a.ome.zarr").frames()
    assert rows[0]["metadata"]["temperatures"] == [0, 1, 2]


def test_install_with_overwrite_replaces_and_its_block_does_not_end_another(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    with po.install(core, overwrite=True):
        with po.install(core, compression="zstd"):
            pass
        for _ in range(2):
            core.run_mda(SEQUENCE, output=tmp_path / "a.ome.zarr").join()
        assert po.validate(tmp_path / "a.ome.zarr") == []
    assert "run" not in vars(core.mda)


def test_offset_that_all_channels_share_is_in_the_z_translation(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    sequence = useq.MDASequence(
        stage_positions=[(0, 0, 100)],
        channels=[{"config": "DAPI", "z_offset": 10}],
        z_plan={"range": 2, "step": 1},
    )
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    ome = json.loads((tmp_path / "a.ome.zarr" / "zarr.json").read_text())["attributes"]["ome"]
    transforms = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert transforms[1]["translation"][1] == delivered[0][1].z_pos == 109


@pytest.mark.parametrize("name", ["a\x07b", "x" * 300, "\u2028", "😀"])
def test_any_position_name_can_be_run_and_read_back(
    core: CMMCorePlus, tmp_path: Path, name: str
) -> None:
    sequence = useq.MDASequence(stage_positions=[useq.Position(x=0, name=name), (1, 1, 1)])
    with po.install(core):
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    assert po.validate(tmp_path / "a.ome.zarr") == []
    assert po.open_dataset(tmp_path / "a.ome.zarr").images[0].label == name


def skipping(monkeypatch: pytest.MonkeyPatch, core: CMMCorePlus, skip: Any, **options: Any) -> None:
    """Make the engine skip the events that `skip` says, by their number."""
    original, count = type(core.mda.engine).setup_event, iter(range(1000))

    def setup_event(self: Any, event: Any) -> None:
        if skip(next(count), event):
            raise SkipEvent(**options)
        original(self, event)

    monkeypatch.setattr(type(core.mda.engine), "setup_event", setup_event)


@needs_skip_event
@pytest.mark.parametrize("options", [{}, {"num_frames": 0}])
def test_skipped_autofocus_is_no_skipped_frame(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any
) -> None:
    sequence = useq.MDASequence(
        time_plan={"interval": 0.01, "loops": 3},
        channels=["DAPI", "FITC"],
        autofocus_plan={"autofocus_motor_offset": 1, "axes": ("c",)},
    )
    skipping(monkeypatch, core, lambda _, e: not isinstance(e.action, useq.AcquireImage), **options)
    with po.install(core):
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    frames = po.open_dataset(tmp_path / "a.ome.zarr").record.frames
    assert frames == {"planned": 6, "written": 6, "skipped": 0}


@needs_skip_event
def test_skipped_frame_leaves_the_repeats_of_its_index_where_they_belong(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = {"interval": 0.01, "loops": 2}
    position = useq.Position(x=0, y=0, sequence=useq.MDASequence(time_plan=twice))
    sequence = useq.MDASequence(time_plan=twice, stage_positions=[position])
    skipping(monkeypatch, core, lambda number, _: number == 0)
    with po.install(core):
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    dataset = po.open_dataset(tmp_path / "a.ome.zarr")
    assert [row["index"] for row in dataset.frames()] == [(1,), (2,), (3,)]
    assert ": t 0" in po.validate(dataset.path)[0]


def test_failed_snap_leaves_the_repeats_of_its_index_where_they_belong(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = {"interval": 0.01, "loops": 2}
    position = useq.Position(x=0, y=0, sequence=useq.MDASequence(time_plan=twice))
    sequence = useq.MDASequence(time_plan=twice, stage_positions=[position])
    snap, count = core.snapImage, iter(range(1000))

    def fails_once() -> None:
        if next(count) == 1:
            raise RuntimeError("no image")
        snap()

    monkeypatch.setattr(core, "snapImage", fails_once)
    with po.install(core):
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    rows = po.open_dataset(tmp_path / "a.ome.zarr").frames()
    assert [row["index"] for row in rows] == [(0,), (2,), (3,)]


def test_events_with_and_without_an_index_do_not_take_each_others_places(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    events = [{"t": 0}, {}, {"t": 1}, {}, {"p": 1}]
    with po.install(core), listening(core) as delivered:
        core.mda.run(
            iter([useq.MDAEvent(index=index) for index in events]), output=tmp_path / "a.ome.zarr"
        )
    assert len(delivered) == 5
    rows = po.open_dataset(tmp_path / "a.ome.zarr").frames()
    assert [(row["image"], row["index"][0]) for row in rows] == [
        ("0", 0), ("1", 0), ("0", 1), ("1", 1), ("2", 0),
    ]  # fmt: skip
    assert [row["event_index"] for row in rows] == events


@pytest.mark.parametrize("name", ["", "n" * 118])
def test_event_driven_run_takes_any_channel_and_position_name(
    core: CMMCorePlus, tmp_path: Path, name: str
) -> None:
    events = [
        useq.MDAEvent(index={"p": p}, pos_name=name, channel={"config": ""}) for p in range(12)
    ]
    with po.install(core):
        core.mda.run(iter(events), output=tmp_path / "a.ome.zarr")
    assert po.validate(tmp_path / "a.ome.zarr") == []
    assert len({i.name for i in po.open_dataset(tmp_path / "a.ome.zarr").images}) == 12


def test_uneven_planes_are_kept_in_stage_coordinates(core: CMMCorePlus, tmp_path: Path) -> None:
    sequence = useq.MDASequence(z_plan={"relative": [0, 1, 3]}, stage_positions=[(0, 0, 5)])
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    notes = json.loads((tmp_path / "a.ome.zarr" / "zarr.json").read_text())["attributes"]
    found = notes["pymmcore_ome"]["image"]["coordinates"]["z"]
    assert found == [5, 6, 8] == [event.z_pos for _, event, _ in delivered]
