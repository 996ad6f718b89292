"""`install` and `Output` on the real engine and the demo camera."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import useq
from psygnal import SignalInstance
from pymmcore_plus import CMMCorePlus
from pymmcore_plus.mda._thread_relay import MDARelayThread

import pymmcore_ome as po
from conftest import HANG_S, SMALL
from helpers import SkipEvent, index_of, listening, needs_skip_event, read_by_zarr
from pymmcore_ome import errors
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend

SEQUENCE = useq.MDASequence(
    stage_positions=[(0, 0, 0), (10, 10, 1)],
    channels=["DAPI", "FITC"],
    z_plan={"range": 2, "step": 1},
)


def check_saved(path: Path, delivered: list[tuple[np.ndarray, Any, Any]]) -> list[dict[str, Any]]:
    """Assert that exactly the delivered frames are on disk, each at its event's index."""
    dataset = po.open_dataset(path)
    rows = dataset.frames()
    router = po.FrameRouter(dataset.schema)
    arrays = {image.path: read_by_zarr(path, image.path) for image in dataset.images}
    expected = {key: np.zeros_like(array) for key, array in arrays.items()}
    for pixels, event, _ in delivered:
        image, index, _ = router.by_index(index_of(event))
        expected[image][index] = pixels
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, expected[key])
    assert [r["event_index"] for r in rows] == [index_of(e) for _, e, _ in delivered]
    return rows


def test_install_is_idempotent_and_leaves_the_core_as_it_was(core: CMMCorePlus) -> None:
    before = dict(vars(core.mda))
    first = po.install(core)
    assert po.install(core, compression="zstd") is first
    first.uninstall()
    first.uninstall()
    assert vars(core.mda) == before
    with po.install(core) as again:
        assert again is not first
    assert vars(core.mda) == before


def test_cancel_button_connected_while_installed_works_ever_after(core: CMMCorePlus) -> None:
    """Signals hold bound methods weakly, and panels connect to `mda.cancel` when they are made."""
    clicked = SignalInstance(())
    with po.install(core):
        clicked.connect(core.mda.cancel)
    gc.collect()
    came: list[object] = []

    def on_frame(*_: object) -> None:
        came.append(1)
        if len(came) == 2:
            clicked.emit()

    core.mda.events.frameReady.connect(on_frame)
    # frame by frame: before 0.18, pymmcore-plus ends no burst
    core.mda.run(useq.MDASequence(time_plan={"interval": 0.001, "loops": 500}))
    core.mda.events.frameReady.disconnect(on_frame)
    assert len(came) < 500


def test_install_again_mends_a_shadow_that_was_taken_away(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    installation = po.install(core)
    del core.mda.run
    assert po.install(core) is installation
    core.mda.run(useq.MDASequence(channels=["DAPI"]), output=tmp_path / "a.ome.zarr")
    installation.uninstall()
    assert po.open_dataset(tmp_path / "a.ome.zarr").status == "complete"


def test_options_of_install_reach_string_paths(core: CMMCorePlus, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.install(core, compression="gzip"):
        core.mda.run(useq.MDASequence(channels=["DAPI"]), output=path)
    assert '"gzip"' in (path / "0" / "zarr.json").read_text()
    with pytest.raises(TypeError):
        po.install(core, colour="red")
    with pytest.raises(errors.OptionError):
        po.install(core, backend="nonesuch")


def test_run_mda_in_a_thread_is_saved(core: CMMCorePlus, tmp_path: Path) -> None:
    with po.install(core), listening(core) as delivered:
        core.run_mda(SEQUENCE, output=str(tmp_path / "a.zarr")).join()
    assert len(check_saved(tmp_path / "a.zarr", delivered)) == 12


def test_list_of_outputs_serves_all_of_them(core: CMMCorePlus, tmp_path: Path) -> None:
    class Handler:
        def __init__(self) -> None:
            self.frames = 0

        def frameReady(self, image: Any, event: Any, meta: Any) -> None:
            self.frames += 1

    handler = Handler()
    outputs = [str(tmp_path / "a.ome.zarr"), handler, po.Output(tmp_path / "b.ome.zarr")]
    with po.install(core), listening(core) as delivered:
        core.mda.run(SEQUENCE, output=outputs)
    assert handler.frames == 12
    check_saved(tmp_path / "a.ome.zarr", delivered)
    check_saved(tmp_path / "b.ome.zarr", delivered)


def test_runs_that_are_not_ours_go_where_they_always_went(core: CMMCorePlus) -> None:
    with po.install(core), listening(core) as delivered:
        core.mda.run(SEQUENCE)
        core.mda.run(SEQUENCE, output="memory")
        core.mda.run(iter(list(SEQUENCE)[:2]))
    assert len(delivered) == 26


def test_existing_path_is_refused_before_anything_moves(core: CMMCorePlus, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.install(core), listening(core) as delivered:
        core.mda.run(SEQUENCE, output=path)
        with pytest.raises(errors.StoreExistsError):
            core.mda.run(SEQUENCE, output=path)
        assert len(delivered) == 12
        core.mda.run(SEQUENCE, output=path, overwrite=True)
    check_saved(path, delivered[12:])


@pytest.mark.parametrize(
    "sequence",
    [
        useq.MDASequence(time_plan={"interval": 0, "duration": 3}),
        useq.MDASequence(channels=[{"config": "DAPI", "do_stack": False}], z_plan={"relative": []}),
    ],
    ids=["divides by zero", "no plane"],
)
def test_sequence_that_useq_cannot_iterate_is_refused_and_nothing_is_left(
    core: CMMCorePlus, tmp_path: Path, sequence: Any
) -> None:
    with po.install(core), listening(core) as delivered, pytest.raises(errors.SequenceError):
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    assert delivered == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["a.png", "a", ""])
def test_output_refuses_an_unknown_suffix_at_once(path: str) -> None:
    with pytest.raises(errors.PymmcoreOmeError):
        po.Output(path)


def test_two_outputs_on_one_path_are_refused(core: CMMCorePlus, tmp_path: Path) -> None:
    path = str(tmp_path / "a.ome.zarr")
    with po.install(core), pytest.raises(errors.AcquisitionError, match="same path"):
        core.mda.run(SEQUENCE, output=[path, path])


def test_cancel_leaves_a_valid_store_that_says_so(core: CMMCorePlus, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    sequence = SEQUENCE.replace(time_plan={"interval": 0.05, "loops": 100})
    output = po.Output(path)

    def stop(*_: Any) -> None:
        if len(delivered) == 5:
            core.mda.cancel()

    with po.install(core), listening(core) as delivered:
        core.mda.events.frameReady.connect(stop)
        core.mda.run(sequence, output=output)
        core.mda.events.frameReady.disconnect(stop)
    assert output.result().status == po.open_dataset(path).status == "canceled"
    assert 5 <= len(delivered) < 1200
    check_saved(path, delivered)


@needs_skip_event
def test_failed_snap_and_skipped_event_leave_holes_and_shift_nothing(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = core.mda.engine
    snap, setup = core.snapImage, type(engine).setup_event
    count = 0

    def snap_that_fails() -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise RuntimeError("no image today")
        snap()

    def setup_that_skips(self: Any, event: Any) -> None:
        if dict(event.index) == {"p": 0, "c": 1, "z": 1}:
            raise SkipEvent(reason="clouds")
        setup(self, event)

    monkeypatch.setattr(core, "snapImage", snap_that_fails)
    monkeypatch.setattr(type(engine), "setup_event", setup_that_skips)
    path = tmp_path / "a.ome.zarr"
    with po.install(core), listening(core) as delivered:
        core.mda.run(SEQUENCE, output=path)
    assert len(check_saved(path, delivered)) == 10
    assert po.open_dataset(path).record.frames["skipped"] == 2
    assert "2 of 12 planned frames are missing" in po.validate(path)[0]


class FullDisk(TensorstoreBackend):
    """Has room for two frames."""

    name = "full-disk"
    written = 0

    def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
        self.written += 1
        if self.written > 2:
            raise OSError(28, "No space left on device")
        return super().write(image, start, block)


def test_write_error_stops_the_run_and_is_raised(core: CMMCorePlus, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    output = po.Output(path, backend=FullDisk, buffer_bytes=1)
    sequence = SEQUENCE.replace(time_plan={"interval": 0, "loops": 50})
    with po.install(core), listening(core) as delivered:
        with pytest.raises(errors.WriteError, match="No space left"):
            core.mda.run(sequence, output=output)
        assert len(delivered) < 10
        with pytest.raises(errors.WriteError):
            output.result()
        assert po.open_dataset(path).status == "failed"
        assert len(po.open_dataset(path).frames()) == 2
        core.mda.run(SEQUENCE, output=tmp_path / "next.ome.zarr")  # the core is in order
    assert po.open_dataset(tmp_path / "next.ome.zarr").status == "complete"


def test_roi_changed_in_the_middle_is_refused_and_what_was_written_is_safe(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    path = tmp_path / "a.ome.zarr"

    def crop(*_: Any) -> None:
        if len(delivered) == 3:
            core.setROI(0, 0, 64, 32)

    with po.install(core), listening(core) as delivered:
        core.mda.events.frameReady.connect(crop)
        with pytest.raises(errors.FrameError, match="Check the camera's ROI"):
            core.mda.run(SEQUENCE, output=path)
        core.mda.events.frameReady.disconnect(crop)
    check_saved(path, delivered)
    assert po.open_dataset(path).status == "failed"


def test_engine_error_is_raised_as_it_is_and_noted(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the shutter fell off")

    path = tmp_path / "a.ome.zarr"
    monkeypatch.setattr(core, "getImage", broken)
    with po.install(core), pytest.raises(RuntimeError, match="the shutter fell off"):
        core.mda.run(SEQUENCE, output=path)
    dataset = po.open_dataset(path)
    assert dataset.status == "failed"
    assert "the shutter fell off" in (dataset.record.reason or "")


def test_roi_and_binning_set_before_the_run_are_in_the_schema(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    core.setProperty("Camera", "Binning", "2")
    core.setROI(10, 20, 100, 60)
    with po.install(core), listening(core) as delivered:
        core.mda.run(SEQUENCE, output=tmp_path / "a.ome.zarr")
    check_saved(tmp_path / "a.ome.zarr", delivered)
    image = po.open_dataset(tmp_path / "a.ome.zarr").images[0]
    assert image.shape[-2:] == (60, 100)
    assert image.layout.axes[-1].scale == pytest.approx(0.65)


def test_grid_moves_the_stage_as_without_us(core: CMMCorePlus, tmp_path: Path) -> None:
    grid = {"rows": 2, "columns": 2}
    plain, saved = (
        useq.MDASequence(channels=["DAPI"], grid_plan=grid, stage_positions=[(5, 5, 0)])
        for _ in range(2)
    )
    with po.install(core), listening(core) as delivered:
        core.mda.run(plain)
        core.mda.run(saved, output=tmp_path / "a.ome.zarr")
    places = [(event.x_pos, event.y_pos) for _, event, _ in delivered]
    assert places[:4] == places[4:]
    assert max(x for x, _ in places) - min(x for x, _ in places) == pytest.approx(SMALL[0] * 0.325)
    images = po.open_dataset(tmp_path / "a.ome.zarr").images
    np.testing.assert_allclose([(i.position.x_um, i.position.y_um) for i in images], places[:4])


def test_second_run_waits_until_the_first_has_finished(core: CMMCorePlus, tmp_path: Path) -> None:
    with po.install(core):
        threads = [
            threading.Thread(
                target=core.mda.run, args=(SEQUENCE,), kwargs={"output": tmp_path / f"{n}.ome.zarr"}
            )
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_S)
    for n in range(2):
        assert po.validate(tmp_path / f"{n}.ome.zarr") == []


def test_output_without_install_is_a_frame_ready_handler(core: CMMCorePlus, tmp_path: Path) -> None:
    output = po.Output(tmp_path / "a.ome.zarr")
    with pytest.raises(errors.AcquisitionError, match="No run"):
        output.result()
    with listening(core) as delivered:
        core.mda.run(SEQUENCE, output=output)
    assert output.result().frames_written == 12
    check_saved(tmp_path / "a.ome.zarr", delivered)


def test_output_without_install_keeps_its_error_and_cancels_the_run(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    output = po.Output(tmp_path / "a.ome.zarr", backend=FullDisk, buffer_bytes=1, core=core)
    endless = SEQUENCE.replace(time_plan={"interval": 0, "loops": 5000})
    with listening(core) as delivered:
        core.mda.run(endless, output=output)
    assert len(delivered) < 60_000
    with pytest.raises(errors.WriteError, match="No space left"):
        output.result()
    assert po.open_dataset(tmp_path / "a.ome.zarr").status == "failed"


@pytest.mark.parametrize("is_uninstalled", [False, True])
def test_core_runner_and_engine_are_freed(tmp_path: Path, is_uninstalled: bool) -> None:
    core = CMMCorePlus()
    core.loadSystemConfiguration()
    installation = po.install(core)
    core.mda.run(useq.MDASequence(channels=["DAPI"]), output=tmp_path / "a.ome.zarr")
    if is_uninstalled:
        installation.uninstall()
    kept = [weakref.ref(core), weakref.ref(core.mda), weakref.ref(core.mda.engine)]
    del core, installation
    gc.collect()
    assert [ref() for ref in kept] == [None] * 3


def test_output_without_install_ends_its_store_where_the_last_signal_is_lost(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the relay is stopped before it is handed sequenceFinished, and sometimes ends in between
    monkeypatch.setattr(MDARelayThread, "sequenceFinished", lambda self, *args: None)
    output = po.Output(tmp_path / "a.ome.zarr", overwrite=True, core=core)
    for _ in range(2):
        core.mda.run(SEQUENCE, output=output)
        assert output.result().frames_written == 12
        assert po.open_dataset(output.path).status == "complete"
    full = po.Output(tmp_path / "b.ome.zarr", backend=FullDisk, core=core)
    core.mda.run(SEQUENCE, output=full)
    with pytest.raises(errors.WriteError, match="No space left"):
        full.result()
    assert po.open_dataset(full.path).status == "failed"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_output_without_install_stops_the_run_where_its_signals_end(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    class Raising:
        def frameReady(self) -> None:
            raise RuntimeError("a handler's own fault")

    endless = SEQUENCE.replace(time_plan={"interval": 0, "loops": 5000})
    output = po.Output(tmp_path / "a.ome.zarr", core=core)
    with listening(core) as delivered:
        core.mda.run(endless, output=[output, Raising()])
    assert len(delivered) < 60_000
    with pytest.raises(errors.AcquisitionError, match="ended before the run"):
        output.result()
    assert po.open_dataset(output.path).status == "failed"
