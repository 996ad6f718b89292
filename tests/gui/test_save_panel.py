"""The save panel: real widgets, typed into and clicked."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pymmcore_plus import CMMCorePlus
from pymmcore_plus.metadata import summary_metadata

import pymmcore_ome as po
from pymmcore_ome import errors
from pymmcore_ome.gui import SaveSettings

from .conftest import GUARD_MS, sequence_of
from .qt import need_qt

need_qt()

import qtpy  # noqa: E402
from qtpy.QtCore import QCoreApplication, QEvent, QObject, Qt, Signal  # noqa: E402
from qtpy.QtGui import QColor, QPalette  # noqa: E402
from qtpy.QtWidgets import QFileDialog  # noqa: E402

from pymmcore_ome.gui import SavePanel  # noqa: E402
from pymmcore_ome.gui.guard import Background, from_any_thread, guarded  # noqa: E402
from pymmcore_ome.gui.message_bar import Note, color_of  # noqa: E402
from pymmcore_ome.gui.planned_run import PlannedRun  # noqa: E402

Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture
def panel(qtbot: Any, tmp_path: Path) -> SavePanel:
    made = SavePanel(SaveSettings(folder=tmp_path, name="cells"), measures_disk=False)
    qtbot.addWidget(made)
    made.show()
    return made


def type_into(qtbot: Any, line: Any, text: str) -> None:
    line.selectAll()
    qtbot.keyClicks(line, text)


def test_what_is_typed_becomes_settings_and_the_next_name(
    qtbot: Any, panel: SavePanel, tmp_path: Path, wait_until: Wait
) -> None:
    (tmp_path / "beads_004.ome.tiff").touch()
    type_into(qtbot, panel.name, "beads.ome.tiff")
    qtbot.keyClick(panel.name, Qt.Key.Key_Return)
    assert panel.settings.name == panel.name.text() == "beads"
    assert panel.format.currentText() == "OME-TIFF"
    assert not panel.chunks.isEnabled()
    wait_until(lambda: panel.estimate.path == tmp_path / "beads_005.ome.tiff")
    assert panel._target.text() == "Next: beads_005.ome.tiff"
    output = panel.output()
    assert output is not None
    assert output.path == tmp_path / "beads_005.ome.tiff"


@pytest.mark.parametrize(
    "text", ["/a/b", "/a//b/", "~/a/b c/", "a/", "/", "C:\\data\\x", "/a/./b/../c/"]
)
def test_a_folder_is_typed_key_by_key(qtbot: Any, panel: SavePanel, text: str) -> None:
    type_into(qtbot, panel.folder, text)
    assert panel.folder.text() == text
    assert panel.settings.folder == Path(text)
    for _ in text:
        qtbot.keyClick(panel.folder, Qt.Key.Key_Backspace)
    assert panel.folder.text() == ""


@pytest.mark.parametrize("text", ["cells 3", "a.b.c", " a", "run_007"])
def test_a_name_is_typed_key_by_key(qtbot: Any, panel: SavePanel, text: str) -> None:
    type_into(qtbot, panel.name, text)
    assert panel.name.text() == panel.settings.name == text


def test_choices_follow_the_format(panel: SavePanel) -> None:
    panel.backend.choose("zarr-python")
    panel.compression.choose("blosc")
    panel.chunks.choose("gathered")
    chosen = panel.settings
    assert (chosen.backend, chosen.compression, chosen.chunks) == (
        "zarr-python", "blosc", "gathered",
    )  # fmt: skip
    panel.format.choose("ome-tiff")
    assert (panel.settings.backend, panel.settings.compression) == (None, None)
    offered = [panel.compression.itemText(n) for n in range(panel.compression.count())]
    assert offered == ["none", "zstd", "deflate", "lzw"]
    assert panel.backend.currentText() == "tiff (default)"
    panel.set_settings(SaveSettings(folder=Path.home(), compression="zstd:7"))
    assert panel.compression.currentText() == "zstd:7"
    assert panel.folder.text() == str(Path.home())


@pytest.mark.parametrize("format_", ["ome-zarr", "ome-tiff"])
def test_levels_are_chosen_in_both_formats(panel: SavePanel, format_: str) -> None:
    panel.format.choose(format_)
    assert panel.levels.isEnabled()
    panel.levels.choose("automatic")
    output = panel.output()
    assert output is not None
    assert output.destination.options.levels == "auto"
    panel.levels.choose("full size")
    output = panel.output()
    assert output is not None
    assert output.destination.options.levels is None


def test_sizes_and_warnings_are_shown_for_a_plan(
    panel: SavePanel, qt_core: CMMCorePlus, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.set_plan(PlannedRun.of(qt_core, sequence_of()))
    wait_until(lambda: panel.estimate.frames == 12)
    assert "2 images · 12 frames · 73.7 kB" in panel._size.text()
    assert not panel._problem.isVisible()
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    panel.set_plan(PlannedRun.of(qt_core, sequence_of(5)))
    wait_until(lambda: panel.estimate.lacks_space)
    assert "The disk may be full before the end" in panel._problem.text()


def test_a_name_that_cannot_be_is_refused_where_it_is_typed(
    qtbot: Any, panel: SavePanel, wait_until: Wait
) -> None:
    type_into(qtbot, panel.name, "a:b")
    wait_until(lambda: panel._problem.isVisible())
    assert "it contains ':'" in panel._problem.text()
    with pytest.raises(errors.StorePathError, match="contains ':'"):
        panel.output()
    type_into(qtbot, panel.name, "ab")
    wait_until(lambda: not panel._problem.isVisible())


def test_switched_off_means_that_nothing_is_saved(panel: SavePanel) -> None:
    panel.setChecked(False)
    assert panel.settings.is_on is False
    assert panel.output() is None
    panel.setChecked(True)
    assert panel.output() is not None


def test_folder_comes_from_a_dialog(
    qtbot: Any, panel: SavePanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["", str(tmp_path / "elsewhere")])
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: next(answers))
    qtbot.mouseClick(panel.browse, Qt.MouseButton.LeftButton)  # and thinks better of it
    assert panel.settings.folder == tmp_path
    qtbot.mouseClick(panel.browse, Qt.MouseButton.LeftButton)
    assert panel.settings.folder == tmp_path / "elsewhere"


def test_disk_is_measured_at_a_click_and_a_folder_that_is_not_there_says_so(
    qtbot: Any, panel: SavePanel, tmp_path: Path, wait_until: Wait
) -> None:
    panel.set_settings(panel.settings.replace(folder=tmp_path / "missing"))
    qtbot.mouseClick(panel.measure, Qt.MouseButton.LeftButton)
    wait_until(lambda: "could not be measured" in panel._problem.text())
    panel.set_settings(panel.settings.replace(folder=tmp_path))
    qtbot.mouseClick(panel.measure, Qt.MouseButton.LeftButton)
    wait_until(lambda: (panel.estimate.disk_bytes_per_s or 0) > 0)
    assert "the disk writes" in panel._rate.text().lower()
    assert list(tmp_path.iterdir()) == []


def is_saved(output: po.Output) -> bool:
    try:
        output.result()
    except errors.AcquisitionError:
        return False
    return True


NO_HANDLER = pytest.mark.skipif(
    qtpy.PYSIDE6,
    reason="pymmcore-plus's handlers crash PySide6 now and then, which the log says: see "
    "docs/how-to/panels.md",
)


@pytest.mark.parametrize("is_installed", [True, pytest.param(False, marks=NO_HANDLER)])
def test_output_is_a_drop_in_for_any_panel(
    qtbot: Any, qt_core: CMMCorePlus, tmp_path: Path, wait_until: Wait, is_installed: bool
) -> None:
    settings = SaveSettings(folder=tmp_path, name="cells", format="ome-tiff")
    panel = SavePanel(settings, core=qt_core, measures_disk=False)
    qtbot.addWidget(panel)
    seen: dict[tuple[int, ...], Any] = {}

    def keep(pixels: Any, event: Any, meta: Any) -> None:
        seen[tuple(event.index[axis] for axis in "tpc")] = pixels.copy()

    qt_core.mda.events.frameReady.connect(keep, Qt.ConnectionType.DirectConnection)
    installation = po.install(qt_core) if is_installed else None
    for number in (1, 2):
        output = panel.output()
        assert output is not None
        thread = qt_core.run_mda(sequence_of(), output=output)
        wait_until(lambda thread=thread: not thread.is_alive())
        wait_until(lambda output=output: is_saved(output))  # as a handler, a moment later
        assert output.result().path.name == f"cells_{number:03d}.ome.tiff"
    qt_core.mda.events.frameReady.disconnect(keep)
    if installation is not None:
        installation.uninstall()
    with tifffile.TiffFile(output.path) as file:
        images = [series.asarray() for series in file.series]
    assert len(seen) == 12
    for (t, p, c), pixels in seen.items():
        np.testing.assert_array_equal(images[p][t, c], pixels)


def test_a_handler_says_that_it_may_crash(
    qt_core: CMMCorePlus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As it is called without `install`, where that is not safe."""
    output = po.Output(tmp_path / "cells.ome.zarr", core=qt_core)
    output.sequenceStarted(sequence_of(), summary_metadata(qt_core))
    output.sequenceFinished(sequence_of())
    said = [r.getMessage() for r in caplog.records if "install(core)" in r.getMessage()]
    assert len(said) == qtpy.PYSIDE6


def test_a_binding_that_crashes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PYSIDE6", True), ("PYSIDE_VERSION", "6.12.0")):
        monkeypatch.setattr(f"qtpy.{name}", value)
    monkeypatch.setattr("sys.version_info", (3, 11, 9))
    with pytest.raises(ImportError, match=r"PySide6-Essentials<6\.12"):
        _ = po.gui.SavePanel
    monkeypatch.setattr("sys.version_info", (3, 12, 0))
    assert po.gui.SavePanel is SavePanel


def test_background_gives_the_newest_result_only(qtbot: Any, wait_until: Wait) -> None:
    gate, results = threading.Event(), []
    background = Background()
    background.done.connect(results.append)
    background.request(lambda: gate.wait(GUARD_MS / 1000) and 0)
    for number in range(1, 50):
        background.request(lambda number=number: number)
    assert background.is_busy
    gate.set()
    wait_until(lambda: not background.is_busy)
    assert results == [49]


def test_background_tells_of_an_error(qtbot: Any, wait_until: Wait) -> None:
    failed: list[BaseException] = []
    background = Background()
    background.failed.connect(failed.append)
    background.request(lambda: 1 // 0)
    wait_until(lambda: bool(failed))
    assert isinstance(failed[0], ZeroDivisionError)


def test_background_that_is_let_go_is_gone_though_it_calculates(qtbot: Any) -> None:
    """Its thread must not be who destroys it."""
    gate, called = threading.Event(), threading.Event()
    background = Background()
    left = weakref.ref(background)
    background.request(lambda: called.set() or gate.wait(GUARD_MS / 1000))
    assert called.wait(GUARD_MS / 1000)
    del background
    is_left = left() is not None
    gate.set()
    assert not is_left


class Bystander(QObject):
    """Says in which thread it was called, and with what."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[tuple[threading.Thread, int]] = []

    def call(self, value: int) -> None:
        self.called.append((threading.current_thread(), value))


def in_a_thread(work: Callable[..., object], *values: object) -> None:
    thread = threading.Thread(target=work, args=values)
    thread.start()
    thread.join()


def test_a_call_from_any_thread_comes_in_the_window_s_thread(qtbot: Any, wait_until: Wait) -> None:
    bystander = Bystander()
    call = from_any_thread(bystander.call)
    in_a_thread(call, 1)
    assert bystander.called == []
    wait_until(lambda: bool(bystander.called))
    call(2)
    assert bystander.called == [(threading.main_thread(), 1), (threading.main_thread(), 2)]


def test_a_call_from_any_thread_keeps_nobody_and_comes_to_nobody_who_is_gone(
    qtbot: Any, wait_until: Wait
) -> None:
    kept, let_go, closed = Bystander(), Bystander(), Bystander()
    for one in (let_go, closed, kept):
        in_a_thread(from_any_thread(one.call), 1)
    left, called = weakref.ref(let_go), let_go.called
    del let_go  # `one` is `kept` now
    assert left() is None
    closed.deleteLater()
    QCoreApplication.sendPostedEvents(closed, QEvent.Type.DeferredDelete)
    wait_until(lambda: bool(kept.called))
    assert called == closed.called == []


class Clumsy(QObject):
    """Its slot raises, and so may its report."""

    clicked = Signal(bool)

    def __init__(self, reports: bool) -> None:
        super().__init__()
        self.errors: list[BaseException] = []
        self.reports = reports
        self.clicked.connect(self.slot)

    @guarded
    def slot(self) -> None:
        raise KeyError("lost")

    def report(self, error: BaseException) -> None:
        if not self.reports:
            raise ValueError("nobody listens")
        self.errors.append(error)


@pytest.mark.parametrize("reports", [True, False])
def test_no_exception_leaves_a_guarded_slot(qtbot: Any, reports: bool) -> None:
    clumsy = Clumsy(reports)
    with qtbot.captureExceptions() as escaped:
        clumsy.clicked.emit(True)
    assert escaped == []
    assert len(clumsy.errors) == reports


@pytest.mark.parametrize("background", ["#efefef", "#ffffff", "#303030", "#101010"])
@pytest.mark.parametrize("level", ["success", "warning", "error"])
def test_notes_can_be_read_on_light_and_dark(qtbot: Any, background: str, level: Any) -> None:
    note = Note()
    qtbot.addWidget(note)
    palette = QPalette(note.palette())
    palette.setColor(QPalette.ColorRole.Window, QColor(background))
    note.setPalette(palette)
    assert contrast(QColor(color_of(level, note)), QColor(background)) >= 4.5


def contrast(one: QColor, other: QColor) -> float:
    """The contrast ratio of WCAG 2."""
    values = []
    for color in (one, other):
        parts = [color.redF(), color.greenF(), color.blueF()]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        values.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return float((max(values) + 0.05) / (min(values) + 0.05))
