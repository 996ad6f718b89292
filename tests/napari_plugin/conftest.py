"""A real napari with a real napari-micromanager, where both and OpenGL are to be had."""

from __future__ import annotations

import gc
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import useq

from conftest import DEMO

#: Set where the window must be there: what would be skipped then fails.
ALL = "PYMMCORE_OME_NAPARI"
HOW = "pip install -e '.[test,napari-tests]' and a display (on Linux: xvfb-run -a python -m pytest)"
HANG_S = 120.0


def missing() -> str | None:
    """Say what a napari window lacks here, or None."""
    for package in ("napari", "napari_micromanager", "qtpy", "PyQt6"):
        if find_spec(package) is None:
            return package
    is_blind = sys.platform.startswith("linux") and not os.environ.get("DISPLAY")
    return "a display" if is_blind else None


@dataclass
class Window:
    """napari with napari-micromanager in it, and what it said."""

    viewer: Any
    main: Any
    notes: list[tuple[str, str]] = field(default_factory=list)
    unhandled: list[BaseException] = field(default_factory=list)

    @property
    def mda(self) -> Any:
        """napari-micromanager's own MDA panel, of its present core."""
        self.main._show_dock_widget("MDA")
        return self.main._dock_widgets["MDA"].widget()

    def fill_in(self, sequence: useq.MDASequence, path: Path | None) -> None:
        """Fill in the panel as a person would."""
        self.mda.setValue(sequence)
        self.mda.save_info.setValue(
            {
                "save_dir": "" if path is None else str(path.parent),
                "save_name": "" if path is None else path.name,
                "should_save": path is not None,
            }
        )

    def click_run(self) -> None:
        """Click the panel's Run button."""
        self.mda.control_btns.run_btn.click()

    def wait(self, until: Callable[[], Any]) -> None:
        """Let Qt work until something is so."""
        from qtpy.QtCore import QDeadlineTimer, QEventLoop
        from qtpy.QtWidgets import QApplication

        guard = QDeadlineTimer(int(HANG_S * 1000))
        while not until():
            assert not guard.hasExpired(), f"nothing happened; said so far: {self.notes}"
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 100)


@pytest.fixture(scope="session")
def napari_window() -> Iterator[Window]:
    """One window for all tests: it takes seconds to open."""
    lacking = missing()
    if lacking is not None:
        (pytest.fail if os.environ.get(ALL) else pytest.skip)(f"{lacking} is missing: {HOW}")
    logging.getLogger("pymmcore-plus").setLevel(logging.CRITICAL)
    os.environ.setdefault("QT_API", "pyqt6")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what others deprecate is not ours
        import superqt.iconify

        superqt.iconify.svg_path = _no_icon
        import napari
        from napari.utils.notifications import notification_manager

        viewer = napari.Viewer()
        _, main = viewer.window.add_plugin_dock_widget("napari-micromanager", "Main Window")
        main.core.loadSystemConfiguration(DEMO / "demo.cfg")
        window = Window(viewer, main)

        def note(notification: Any) -> None:
            window.notes.append((str(notification.severity), notification.message))

        notification_manager.notification_ready.connect(note)
        yield window
        viewer.close()
        gc.collect()


def _no_icon(*_: object, **__: object) -> None:
    raise OSError("icons are on the internet")


@pytest.fixture
def window(napari_window: Window, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    """The window without layers; errors that leave a slot or end a thread are kept."""
    unhandled: list[BaseException] = napari_window.unhandled
    unhandled.clear()
    napari_window.notes.clear()
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: unhandled.append(error))
    monkeypatch.setattr("threading.excepthook", lambda told: unhandled.append(told.exc_value))
    napari_window.viewer.layers.clear()
    yield napari_window
    napari_window.viewer.layers.clear()
    assert "run" not in vars(napari_window.main.core.mda), "a test left the package installed"
    assert "set_core" not in vars(napari_window.main), "a test left the window shadowed"
