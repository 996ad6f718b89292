"""What the microscope lacks is refused before a run; what it has is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import useq
from pymmcore_plus import CMMCorePlus
from pymmcore_plus.mda import MDAEngine

import pymmcore_ome as po
from conftest import DEMO, HANG_S
from helpers import listening, marks_of, needs_setup
from pymmcore_ome import errors
from pymmcore_ome.acquisition import forecast, readiness

Event = useq.MDAEvent
SNAPPED = {"interval": 0.001, "loops": 2}


@pytest.fixture
def bare() -> CMMCorePlus:
    """A core with a camera and a shutter, without stages and configuration groups."""
    core = CMMCorePlus()
    for label, device in (("Cam", "DCam"), ("Sh", "DShutter")):
        core.loadDevice(label, "DemoCamera", device)
    core.initializeAllDevices()
    core.setCameraDevice("Cam")
    core.setShutterDevice("Sh")
    return core


REFUSED: dict[str, tuple[Any, str]] = {
    "channel": (useq.MDASequence(channels=["DAPI", "Cy7"]), "no channel 'Cy7'"),
    "group": (
        useq.MDASequence(channels=[{"config": "DAPI", "group": "Filters"}]),
        "group 'Channel' has such a preset",
    ),
    "sub-sequence": (
        useq.MDASequence(
            channels=["DAPI"], stage_positions=[{"x": 0, "sequence": {"channels": ["Cy7"]}}]
        ),
        "no channel 'Cy7'",
    ),
    "device of the setup": (
        useq.MDASequence(setup={"properties": [("Cam", "Gain", 1)]}, time_plan=SNAPPED),
        "setup names device 'Cam'",
    ),
    "list of events": ([Event(channel="DAPI"), Event(channel="Cy7")], "no channel 'Cy7'"),
    "list with a property": (
        [Event(properties=[("Camera", "Gian", 1)])],
        "an event sets Camera.Gian",
    ),
}


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_run_that_cannot_be_what_it_says_is_refused_before_anything_moves(
    core: CMMCorePlus, tmp_path: Path, case: str, threaded: bool
) -> None:
    events, words = REFUSED[case]
    core.mda.engine.use_hardware_sequencing = False  # else pymmcore-plus refuses some itself
    told: list[Any] = []
    started: list[Any] = []
    core.mda.events.sequenceStarted.connect(started.append)
    try:
        with po.install(core) as installation, listening(core) as delivered:
            installation.failed.connect(told.append)
            with pytest.raises(errors.AcquisitionError, match=words) as raised:
                if threaded:
                    core.run_mda(events, output=tmp_path / "a.ome.zarr").result(HANG_S)
                else:
                    core.mda.run(events, output=tmp_path / "a.ome.zarr")
    finally:
        core.mda.engine.use_hardware_sequencing = True
        core.mda.events.sequenceStarted.disconnect(started.append)
    assert told == [raised.value]
    assert not started
    assert not delivered
    assert list(tmp_path.iterdir()) == []


def test_dry_run_and_run_refuse_with_the_same_words(core: CMMCorePlus, tmp_path: Path) -> None:
    output, sequence = po.Output(tmp_path / "a.ome.zarr"), useq.MDASequence(channels=["Cy7"])
    said: list[str] = []
    for ask in (
        lambda: forecast(core, sequence, output),
        lambda: core.mda.run(sequence, output=output),
    ):
        with po.install(core), pytest.raises(errors.AcquisitionError) as raised:
            ask()
        said.append(str(raised.value).splitlines()[1])
    assert said[0] == said[1]


def test_output_without_install_stops_a_run_that_cannot_be_what_it_says(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    output = po.Output(tmp_path / "a.ome.zarr", core=core)
    sequence = useq.MDASequence(channels=["Cy7"], time_plan={"interval": 0.01, "loops": 50_000})
    core.mda.engine.use_hardware_sequencing = False
    try:
        with listening(core) as delivered:
            core.mda.run(sequence, output=output)
    finally:
        core.mda.engine.use_hardware_sequencing = True
    with pytest.raises(errors.AcquisitionError, match="no channel 'Cy7'"):
        output.result()
    assert len(delivered) < 50_000
    assert list(tmp_path.iterdir()) == []


#: What pymmcore-plus does since 0.18 only.
NEWER = {"value that another setting allows", "stage by name"}


def cases(names: Any) -> list[Any]:
    """Return the names of cases, those marked that need a newer pymmcore-plus."""
    return [pytest.param(n, marks=needs_setup if n in NEWER else ()) for n in names]


RIGHT: dict[str, Any] = {
    "another group": useq.MDASequence(channels=[{"config": "Startup", "group": "System"}]),
    "no channels": useq.MDASequence(time_plan=SNAPPED),
    "autofocus with no device": useq.MDASequence(
        stage_positions=[(0, 0, 0)],
        channels=["DAPI"],
        autofocus_plan={"autofocus_motor_offset": 1, "axes": ("p",)},
    ),
    "value that another setting allows": useq.MDASequence(
        setup={"properties": [("Camera", "PixelType", "8bit"), ("Camera", "BitDepth", "8")]},
        time_plan=SNAPPED,
    ),
    "list": [Event(channel="DAPI", x_pos=1, y_pos=1, z_pos=1), Event(channel="FITC")],
    "iterator": iter([Event(channel="DAPI", x_pos=1), Event(properties=[("Camera", "Gain", 1)])]),
    "stage by name": [Event(properties=[("Z", "Position", 4), ("XY", "Position", (1, 2))])],
}


@pytest.mark.parametrize("case", cases(RIGHT))
def test_run_that_pymmcore_plus_does_is_neither_refused_nor_marked(
    core: CMMCorePlus, tmp_path: Path, case: str
) -> None:
    with po.install(core):
        core.mda.run(RIGHT[case], output=tmp_path / "a.ome.zarr")
    found = marks_of(tmp_path / "a.ome.zarr")
    assert found
    assert found == [None] * len(found)
    assert "setProperty" not in vars(core), "a run left the core shadowed"


@needs_setup
def test_setup_that_the_core_refuses_ends_the_run_before_its_first_frame(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    sequence = useq.MDASequence(
        setup={"properties": [("Camera", "Gain", 300), ("Camera", "Offset", 0)]}, time_plan=SNAPPED
    )
    with po.install(core), listening(core) as delivered:
        with pytest.raises(errors.AcquisitionError, match="Camera', 'Gain', 300"):
            core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
        assert not delivered
        assert list(tmp_path.iterdir()) == []
        output = po.Output(tmp_path / "a.ome.zarr", unready="record")
        core.mda.run(sequence, output=output)
    assert "Gain" in (output.result().reason or "")


def test_setup_that_pymmcore_plus_would_leave_out_is_refused(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "SETS_REGIONS", False)
    sequence = useq.MDASequence(setup={"exposure": 5}, time_plan=SNAPPED)
    with po.install(core), pytest.raises(errors.AcquisitionError, match="a setup, which"):
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")


@pytest.mark.parametrize("bursts", [True, False])
@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
def test_run_with_what_is_missing_can_be_asked_for(
    core: CMMCorePlus, tmp_path: Path, suffix: str, bursts: bool
) -> None:
    sequence = useq.MDASequence(
        channels=["DAPI", "Cy7"],
        time_plan={"interval": 0, "loops": 2},
        stage_positions=[{"x": 0}, {"x": 0, "properties": [("Nothing", "Gain", 1)]}],
        axis_order="pct",
    )
    output = po.Output(tmp_path / f"a{suffix}", unready="record")
    core.mda.engine.use_hardware_sequencing = bursts
    try:
        with po.install(core), listening(core) as delivered:
            core.mda.run(sequence, output=output)
    finally:
        core.mda.engine.use_hardware_sequencing = True
    assert len(delivered) == 8
    assert [bool(mark) for mark in marks_of(output.path)] == [False] * 2 + [True] * 6
    assert po.open_dataset(output.path).status == "complete"
    with pytest.raises(errors.OptionError, match="unready"):
        po.Output(tmp_path / "b.ome.zarr", unready="warn")  # type: ignore[arg-type]


def test_property_of_a_position_that_fails_flags_all_of_its_frames(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    sequence = useq.MDASequence(
        stage_positions=[
            {"x": 0}, {"x": 1, "properties": [("Camera", "Gain", 300)]},
            {"x": 2, "properties": [("Camera", "Gain", 2)]},
        ],
        time_plan={"interval": 0, "loops": 3}, channels=["DAPI"], axis_order="ptc",
    )  # fmt: skip
    output = po.Output(tmp_path / "a.ome.zarr", unready="record")
    with po.install(core):
        core.mda.run(sequence, output=output)
    assert [bool(mark) for mark in marks_of(output.path)] == [False] * 3 + [True] * 3 + [False] * 3


def test_running_anyway_is_offered_only_where_frames_would_come(tmp_path: Path) -> None:
    core = CMMCorePlus()
    with po.install(core):
        with pytest.raises(errors.AcquisitionError, match="no camera is set") as raised:
            core.mda.run(useq.MDASequence(time_plan=SNAPPED), output=tmp_path / "a.ome.zarr")
        assert "unready" not in str(raised.value)
        core.loadSystemConfiguration(DEMO / "demo.cfg")
        with pytest.raises(errors.AcquisitionError, match="unready='record'"):
            core.mda.run(useq.MDASequence(channels=["Cy7"]), output=tmp_path / "a.ome.zarr")


def test_places_without_a_stage_are_refused_and_one_place_is_marked(
    bare: CMMCorePlus, tmp_path: Path
) -> None:
    with po.install(bare):
        for fields, words in [
            ({"stage_positions": [(0, 0), (1, 1)]}, "no XY stage is set;"),
            ({"stage_positions": [{"z": 1}, {"z": 2}]}, "no focus device"),
            ({"z_plan": {"range": 2, "step": 1}}, "no focus device"),
        ]:
            with pytest.raises(errors.AcquisitionError, match=words):
                bare.mda.run(useq.MDASequence(**fields), output=tmp_path / "a.ome.zarr")
        bare.mda.run(
            useq.MDASequence(stage_positions=[(0, 0)], time_plan=SNAPPED),
            output=tmp_path / "a.ome.zarr",
        )
        bare.loadDevice("XY", "DemoCamera", "DXYStage")
        bare.initializeDevice("XY")
        with pytest.raises(errors.AcquisitionError, match="Property,Core,XYStage,XY"):
            bare.mda.run([Event(x_pos=0), Event(x_pos=1)], output=tmp_path / "b.ome.zarr")
    assert (
        marks_of(tmp_path / "a.ome.zarr")
        == [["no XY stage is set, so the stage was not moved to x and y"]] * 2
    )


class OwnChannels(MDAEngine):
    """An engine that knows channels of its own."""

    def setup_event(self, event: Any) -> None:
        """Light a lamp that Micro-Manager knows nothing of."""


class OwnSetup(MDAEngine):
    """An engine that makes the channels of a sequence when it sets it up."""

    def setup_sequence(self, sequence: Any) -> Any:
        """Define what is asked for."""
        for channel in sequence.channels:
            self.mmcore.defineConfig("Channel", channel.config, "Camera", "Gain", "1")
        return super().setup_sequence(sequence)


@pytest.mark.parametrize("kind", [OwnChannels, OwnSetup])
def test_engine_that_sets_up_in_its_own_way_is_left_alone(tmp_path: Path, kind: Any) -> None:
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "demo.cfg")
    core.mda.set_engine(kind(core, use_hardware_sequencing=False))
    with po.install(core):
        core.mda.run(useq.MDASequence(channels=["Lamp"]), output=tmp_path / "a.ome.zarr")
    assert marks_of(tmp_path / "a.ome.zarr") == [None]
