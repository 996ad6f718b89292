"""One acquisition and how far it is, without any widget."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import HANG_S
from pymmcore_ome import errors
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend
from pymmcore_ome.gui.acquisition_run import AcquisitionRun

from .conftest import sequence_of


class FullDisk(TensorstoreBackend):
    """Takes five frames, and no more."""

    written = 0

    def write(self, *args: Any, **options: Any) -> Any:
        self.written += 1
        if self.written > 5:
            raise OSError(28, "No space left on device")
        return super().write(*args, **options)


def ended(run: AcquisitionRun, signal: threading.Event) -> None:
    run.start()
    assert signal.wait(HANG_S)


def test_run_saves_and_tells_of_its_end(core: CMMCorePlus, tmp_path: Path) -> None:
    over = threading.Event()
    run = AcquisitionRun(core, sequence_of(), po.Output(tmp_path / "a.ome.zarr"), over.set)
    assert run.look().phase == "starting"
    ended(run, over)
    seen = run.look()
    assert (seen.phase, seen.is_over) == ("complete", True)
    assert seen.progress is not None
    assert seen.progress.frames_written == 12
    assert seen.time_left_s == 0
    assert run.summary is not None
    assert po.validate(run.summary.path) == []


def test_run_that_cannot_be_written_keeps_the_error(core: CMMCorePlus, tmp_path: Path) -> None:
    over = threading.Event()
    output = po.Output(tmp_path / "a.ome.zarr", backend=FullDisk)
    run = AcquisitionRun(core, sequence_of(50), output, over.set)
    ended(run, over)
    assert run.look().phase == "failed"
    assert isinstance(run.error, errors.WriteError)
    assert po.open_dataset(output.path).status == "failed"


def test_run_that_is_cancelled_before_it_began_ends_at_once(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    over = threading.Event()
    run = AcquisitionRun(core, sequence_of(100_000), po.Output(tmp_path / "a.ome.zarr"), over.set)
    run.cancel()  # nobody listens yet
    run.start()
    while not over.wait(0.01):
        assert run.look().phase in ("canceling", "finishing", "canceled")
    assert run.look().phase == "canceled"
    assert po.open_dataset(tmp_path / "a.ome.zarr").status == "canceled"


def test_run_without_an_output_runs(core: CMMCorePlus) -> None:
    over = threading.Event()
    run = AcquisitionRun(core, sequence_of(), None, over.set)
    ended(run, over)
    assert run.look().phase == "complete"
    assert (run.summary, run.error) == (None, None)


def test_a_second_run_is_refused_while_the_first_goes_on(core: CMMCorePlus, tmp_path: Path) -> None:
    over, began = threading.Event(), threading.Event()
    core.mda.events.sequenceStarted.connect(began.set)
    first = AcquisitionRun(core, sequence_of(100_000), None, over.set)
    first.start()
    assert began.wait(HANG_S)
    with pytest.raises(errors.AcquisitionError, match="running"):
        AcquisitionRun(core, sequence_of(), None).start()
    first.cancel()
    while not over.wait(0.01):
        first.look()
    core.mda.events.sequenceStarted.disconnect(began.set)
    assert first.look().phase == "canceled"


def test_pause_works_with_a_runner_that_can_only_toggle(core: CMMCorePlus) -> None:
    """As before pymmcore-plus 0.18."""

    class Runner:
        paused = False

        def is_paused(self) -> bool:
            return self.paused

        def toggle_pause(self) -> None:
            self.paused = not self.paused

        def is_running(self) -> bool:
            return True

    old: Any = type("Core", (), {"mda": Runner()})()
    now = 0.0
    run = AcquisitionRun(old, sequence_of(), None, clock=lambda: now)
    run._has_begun = True
    for asked, phase in ((True, "pausing"), (True, "paused"), (False, "running")):
        now += 1.0
        run.set_paused(asked)
        assert old.mda.paused is asked
        assert run.look().phase == phase


def test_a_pause_that_the_runner_forgets_is_asked_for_again(
    core: CMMCorePlus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its wait for an event and the event, the runner takes a pause, and drops it."""
    if not hasattr(core.mda, "set_paused"):
        pytest.skip("pymmcore-plus before 0.18 keeps its pause in one flag, which nothing resets")
    over, is_there, go_on = threading.Event(), threading.Event(), threading.Event()
    wait_until_event = core.mda._wait_until_event
    frames: list[useq.MDAEvent] = []

    def linger(event: useq.MDAEvent) -> bool:
        is_canceled = wait_until_event(event)
        if len(frames) == 2:
            is_there.set()
            assert go_on.wait(HANG_S)
        return is_canceled

    def keep(pixels: Any, event: useq.MDAEvent, meta: Any) -> None:
        frames.append(event)

    monkeypatch.setattr(core.mda, "_wait_until_event", linger)
    core.mda.events.frameReady.connect(keep)
    run = AcquisitionRun(core, sequence_of(100_000), None, over.set)
    run.start()
    assert is_there.wait(HANG_S)
    run.set_paused(True)
    assert core.mda.is_paused()  # so it says, and takes one frame more
    assert run.look().phase == "pausing"
    go_on.set()
    while run.look().phase != "paused":
        assert not over.wait(0.01)
    count = len(frames)
    assert not over.wait(0.3)
    assert run.look().phase == "paused"
    assert len(frames) == count
    run.cancel()
    while not over.wait(0.01):
        run.look()
    core.mda.events.frameReady.disconnect(keep)
    assert run.look().phase == "canceled"


def test_rates_are_of_the_last_seconds_and_pauses_do_not_count(core: CMMCorePlus) -> None:
    """By a clock and a progress of ours: nothing is timed."""
    now = 0.0
    output: Any = type("Told", (), {"progress": None})()
    run = AcquisitionRun(core, sequence_of(), output, clock=lambda: now)
    phase = "running"
    run._phase = lambda at: phase  # type: ignore[method-assign, assignment, return-value]
    run._ask_again = lambda: None  # type: ignore[method-assign]
    frames_at = {0.0: 0, 10.0: 100, 11.0: 120, 12.0: 140, 13.0: 160}
    seen = None
    for now, frames in frames_at.items():
        output.progress = po.Progress(400, frames, 0, frames, frames * 10, 0, 1, 0.0, now)
        seen = run.look()
    assert seen is not None
    assert (seen.frames_per_s, seen.bytes_per_s) == (20, 200)
    assert seen.time_left_s == pytest.approx(13 / 160 * 240)
    phase = "paused"
    now = 1000.0
    left = run.look().time_left_s
    assert left == pytest.approx(13 / 160 * 240)
