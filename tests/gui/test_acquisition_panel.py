"""The acquisition panel: real widgets driven through run, pause, cancel, error and restart."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import useq
import zarr
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import DEMO
from helpers import read_by_zarr
from pymmcore_ome import errors
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend

from .conftest import GUARD_MS, sequence_of
from .qt import need_qt
from .test_acquisition_run import FullDisk

need_qt()

from qtpy.QtCore import Qt  # noqa: E402
from qtpy.QtWidgets import QDoubleSpinBox  # noqa: E402

from pymmcore_ome.gui import AcquisitionPanel, SaveSettings  # noqa: E402
from pymmcore_ome.gui.acquisition_panel import way_for  # noqa: E402

Make = Callable[..., AcquisitionPanel]
Wait = Callable[[Callable[[], bool]], None]
ENDLESS = 100_000  # of which few are acquired


class StuckDisk(TensorstoreBackend):
    """Takes nothing until it is let go."""

    let_go = threading.Event()

    def write(self, *args: Any, **options: Any) -> Any:
        assert self.let_go.wait(GUARD_MS / 1000)
        return super().write(*args, **options)


@contextmanager
def frames_seen(core: CMMCorePlus) -> Iterator[dict[tuple[int, ...], np.ndarray]]:
    """Keep every frame as it came, by its index, in the acquisition's thread."""
    seen: dict[tuple[int, ...], np.ndarray] = {}

    def keep(pixels: np.ndarray, event: useq.MDAEvent, meta: Any) -> None:
        seen[tuple(event.index[axis] for axis in "tpc")] = pixels.copy()

    core.mda.events.frameReady.connect(keep, Qt.ConnectionType.DirectConnection)
    yield seen
    core.mda.events.frameReady.disconnect(keep)


def click(qtbot: Any, button: Any) -> None:
    assert button.isEnabled(), f"{button.text()} is not to be clicked now"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def run(qtbot: Any, panel: AcquisitionPanel, wait_until: Wait) -> None:
    """Click on Run, and wait for the end."""
    click(qtbot, panel.run_bar.run)
    wait_until(lambda: not panel.is_running)


def test_run_saves_every_frame_where_it_belongs(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel()
    with frames_seen(qt_core) as seen:
        run(qtbot, panel, wait_until)
    path = tmp_path / "cells_001.ome.zarr"
    assert "Saved" in panel.messages.text
    assert str(path) in panel.messages.text
    assert po.validate(path, pixels=True) == []
    assert po.open_dataset(path).status == "complete"
    images = [read_by_zarr(path, image) for image in "01"]
    assert len(seen) == 12
    for (t, p, c), pixels in seen.items():
        np.testing.assert_array_equal(images[p][t, c], pixels)
    assert "12 of 12 frames" in panel.run_bar.text
    assert panel.run_bar.run.isEnabled()
    assert not panel.run_bar.cancel.isEnabled()
    wait_until(lambda: panel.save_panel.estimate.path == tmp_path / "cells_002.ome.zarr")


def test_pause_holds_the_run_and_resume_goes_on(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel(sequence_of(20), format="ome-tiff")
    is_clicked = threading.Event()

    def hold(*_: object) -> None:
        if len(seen) > 3:  # or the run is over before the click, on a busy machine
            assert is_clicked.wait(GUARD_MS / 1000)

    with frames_seen(qt_core) as seen:
        qt_core.mda.events.frameReady.connect(hold, Qt.ConnectionType.DirectConnection)
        click(qtbot, panel.run_bar.run)
        wait_until(lambda: len(seen) > 3)
        click(qtbot, panel.run_bar.pause)
        is_clicked.set()
        wait_until(lambda: "Paused" in panel.run_bar.text)
        assert qt_core.mda.is_paused()
        assert panel.run_bar.pause.text() == "Resume"
        held = len(seen)
        assert held < 80
        qtbot.wait(300)
        assert len(seen) == held
        click(qtbot, panel.run_bar.pause)
        wait_until(lambda: not panel.is_running)
        qt_core.mda.events.frameReady.disconnect(hold)
    path = tmp_path / "cells_001.ome.tiff"
    assert "Saved" in panel.messages.text
    with tifffile.TiffFile(path) as file:
        images = [series.asarray() for series in file.series]
    assert len(seen) == 80
    for (t, p, c), pixels in seen.items():
        np.testing.assert_array_equal(images[p][t, c], pixels)
    assert panel.run_bar.pause.text() == "Pause"


@pytest.mark.parametrize("form", ["ome-zarr", "ome-tiff"])
def test_unfinished_run_is_continued(
    qtbot: Any,
    qt_core: CMMCorePlus,
    make_panel: Make,
    tmp_path: Path,
    wait_until: Wait,
    form: str,
) -> None:
    panel = make_panel(format=form)
    path = tmp_path / ("cells_001.ome.zarr" if form == "ome-zarr" else "cells_001.ome.tiff")
    assert panel.run_bar.go_on.isHidden()
    with frames_seen(qt_core) as seen:

        def cancel(*_: object) -> None:
            if len(seen) == 5:
                qt_core.mda.cancel()

        qt_core.mda.events.frameReady.connect(cancel, Qt.ConnectionType.DirectConnection)
        run(qtbot, panel, wait_until)
        qt_core.mda.events.frameReady.disconnect(cancel)
        assert po.open_dataset(path).status == "canceled"
        wait_until(lambda: not panel.run_bar.go_on.isHidden())
        assert path.name in panel.run_bar.go_on.toolTip()
        click(qtbot, panel.run_bar.go_on)
        wait_until(lambda: not panel.is_running)
        assert "7 added to the 5 from before" in panel.messages.text
        assert len(seen) == 12
    dataset = po.open_dataset(path)
    assert dataset.status == "complete"
    assert [run["frames"] for run in dataset.runs] == [5, 7]
    assert po.validate(path, pixels=True) == []
    for (t, p, c), pixels in seen.items():
        np.testing.assert_array_equal(dataset.images[p][t, c], pixels)
    wait_until(panel.run_bar.go_on.isHidden)
    run(qtbot, panel, wait_until)  # a new one
    assert po.open_dataset(path.with_name(path.name.replace("001", "002"))).status == "complete"


def test_another_sequence_is_not_offered_to_continue(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel()

    def cancel(*_: object) -> None:
        qt_core.mda.cancel()

    qt_core.mda.events.frameReady.connect(cancel, Qt.ConnectionType.DirectConnection)
    run(qtbot, panel, wait_until)
    qt_core.mda.events.frameReady.disconnect(cancel)
    wait_until(lambda: not panel.run_bar.go_on.isHidden())
    panel.editor.setValue(sequence_of(4))
    wait_until(panel.run_bar.go_on.isHidden)
    panel.editor.setValue(sequence_of())
    wait_until(lambda: not panel.run_bar.go_on.isHidden())


@pytest.mark.parametrize("is_paused", [False, True])
def test_cancel_leaves_what_came(
    qtbot: Any,
    qt_core: CMMCorePlus,
    make_panel: Make,
    tmp_path: Path,
    wait_until: Wait,
    is_paused: bool,
) -> None:
    panel = make_panel(sequence_of(ENDLESS))
    with frames_seen(qt_core) as seen:
        click(qtbot, panel.run_bar.run)
        wait_until(lambda: len(seen) > 3)
        if is_paused:
            click(qtbot, panel.run_bar.pause)
            wait_until(lambda: "Paused" in panel.run_bar.text)
        click(qtbot, panel.run_bar.cancel)
        wait_until(lambda: not panel.is_running)
    assert "Canceled; the frames acquired so far are saved" in panel.messages.text
    dataset = po.open_dataset(tmp_path / "cells_001.ome.zarr")
    assert dataset.status == "canceled"
    rows = dataset.frames()
    assert len(rows) == len(seen)
    images = [zarr.open_array(dataset.path / image / "0", mode="r") for image in "01"]
    for (t, p, c), pixels in seen.items():
        np.testing.assert_array_equal(images[p][t, c], pixels)


def test_disk_error_is_a_message_and_the_panel_runs_again(
    qtbot: Any, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel(sequence_of(20), backend=FullDisk)
    run(qtbot, panel, wait_until)
    assert "Frames could not be written: the acquisition was stopped" in panel.messages.text
    assert "The disk is full. Free some space" in panel.messages.text
    assert "Failed" in panel.run_bar.text
    assert po.open_dataset(tmp_path / "cells_001.ome.zarr").status == "failed"
    panel.save_panel.backend.choose("zarr-python")
    run(qtbot, panel, wait_until)
    assert "Saved" in panel.messages.text
    assert po.validate(tmp_path / "cells_002.ome.zarr", pixels=True) == []
    assert po.open_dataset(tmp_path / "cells_001.ome.zarr").status == "failed"


def test_restarts_never_overwrite(
    qtbot: Any, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel()
    for _ in range(3):
        run(qtbot, panel, wait_until)
        assert "Saved" in panel.messages.text
    names = [f"cells_{n:03d}.ome.zarr" for n in (1, 2, 3)]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    assert all(po.validate(tmp_path / name) == [] for name in names)


def test_a_folder_that_cannot_be_used_is_refused_before_anything_moves(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    (tmp_path / "file").touch()
    panel = make_panel(folder=tmp_path / "file")
    with frames_seen(qt_core) as seen:
        run(qtbot, panel, wait_until)
    assert "The acquisition cannot be saved there" in panel.messages.text
    assert "Choose another folder" in panel.messages.text
    assert seen == {}
    assert panel.run_bar.run.isEnabled()
    assert panel.run_bar.text == ""


@pytest.mark.parametrize("is_on", [True, False])
def test_a_channel_that_the_microscope_lacks_is_refused_before_anything_moves(
    qtbot: Any,
    qt_core: CMMCorePlus,
    make_panel: Make,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    is_on: bool,
) -> None:
    """As when a group of channels was changed after the panel was filled in."""
    sequence = sequence_of(channels=[{"config": "DAPI", "exposure": 1}, {"config": "Cy7"}])
    panel = make_panel(is_on=is_on)
    monkeypatch.setattr(panel.editor, "value", lambda: sequence)
    monkeypatch.setattr(panel.editor, "value", lambda: sequence)  # whose tables hold no Cy7
    where = qt_core.getXYPosition()
    with frames_seen(qt_core) as seen:
        run(qtbot, panel, wait_until)
    assert "The acquisition cannot be run like this" in panel.messages.text
    assert "has no channel 'Cy7'" in panel.messages.text
    assert "channels: DAPI, FITC, Rhodamine" in panel.messages.text
    assert (seen, qt_core.getXYPosition()) == ({}, where)
    assert list(tmp_path.iterdir()) == []
    assert panel.run_bar.run.isEnabled()
    wait_until(lambda: "has no channel 'Cy7'" in panel.save_panel._problem.text())


def test_all_cameras_are_asked_only_when_one_has_changed(
    qtbot: Any,
    no_icons_from_the_network: None,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each becomes the active one for that, which the core tells as if a camera had changed."""
    from pymmcore_ome.gui import planned_run as plan

    asked: list[str] = []
    ask = plan.image_infos_of_all

    def counted(core: CMMCorePlus) -> Any:
        asked.append(core.getCameraDevice())
        return ask(core)

    monkeypatch.setattr(plan, "image_infos_of_all", counted)
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "two_kinds_of_camera.cfg")
    settings = SaveSettings(folder=tmp_path, name="cells")
    panel = AcquisitionPanel(core, settings=settings, measures_disk=False)
    qtbot.addWidget(panel)
    for loops in (2, 3):
        panel.editor.setValue(useq.MDASequence(time_plan={"interval": 0, "loops": loops}))
        wait_until(lambda loops=loops: panel.save_panel.estimate.frames == loops)
    assert len(asked) == 1
    before = panel.save_panel.estimate.nbytes
    core.setProperty(core.getCameraDevice(), "Binning", 2)
    wait_until(lambda: panel.save_panel.estimate.nbytes == (before or 0) // 4)
    assert len(asked) == 2
    run(qtbot, panel, wait_until)
    assert po.validate(tmp_path / "cells_001.ome.zarr", pixels=True) == []


def test_a_disk_that_is_too_small_is_told_before_the_start(
    qtbot: Any,
    make_panel: Make,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    panel = make_panel()
    run(qtbot, panel, wait_until)
    assert "The disk may be full before the end" in panel.messages.text
    assert list(tmp_path.iterdir()) == []
    assert panel.messages.action.text() == "Start anyway"
    click(qtbot, panel.messages.action)
    wait_until(lambda: not panel.is_running)
    assert "Saved" in panel.messages.text


@pytest.mark.parametrize("changed", ["folder", "name", "sequence", "sequence, unnoticed"])
def test_a_question_about_values_that_changed_disappears(
    qtbot: Any,
    make_panel: Make,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    changed: str,
) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    panel = make_panel()
    run(qtbot, panel, wait_until)
    assert panel.messages.action.text() == "Start anyway"
    other = tmp_path / "other"
    other.mkdir()
    if changed == "folder":
        panel.save_panel.folder.selectAll()
        qtbot.keyClicks(panel.save_panel.folder, str(other))
    elif changed == "name":
        qtbot.keyClicks(panel.save_panel.name, "2")
    elif changed == "sequence":
        panel.editor.setValue(sequence_of(1))
    if changed != "sequence, unnoticed":
        assert panel.messages.text == ""
        assert not panel.messages.isVisible()
        return
    sequence = sequence_of(1)
    monkeypatch.setattr(panel.editor, "value", lambda: sequence)
    click(qtbot, panel.messages.action)
    wait_until(lambda: not panel.is_running)
    assert list(tmp_path.iterdir()) == [other]
    assert "The disk has too little space" in panel.messages.text  # of the new sequence
    click(qtbot, panel.messages.action)
    wait_until(lambda: not panel.is_running)
    assert len(po.open_dataset(tmp_path / "cells_001.ome.zarr").frames()) == 4


def test_nothing_is_saved_where_saving_is_switched_off(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel(is_on=False)
    with frames_seen(qt_core) as seen:
        run(qtbot, panel, wait_until)
    assert len(seen) == 12
    assert list(tmp_path.iterdir()) == []
    assert "Complete" in panel.run_bar.text


def test_frames_that_did_not_come_are_told(
    qtbot: Any,
    qt_core: CMMCorePlus,
    make_panel: Make,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    snap, count = qt_core.snapImage, 0

    def snap_that_fails_once() -> None:
        nonlocal count
        count += 1
        if count == 4:
            raise RuntimeError("camera timed out")
        snap()

    monkeypatch.setattr(qt_core, "snapImage", snap_that_fails_once)
    panel = make_panel()
    run(qtbot, panel, wait_until)
    assert "Saved, but 1 frame of 12 is missing" in panel.messages.text
    assert len(po.open_dataset(tmp_path / "cells_001.ome.zarr").frames()) == 11


def test_view_shows_the_newest_frame_with_its_place(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, wait_until: Wait
) -> None:
    panel = make_panel(
        useq.MDASequence(
            stage_positions=[{"x": 1, "y": 2, "z": 0, "name": "left"}],
            channels=[{"config": "FITC", "exposure": 1}],
        )
    )
    assert panel.view.caption == "No frame yet"
    with frames_seen_once(qt_core) as seen:
        run(qtbot, panel, wait_until)
    assert panel.view.caption == "Position left · FITC · Camera"
    image = panel.view.image
    assert image is not None
    shown = np.array([[image.pixelColor(x, y).red() for x in range(64)] for y in range(48)])
    order = np.argsort(seen[0].ravel(), kind="stable")
    assert (np.diff(shown.ravel()[order]) >= 0).all()  # the same picture, stretched
    assert (shown.min(), shown.max()) == (0, 255)


@contextmanager
def frames_seen_once(core: CMMCorePlus) -> Iterator[list[np.ndarray]]:
    seen: list[np.ndarray] = []

    def keep(pixels: np.ndarray, event: useq.MDAEvent, meta: Any) -> None:
        seen.append(pixels.copy())

    core.mda.events.frameReady.connect(keep, Qt.ConnectionType.DirectConnection)
    yield seen
    core.mda.events.frameReady.disconnect(keep)


def test_panel_goes_on_working_while_the_disk_takes_nothing(
    qtbot: Any, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    StuckDisk.let_go.clear()
    panel = make_panel(sequence_of(ENDLESS), backend=StuckDisk)
    click(qtbot, panel.run_bar.run)
    wait_until(lambda: "0 of 400,000 frames" in panel.run_bar.text)
    wait_until(lambda: panel.view.caption != "No frame yet")
    click(qtbot, panel.run_bar.cancel)
    wait_until(lambda: "Writing the last frames" in panel.run_bar.text)
    assert panel.is_running
    panel.arrangement.resize(500, 500)  # and is drawn anew meanwhile
    StuckDisk.let_go.set()
    wait_until(lambda: not panel.is_running)
    dataset = po.open_dataset(tmp_path / "cells_001.ome.zarr")
    assert dataset.status == "canceled"
    assert len(dataset.frames()) >= 1


def test_a_run_that_was_started_elsewhere_is_watched_and_cancelled(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel()
    thread = qt_core.run_mda(sequence_of(ENDLESS))
    wait_until(lambda: "started elsewhere" in panel.run_bar.text)
    assert not panel.run_bar.run.isEnabled()
    assert not panel.save_panel.isEnabled()
    click(qtbot, panel.run_bar.pause)
    wait_until(lambda: panel.run_bar.pause.text() == "Resume")
    click(qtbot, panel.run_bar.pause)
    wait_until(lambda: panel.run_bar.pause.text() == "Pause")
    click(qtbot, panel.run_bar.cancel)
    wait_until(lambda: not thread.is_alive())
    wait_until(panel.run_bar.run.isEnabled)
    assert panel.run_bar.text == "The acquisition that was started elsewhere has ended"
    assert list(tmp_path.iterdir()) == []
    run(qtbot, panel, wait_until)
    assert "Saved" in panel.messages.text


def test_cancel_while_it_is_checked_starts_nothing(
    qtbot: Any,
    qt_core: CMMCorePlus,
    make_panel: Make,
    tmp_path: Path,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panel = make_panel()
    gate = threading.Event()
    from pymmcore_ome.gui import acquisition_panel

    reckon = acquisition_panel.estimate_of

    def slow(*args: Any) -> Any:
        assert gate.wait(GUARD_MS / 1000)
        return reckon(*args)

    monkeypatch.setattr(acquisition_panel, "estimate_of", slow)
    click(qtbot, panel.run_bar.run)
    assert "Checking" in panel.run_bar.text
    click(qtbot, panel.run_bar.cancel)
    gate.set()
    wait_until(lambda: not panel._checking.is_busy)
    assert not panel.is_running
    assert panel.run_bar.text == ""
    assert list(tmp_path.iterdir()) == []


def test_an_exception_in_the_panel_is_a_message(
    qtbot: Any, make_panel: Make, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    panel = make_panel()

    def broken() -> useq.MDASequence:
        raise KeyError("a table without a column")

    monkeypatch.setattr(panel.editor, "value", broken)
    click(qtbot, panel.run_bar.run)
    assert "unexpected error" in panel.messages.text
    assert not panel.is_running
    click(qtbot, panel.messages.dismiss)
    assert panel.messages.text == ""


def test_settings_are_saved_and_loaded_with_a_sequence(
    qtbot: Any, make_panel: Make, tmp_path: Path
) -> None:
    panel = make_panel(format="ome-tiff", compression="zstd")
    panel.editor.save(tmp_path / "plan.yaml")
    panel.save_panel.set_settings(panel.save_panel.settings.replace(name="b", format="ome-zarr"))
    panel.editor.load(tmp_path / "plan.yaml")
    chosen = panel.save_panel.settings
    assert (chosen.name, chosen.format, chosen.compression) == ("cells", "ome-tiff", "zstd")
    assert len(list(panel.editor.value())) == 12


def test_numbers_in_tables_can_be_read(make_panel: Make, wait_until: Wait) -> None:
    panel = make_panel()
    panel.editor.tab_wdg.setCurrentWidget(panel.editor.channels)
    boxes = [box for box in panel.editor.findChildren(QDoubleSpinBox) if box.isVisible()]
    assert sum(box.text() == "1.00" for box in boxes) == 2  # the exposures
    wait_until(lambda: all(box.lineEdit().width() > 20 for box in boxes))


def test_a_file_that_is_no_sequence_is_a_message(make_panel: Make, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("channels: [3")
    panel = make_panel()
    for name in ("bad.yaml", "missing.yaml"):
        panel.messages.put_away()
        panel.editor.load(tmp_path / name)
        assert "not a sequence that the panel can show" in panel.messages.text
    panel.editor.save(tmp_path / "plan.exe")
    assert "could not be saved" in panel.messages.text


def test_a_sequence_that_would_be_shown_as_another_is_not_loaded(
    make_panel: Make, tmp_path: Path
) -> None:
    panel = make_panel()
    before = panel.editor.value()
    other = useq.MDASequence(channels=["DAPI", "Cy7"])
    (tmp_path / "other.yaml").write_text(other.yaml())
    panel.editor.load(tmp_path / "other.yaml")
    assert (
        "DAPI of Channel, Cy7 of Channel would become DAPI of Channel, DAPI" in panel.messages.text
    )
    assert panel.editor.value().channels == before.channels
    assert list(panel.editor.value()) == list(before)


def test_a_refused_sequence_leaves_the_editor_as_it_was(make_panel: Make) -> None:
    """The stage must not move to a position that was never entered."""
    panel = make_panel(useq.MDASequence(channels=["DAPI"], z_plan={"range": 2, "step": 1}))
    tabs = panel.editor.tab_wdg
    plans = [tabs.channels, tabs.time_plan, tabs.z_plan, tabs.stage_positions, tabs.grid_plan]
    before = [tabs.isChecked(plan) for plan in plans], list(panel.editor.value())
    panel.editor.setValue(useq.MDASequence(channels=["Cy7"], stage_positions=[(5, 5, 5)]))
    assert "Cy7" in panel.messages.text
    assert ([tabs.isChecked(plan) for plan in plans], list(panel.editor.value())) == before
    assert not tabs.isChecked(tabs.stage_positions)


def test_every_demo_sequence_is_shown_as_it_is_or_refused(make_panel: Make) -> None:
    """One after the other: what was shown before leaves nothing behind."""
    panel = make_panel()
    refused = []
    for file in [*sorted(DEMO.glob("*.yaml")), DEMO / "multi_position.yaml"]:
        sequence = useq.MDASequence.from_file(file)
        panel.messages.put_away()
        panel.editor.load(file)
        if panel.messages.text:
            refused.append(file.stem)
            continue
        shown = list(panel.editor.value())
        assert len(shown) == len(list(sequence)), file.stem
        for one, other in zip(sequence, shown, strict=True):
            assert other.channel == one.channel
            assert dict(one.index).items() <= dict(other.index).items()
    assert refused == ["random_points"]


def test_a_panel_that_is_closed_loses_nothing(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel(sequence_of(30), is_kept=False)
    gone: list[bool] = []
    panel.destroyed.connect(lambda: gone.append(True))
    with frames_seen(qt_core) as seen:
        click(qtbot, panel.run_bar.run)
        wait_until(lambda: len(seen) > 2)
        panel.deleteLater()
        wait_until(lambda: bool(gone))
        wait_until(lambda: not any(t.name == "pymmcore-ome run" for t in threading.enumerate()))
    assert len(seen) == 120
    assert po.validate(tmp_path / "cells_001.ome.zarr", pixels=True) == []


def test_a_panel_that_is_let_go_is_gone_at_once_and_its_run_goes_on(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    """Neither the garbage collector nor the acquisition's thread may be who destroys it."""
    panel = make_panel(sequence_of(30), is_kept=False)
    run(qtbot, panel, wait_until)
    with frames_seen(qt_core) as seen:
        click(qtbot, panel.run_bar.run)
        wait_until(lambda: len(seen) > 2)
        left = weakref.ref(panel)
        assert not gc.isenabled()
        del panel
        assert left() is None
        wait_until(lambda: not any(t.name == "pymmcore-ome run" for t in threading.enumerate()))
    assert len(seen) == 120
    assert po.validate(tmp_path / "cells_002.ome.zarr", pixels=True) == []


def test_a_core_that_was_made_before_qt_is_refused(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYMM_SIGNALS_BACKEND", "psygnal")  # as without a QApplication
    with pytest.raises(errors.AcquisitionError, match="Create the QApplication first"):
        AcquisitionPanel(CMMCorePlus())


@pytest.mark.parametrize(
    ("size", "way"), [((1180, 860), "side by side"), ((640, 480), "tabs"), ((600, 1100), "below")]
)
def test_parts_are_arranged_by_the_room(
    qtbot: Any, make_panel: Make, wait_until: Wait, size: tuple[int, int], way: str
) -> None:
    panel = make_panel()
    panel.resize(*size)
    wait_until(lambda: panel.arrangement.way == way)
    assert (panel.width(), panel.height()) == size, "the panel needs more room than it has"
    run(qtbot, panel, wait_until)
    assert "Saved" in panel.messages.text
    assert panel.viewer.isVisible()
    assert panel.run_bar.isVisible()
    assert way_for(*size) == way
