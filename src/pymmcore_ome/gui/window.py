"""The window of ``pymmcore-ome gui``: an `AcquisitionPanel`, and the program around it.

The only place that affects the whole program: its QApplication and its error hooks.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from pymmcore_plus import CMMCorePlus
from qtpy.QtCore import QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QMainWindow, QMessageBox, QWidget

from .acquisition_panel import AcquisitionPanel
from .guard import from_any_thread
from .save_settings import SaveSettings

logger = logging.getLogger("pymmcore-ome")
_SIZE: Final = (1180, 860)


class AcquisitionWindow(QMainWindow):
    """A window with an `AcquisitionPanel`. Closing it never loses a frame.

    Parameters
    ----------
    core : CMMCorePlus
    settings : SaveSettings, optional
    measures_disk : bool
    parent : QWidget, optional
    """

    def __init__(
        self,
        core: CMMCorePlus,
        settings: SaveSettings | None = None,
        *,
        measures_disk: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.panel = AcquisitionPanel(core, settings=settings, measures_disk=measures_disk)
        self.setCentralWidget(self.panel)
        self.setWindowTitle("pymmcore-ome")
        screen = self.screen()
        room = screen.availableGeometry() if screen is not None else None
        self.resize(
            min(_SIZE[0], room.width() if room else _SIZE[0]),
            min(_SIZE[1], room.height() if room else _SIZE[1]),
        )
        self._closes_at_end = False
        self.panel.runEnded.connect(self._on_run_ended)
        self.panel.titleChanged.connect(self._show_title)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Close at once if nothing runs; otherwise ask, cancel, and close when all is written."""
        if event is None or not self.panel.is_running:
            return super().closeEvent(event)
        event.ignore()
        if self._closes_at_end or (self.asks_to_cancel() and self.panel.is_running):
            self.stop()
        return None

    def stop(self) -> None:
        """Cancel the acquisition, and close when all of it is written."""
        self._closes_at_end = True
        self.panel.cancel()
        if not self.panel.is_running:
            self.close()

    def asks_to_cancel(self) -> bool:
        """Ask whether to cancel the acquisition; the question disappears when it has ended."""
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("An acquisition is running")
        box.setText(
            "Cancel the acquisition? The frames acquired so far are saved, and the window closes "
            "when they are written."
        )
        stop = box.addButton("Cancel and close", QMessageBox.ButtonRole.DestructiveRole)
        stay = box.addButton("Keep acquiring", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        self.panel.runEnded.connect(box.reject)
        try:
            box.exec()
            return box.clickedButton() is stop
        finally:
            self.panel.runEnded.disconnect(box.reject)
            box.deleteLater()

    def _show_title(self, text: str) -> None:
        self.setWindowTitle(f"{text} - pymmcore-ome" if text else "pymmcore-ome")

    def _on_run_ended(self) -> None:
        if self._closes_at_end:
            self.close()


class _Hooks:
    """Shows uncaught exceptions in the window, and closes it at Ctrl-C. A context manager.

    Without it, Qt aborts the program at an exception, and ignores Ctrl-C.
    """

    def __init__(self, window: AcquisitionWindow) -> None:
        self._uncaught = _Uncaught(from_any_thread(window.panel.report))
        self._stop = from_any_thread(window.stop)
        self._listening = QTimer()  # Python handles a signal only while it runs
        self._listening.setInterval(200)
        self._listening.timeout.connect(_listen)

    def __enter__(self) -> None:
        self._before = sys.excepthook, threading.excepthook
        sys.excepthook = self._uncaught.of_program
        threading.excepthook = self._uncaught.of_thread
        self._interrupt: Any = signal.signal(signal.SIGINT, lambda *_: self._stop())
        self._listening.start()

    def __exit__(self, *_: object) -> None:
        self._listening.stop()
        sys.excepthook, threading.excepthook = self._before
        signal.signal(signal.SIGINT, self._interrupt)


class _Uncaught:
    """Reports uncaught exceptions. Holds nothing of Qt's.

    Every thread keeps the hooks of its start until it ends: a thread that ended later would
    destroy a window that a hook kept.
    """

    def __init__(self, report: Callable[[BaseException], None]) -> None:
        self._report = report

    def of_program(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        logger.critical("Uncaught exception: %s", error, exc_info=(kind, error, trace))
        self._report(error)

    def of_thread(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self.of_program(args.exc_type, args.exc_value, args.exc_traceback)


def _listen() -> None:
    return


def application() -> QApplication:
    """Return the QApplication, and create it if necessary. Call this before creating the core."""
    present = QApplication.instance()
    if isinstance(present, QApplication):
        return present
    made = QApplication(sys.argv[:1])
    made.setApplicationName("pymmcore-ome")
    return made


def show_window(
    load_core: Callable[[], CMMCorePlus], settings: SaveSettings, **options: Any
) -> int:
    """Open the window, wait until it is closed, and return the exit code.

    Parameters
    ----------
    load_core : callable
        Creates the core; called after the QApplication was created.
    settings : SaveSettings
    **options
        As `AcquisitionWindow`.
    """
    app = application()
    window = AcquisitionWindow(load_core(), settings, **options)
    with _Hooks(window):
        window.show()
        return int(app.exec())
