"""However a run ends: no light is left on, no camera runs, and the next run starts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import useq
from pymmcore_plus import CMMCorePlus, DeviceType

import pymmcore_ome as po
from conftest import DEMO
from pymmcore_ome import errors

BOTH = pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
LIT = useq.MDASequence(
    z_plan={"range": 6, "step": 1}, channels=["DAPI"],
    time_plan={"interval": 0, "loops": 2}, keep_shutter_open_across=("z", "t"),
)  # fmt: skip


def resize(core: CMMCorePlus) -> None:
    """Make the next frame one that does not fit, so that saving fails."""
    core.setROI(0, 0, 8, 8)


def cancel(core: CMMCorePlus) -> None:
    core.mda.cancel()


def interrupt(core: CMMCorePlus) -> None:
    os.kill(os.getpid(), signal.SIGINT) if os.name == "posix" else signal.raise_signal(
        signal.SIGINT
    )


def at_second_frame(core: CMMCorePlus, action: Callable[[CMMCorePlus], None]) -> None:
    seen: list[int] = []

    def on_frame(*_: object) -> None:
        seen.append(1)
        if len(seen) == 2:
            action(core)

    core.mda.events.frameReady.connect(on_frame)


ENDS = pytest.mark.parametrize(
    ("action", "raised", "status"),
    [
        (resize, errors.FrameError, "failed"), (cancel, None, "canceled"),
        (interrupt, KeyboardInterrupt, "canceled"), (lambda core: None, None, "complete"),
    ],
    ids=["error", "cancel", "interrupt", "complete"],
)  # fmt: skip


def run(core: CMMCorePlus, sequence: Any, output: Any, raised: Any) -> None:
    if raised is None:
        core.mda.run(sequence, output=output)
        return
    with pytest.raises(raised):
        core.mda.run(sequence, output=output)


@BOTH
@ENDS
@pytest.mark.parametrize("is_automatic", [True, False])
def test_shutters_are_as_they_were(
    core: CMMCorePlus, tmp_path: Path, suffix: str, action: Any, raised: Any, status: str,
    is_automatic: bool,
) -> None:  # fmt: skip
    path = tmp_path / f"a{suffix}"
    shutters = core.getLoadedDevicesOfType(DeviceType.Shutter)
    for shutter in shutters:
        core.setShutterOpen(shutter, False)
    core.setAutoShutter(is_automatic)
    at_second_frame(core, action)
    with po.install(core):
        run(core, LIT, path, raised)
    assert [core.getShutterOpen(shutter) for shutter in shutters] == [False] * len(shutters)
    assert core.getAutoShutter() == is_automatic
    assert po.open_dataset(path).status == status


def test_shutter_is_closed_where_a_handler_fails(core: CMMCorePlus, tmp_path: Path) -> None:
    core.setShutterOpen(False)
    core.setAutoShutter(True)
    at_second_frame(core, resize)
    output = po.Output(tmp_path / "a.ome.zarr", core=core)
    core.mda.run(LIT, output=output)
    with pytest.raises(errors.FrameError):
        output.result()
    assert (core.getShutterOpen(), core.getAutoShutter()) == (False, True)


@BOTH
@ENDS
def test_next_run_starts_and_is_saved(
    core: CMMCorePlus, tmp_path: Path, suffix: str, action: Any, raised: Any, status: str
) -> None:
    finished: list[object] = []
    core.mda.events.sequenceFinished.connect(finished.append)
    at_second_frame(core, action)
    roi = core.getROI()
    with po.install(core):
        run(core, LIT, tmp_path / f"a{suffix}", raised)
        assert not core.mda.is_running()
        assert finished == [LIT]
        core.setROI(*roi)
        (summary,) = core.run_mda(LIT, output=tmp_path / f"b{suffix}").result(60)
    assert po.open_dataset(tmp_path / f"a{suffix}").status == status
    assert (summary.status, summary.frames_missing) == ("complete", 0)


def test_interrupt_of_a_run_that_nobody_saves_lets_the_next_start(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    at_second_frame(core, interrupt)
    with po.install(core):
        with pytest.raises(KeyboardInterrupt):
            core.mda.run(LIT)
        core.run_mda(LIT, output=tmp_path / "a.ome.zarr").result(60)
    assert po.validate(tmp_path / "a.ome.zarr") == []


@pytest.mark.parametrize(
    ("action", "raised"), [(resize, None), (interrupt, KeyboardInterrupt), (cancel, None)],
    ids=["error", "interrupt", "cancel"],
)  # fmt: skip
def test_camera_in_a_burst_is_stopped(tmp_path: Path, action: Any, raised: Any) -> None:
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "fast.cfg")
    core.setROI(0, 0, 32, 32)
    core.setExposure(5)
    at_second_frame(core, cancel if action is resize else action)
    burst = useq.MDASequence(time_plan={"interval": 0, "loops": 2000}, channels=["DAPI"])
    x, y, z = *core.getXYPosition(), core.getZPosition()
    path = tmp_path / "a.ome.zarr"
    with po.install(core):
        run(core, burst, path, raised)
    assert not core.isSequenceRunning()
    assert (*core.getXYPosition(), core.getZPosition()) == pytest.approx((x, y, z), abs=0.02)
    assert po.open_dataset(path).status == "canceled"
    assert 0 < len(po.open_dataset(path).frames()) < 2000
    core.unloadAllDevices()


def dark(core: CMMCorePlus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second snap fail, as a camera does that is asked too often."""
    snap, count = core.snapImage, iter(range(100))

    def snap_image(*values: Any) -> None:
        if next(count) == 1:
            raise RuntimeError("camera timeout")
        snap(*values)

    monkeypatch.setattr(core, "snapImage", snap_image)


@BOTH
@pytest.mark.parametrize("way", ["install", "output"])
def test_missing_frame_is_recorded_or_raised(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, way: str
) -> None:
    sequence = useq.MDASequence(channels=["DAPI"], time_plan={"interval": 0, "loops": 3})
    assert core.mda.engine is not None
    core.mda.engine.use_hardware_sequencing = False
    path = tmp_path / f"a{suffix}"
    outputs = [
        po.Output(path, core=core, overwrite=True, missing=missing)  # type: ignore[arg-type]
        for missing in ("record", "raise")
    ]
    failed: list[object] = []
    outputs[1].failed.connect(failed.append)
    for output, raised in zip(outputs, (None, errors.MissingFramesError), strict=True):
        assert output.summary is None
        with monkeypatch.context() as patch:
            dark(core, patch)
            if way == "install":
                with po.install(core):
                    run(core, sequence, output, raised)
            else:
                core.mda.run(sequence, output=output)
        assert output.summary is not None
        assert (output.summary.status, output.summary.frames_missing) == ("complete", 1)
        assert len(po.open_dataset(path).frames()) == 2
    with pytest.raises(errors.MissingFramesError, match="1 of 3 planned frames"):
        outputs[1].result()
    assert len(failed) == 1
    assert outputs[0].result().frames_missing == 1


def test_missing_is_checked(core: CMMCorePlus) -> None:
    with pytest.raises(errors.OptionError, match="missing must be one of 'record', 'raise'"):
        po.install(core, missing="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["run", "run_mda"])
@pytest.mark.parametrize(
    ("events", "what"),
    [([LIT], "is an MDASequence"), ([useq.MDAEvent(), "DAPI"], "Item 1 of the list is str")],
)
def test_list_of_what_are_no_events_is_refused(
    core: CMMCorePlus, tmp_path: Path, method: str, events: Any, what: str
) -> None:
    with po.install(core):
        run = core.mda.run if method == "run" else core.run_mda
        with pytest.raises(errors.AcquisitionError, match=what):
            run(events, output=tmp_path / "a.ome.zarr")
    assert list(tmp_path.iterdir()) == []
