"""The window of the command, and its end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import DEMO, HANG_S
from pymmcore_ome.gui import SaveSettings

from .conftest import GUARD_MS, sequence_of
from .qt import need_qt

need_qt()

from qtpy.QtCore import Qt, QTimer  # noqa: E402
from qtpy.QtWidgets import QMessageBox  # noqa: E402

from pymmcore_ome.gui.window import AcquisitionWindow, show_window  # noqa: E402

Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture
def window(qtbot: Any, qt_core: CMMCorePlus, tmp_path: Path) -> AcquisitionWindow:
    settings = SaveSettings(folder=tmp_path, name="cells")
    made = AcquisitionWindow(qt_core, settings, measures_disk=False)
    qtbot.addWidget(made)
    made.panel.editor.setValue(sequence_of(100_000))
    made.show()
    return made


def test_window_closes_at_once_when_nothing_runs(window: AcquisitionWindow) -> None:
    assert window.close()


def test_window_that_is_closed_while_acquiring_saves_first(
    window: AcquisitionWindow, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(window, "asks_to_cancel", lambda: next(answers))
    window.panel.run()
    wait_until(lambda: "Acquiring" in window.panel.run_bar.text)
    assert not window.close()  # no: it goes on
    assert window.panel.is_running
    assert not window.close()  # yes: it closes when all is down
    wait_until(lambda: not window.isVisible())
    assert po.open_dataset(tmp_path / "cells_001.ome.zarr").status == "canceled"


def test_question_whether_to_cancel_keeps_acquiring_by_default(
    qtbot: Any, window: AcquisitionWindow, wait_until: Wait
) -> None:
    """A hasty Return or Escape costs no data."""
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Escape):
        QTimer.singleShot(100, lambda key=key: qtbot.keyClick(question_of(window), key))
        assert not window.asks_to_cancel()
    QTimer.singleShot(100, lambda: answer(window, "Cancel and close"))
    assert window.asks_to_cancel()


def test_question_disappears_when_the_run_has_ended(
    window: AcquisitionWindow, tmp_path: Path, wait_until: Wait
) -> None:
    window.panel.run()
    wait_until(lambda: "Acquiring" in window.panel.run_bar.text)
    QTimer.singleShot(100, window.panel.cancel)
    assert not window.close()
    assert window.isVisible()
    assert not window.panel.is_running
    assert window.close()


def question_of(window: AcquisitionWindow) -> QMessageBox:
    (box,) = (found for found in window.findChildren(QMessageBox) if found.isVisible())
    return box


def answer(window: AcquisitionWindow, text: str) -> None:
    (button,) = (b for b in question_of(window).buttons() if b.text() == text)
    button.click()


def test_what_nobody_caught_is_a_message_and_not_the_end(
    qtbot: Any, qt_core: CMMCorePlus, tmp_path: Path
) -> None:
    """In a slot of somebody else, and in a thread."""
    from qtpy.QtWidgets import QApplication

    said: list[str] = []

    def shown() -> AcquisitionWindow:
        found = [w for w in QApplication.topLevelWidgets() if isinstance(w, AcquisitionWindow)]
        return next(w for w in found if w.isVisible())

    def fail_in_thread() -> None:
        thread = threading.Thread(target=lambda: 1 // 0)
        thread.start()
        thread.join()

    def fail() -> None:
        sys.excepthook(KeyError, KeyError("lost"), None)  # what Qt does with a slot's exception

    def steps() -> Iterator[None]:
        for act, word in ((fail_in_thread, "ZeroDivisionError"), (fail, "lost")):
            act()
            while word not in shown().panel.messages.text:
                yield
            said.append(word)
        shown().close()

    waiting, timer = steps(), QTimer()
    timer.timeout.connect(lambda: next(waiting, None))
    timer.start(20)
    settings = SaveSettings(folder=tmp_path)
    assert show_window(lambda: qt_core, settings, measures_disk=False) == 0
    timer.stop()
    assert said == ["ZeroDivisionError", "lost"]


def test_a_window_is_gone_when_it_is_closed_whatever_thread_lives_on(
    qtbot: Any, qt_core: CMMCorePlus, tmp_path: Path
) -> None:
    """A thread keeps the hooks of its start: it must not be who destroys the window."""
    from qtpy.QtWidgets import QApplication

    gate = threading.Event()
    threads: list[threading.Thread] = []
    left: list[weakref.ref[AcquisitionWindow]] = []

    def start_and_close() -> None:
        (window,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, AcquisitionWindow))
        left.append(weakref.ref(window))
        window.panel.save_panel._estimating.request(lambda: gate.wait(GUARD_MS / 1000))
        threads.append(threading.Thread(target=gate.wait, args=(GUARD_MS / 1000,)))
        threads[0].start()
        window.close()

    QTimer.singleShot(100, start_and_close)
    show_window(lambda: qt_core, SaveSettings(folder=tmp_path), measures_disk=False)
    is_alive, is_left = threads[0].is_alive(), left[0]() is not None
    gate.set()
    threads[0].join()
    assert is_alive
    assert not is_left


def test_command_opens_the_window_and_ends_well(tmp_path: Path) -> None:
    script = tmp_path / "gui.py"
    script.write_text(
        "import sys\n"
        "from qtpy.QtCore import QTimer\n"
        "from qtpy.QtWidgets import QApplication\n"
        "import superqt.iconify\n"
        "def no_network(*key, **options):\n"
        "    raise OSError('no network in tests')\n"
        "superqt.iconify.svg_path = no_network\n"
        "app = QApplication([])\n"
        "def close():\n"
        "    window = app.topLevelWidgets()\n"
        "    print([w.windowTitle() for w in window if w.isVisible()])\n"
        "    app.closeAllWindows()\n"
        "QTimer.singleShot(500, close)\n"
        "from pymmcore_ome.cli.app import main\n"
        "main()\n"
    )
    done = _run([str(script), "gui", "--config", str(DEMO / "demo.cfg")], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "['pymmcore-ome']" in done.stdout


def test_command_says_that_a_configuration_is_missing(tmp_path: Path) -> None:
    done = _run(["-m", "pymmcore_ome", "gui", "--config", "missing.cfg"], tmp_path)
    assert done.returncode == 1
    assert "missing.cfg does not exist" in done.stderr


def _run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=HANG_S, check=False,
    )  # fmt: skip
