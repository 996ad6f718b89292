"""What the core refuses in the middle of a run: the frame's row says so, and the status."""

from __future__ import annotations

import gc
import logging
import weakref
from pathlib import Path
from typing import Any

import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import DEMO, SMALL
from helpers import marks_of, needs_setup, read_by_zarr

Event = useq.MDAEvent
SNAPPED = {"interval": 0.001, "loops": 2}


#: What pymmcore-plus does since 0.18 only.
NEWER = {"roi", "other stage"}


def cases(names: Any) -> list[Any]:
    """Return the names of cases, those marked that need a newer pymmcore-plus."""
    return [pytest.param(n, marks=needs_setup if n in NEWER else ()) for n in names]


@pytest.mark.parametrize("is_it", [True, False])
def test_output_without_core_asks_the_instance_only_where_it_is_the_one_that_runs(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_it: bool
) -> None:
    other = core if is_it else CMMCorePlus()
    monkeypatch.setattr(po.Output, "_running_core", lambda _: other)
    output = po.Output(tmp_path / "a.ome.zarr")
    core.mda.run(iter([Event(channel="Cy7")]), output=output)
    assert output.result().frames_written == 1
    assert [bool(mark) for mark in marks_of(output.path)] == [is_it]


def test_channel_that_an_iterator_brings_and_nobody_has_is_marked(
    core: CMMCorePlus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["DAPI", "Cy7", "FITC", "Cy7"]
    events = [Event(channel=name) for name in names]
    with po.install(core), caplog.at_level(logging.WARNING, "pymmcore-ome"):
        core.mda.run(iter(events), output=tmp_path / "a.ome.zarr")
    found = marks_of(tmp_path / "a.ome.zarr")
    assert [bool(mark) for mark in found] == [False, True, False, True]
    assert "setConfig('Channel', 'Cy7') failed" in found[1][0]
    assert sum("Cy7" in entry.getMessage() for entry in caplog.records) == 1
    record = po.open_dataset(tmp_path / "a.ome.zarr").record
    assert record.status == "complete"
    assert "2 frames were acquired with settings that could not be applied" in (record.reason or "")
    assert read_by_zarr(tmp_path / "a.ome.zarr", "").shape == (4, SMALL[1], SMALL[0])


def test_channel_that_an_iterator_brings_is_marked_without_install(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    output = po.Output(tmp_path / "a.ome.zarr", core=core)
    events = [
        Event(index={"t": 0}, channel="DAPI"),
        Event(index={"t": 1}, channel="Cy7"),
        Event(index={"t": 2}, properties=[("Camera", "Gian", 1)]),
    ]
    core.mda.run(iter(events), output=output)
    first, second, third = marks_of(output.path)
    assert first is None
    assert "no channel 'Cy7'" in second[0]
    assert "Camera.Gian" in third[0]
    assert "2 frames were acquired with settings that could not be applied" in (
        output.result().reason or ""
    )


FAILING: dict[str, tuple[str, dict[str, Any]]] = {
    "stage": ("setXYPosition", {"x_pos": 3, "y_pos": 4}),
    "exposure": ("setExposure", {"exposure": 7}),
    "property": ("setProperty", {"properties": [("Camera", "Gain", 2)]}),
    "other stage": ("setPosition", {"properties": [("Z", "Position", 2)]}),
    "roi": ("setROI", {"roi": (0, 0, 32, 24)}),
}


@pytest.mark.parametrize("case", cases(FAILING))
def test_setting_that_the_core_refuses_in_a_run_is_marked(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    name, asked = FAILING[case]

    def refuses(*_: Any) -> None:
        raise RuntimeError("end of travel")

    core.clearROI()  # as the engine does before it sets a region, which is then refused
    events = [Event(index={"t": 0}), Event(index={"t": 1}, **asked), Event(index={"t": 2})]
    with monkeypatch.context() as patched:
        patched.setattr(core, name, refuses)
        with po.install(core):
            core.mda.run(iter(events), output=tmp_path / "a.ome.zarr")
        assert vars(core)[name] is refuses
    first, second, third = marks_of(tmp_path / "a.ome.zarr")
    assert first is third is None
    assert len(second) == 1
    assert second[0].startswith(f"{name}(")
    assert "end of travel" in second[0]


def test_stage_that_fails_at_one_position_marks_its_frames_alone(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = core.setXYPosition

    def sticks(x: float, y: float) -> None:
        if x == 5:
            raise RuntimeError("end of travel")
        move(x, y)

    sequence = useq.MDASequence(stage_positions=[(1, 0), (5, 0), (2, 0)], channels=["DAPI", "FITC"])
    with monkeypatch.context() as patched:
        patched.setattr(core, "setXYPosition", sticks)
        with po.install(core):
            core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    found = po.open_dataset(tmp_path / "a.ome.zarr").frames()
    assert {f["image"] for f in found if f["metadata"].get("not_as_asked")} == {"1"}
    assert [bool(f["metadata"].get("not_as_asked")) for f in found].count(True) == 2


def test_channel_that_was_not_set_again_after_half_of_another_is_marked(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_config = core.setConfig

    def jams(group: str, preset: str) -> None:
        if preset == "FITC":
            core.setProperty("Dichroic", "Label", "Q505LP")
            raise RuntimeError("the wheel jams")
        set_config(group, preset)

    names = ["DAPI", "FITC", "DAPI", "Rhodamine", "DAPI"]
    with monkeypatch.context() as patched:
        patched.setattr(core, "setConfig", jams)
        with po.install(core):
            core.mda.run(iter([Event(channel=n) for n in names]), output=tmp_path / "a.ome.zarr")
    found = marks_of(tmp_path / "a.ome.zarr")
    assert [bool(mark) for mark in found] == [False, True, True, False, False]
    assert "the wheel jams" in found[1][0]
    assert "not set again" in found[2][0]


def test_core_is_not_kept_by_a_run_that_has_ended(tmp_path: Path) -> None:
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "demo.cfg")
    gone = weakref.ref(core)
    installation = po.install(core)
    core.mda.run([Event()], output=tmp_path / "a.ome.zarr")
    del core
    gc.collect()
    assert gone() is None
    installation.uninstall()


def test_failed_autofocus_is_told_in_the_status(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("out of range")

    sequence = useq.MDASequence(
        stage_positions=[(0, 0, 0)],
        channels=["DAPI"],
        autofocus_plan={"autofocus_motor_offset": None, "axes": ("p",)},
    )
    with monkeypatch.context() as patched:
        patched.setattr(core, "getAutoFocusDevice", lambda: "AF")
        patched.setattr(core, "fullFocus", fails)
        with po.install(core):
            core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    record = po.open_dataset(tmp_path / "a.ome.zarr").record
    assert "fullFocus() failed: out of range" in (record.reason or "")
    assert record.frames == {"planned": 1, "written": 1, "skipped": 0}
