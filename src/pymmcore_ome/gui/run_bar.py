"""`RunBar`: run, pause, cancel, and how far the acquisition is. It decides nothing."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QEvent, Signal
from qtpy.QtGui import QIcon, QPalette
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from .acquisition_run import Phase, RunSnapshot
from .icons import plain_icon
from .run_report import duration_text, rate_text, size_text

_SAID: Final[dict[Phase, str]] = {
    "starting": "Starting…",
    "running": "Acquiring",
    "pausing": "Pausing after this frame…",
    "paused": "Paused",
    "canceling": "Canceling after this frame…",
    "finishing": "Writing the last frames…",
    "complete": "Complete",
    "canceled": "Canceled",
    "failed": "Failed",
}
_PROGRESS_STEPS: Final = 1000  # a progress bar counts in 32 bits, frames do not


class RunBar(QWidget):
    """Three buttons, a progress bar, and what the stream says of itself."""

    runClicked = Signal()
    pauseClicked = Signal(bool)  # True: wait, False: go on
    cancelClicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run, self.pause, self.cancel = map(QPushButton, ("Run", "Pause", "Cancel"))
        self._phase = QLabel()
        self._left = QLabel()
        self._frames, self._rate, self._buffer = QLabel(), QLabel(), QLabel()
        self.progress = QProgressBar()
        self.progress.setRange(0, _PROGRESS_STEPS)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(12)
        self.buffer = QProgressBar()
        self.buffer.setRange(0, 100)
        self.buffer.setTextVisible(False)
        self.buffer.setFixedSize(64, 10)
        self.buffer.setToolTip(
            "Frames in memory, on their way to the disk. When it is full, the acquisition waits."
        )
        self._lay_out()
        self.run.clicked.connect(self._on_run)
        self.pause.clicked.connect(self._on_pause)
        self.cancel.clicked.connect(self._on_cancel)
        self._pauses = True
        self._draw_icons()
        self.show_idle("")

    def show_idle(self, text: str | None = None) -> None:
        """Show that nothing runs; without a text, what was last stays to be read."""
        self._enable(run=True, pause=False, cancel=False)
        if text is not None:
            self._say_pause(False)
            self._forget()
            self._phase.setText(text)

    def show_checking(self) -> None:
        """Show that the start is being prepared."""
        self._enable(run=False, pause=False, cancel=True)
        self._forget()
        self._phase.setText("Checking…")

    def show_foreign(self, frames: int, is_paused: bool) -> None:
        """Show an acquisition that was started elsewhere."""
        self._enable(run=False, pause=True, cancel=True)
        self._say_pause(is_paused)
        self._forget()
        self._phase.setText("An acquisition that was started elsewhere is running")
        self._frames.setText(f"{frames:,} frames")

    def show_run(self, snapshot: RunSnapshot) -> None:
        """Show how far a run is."""
        phase, progress = snapshot.phase, snapshot.progress
        can_pause = phase in ("running", "pausing", "paused")
        self._enable(run=snapshot.is_over, pause=can_pause, cancel=not snapshot.is_over)
        self._say_pause(phase in ("pausing", "paused"))
        self._phase.setText(_SAID[phase])
        self.buffer.setVisible(progress is not None and not snapshot.is_over)
        is_waiting = False
        if progress is None:
            self._forget(phase)
        else:
            planned = progress.frames_planned
            of = f" of {planned:,}" if planned is not None else ""
            skipped = f", {progress.frames_skipped:,} skipped" if progress.frames_skipped else ""
            self._frames.setText(f"{progress.frames_written:,}{of} frames{skipped}")
            done = progress.frames_written + progress.frames_skipped
            self.progress.setRange(0, _PROGRESS_STEPS if planned is not None else 0)
            self.progress.setValue(round(_PROGRESS_STEPS * done / max(1, planned or 1)))
            held, most = progress.bytes_in_flight, progress.buffer_bytes
            self.buffer.setValue(round(100 * held / max(1, most)))
            self._buffer.setText(f"{size_text(held)} of {size_text(most)} buffered")
            is_waiting = held > 0.9 * most
        if is_waiting and phase == "running":
            self._phase.setText("Acquiring; waiting for the disk")
        if snapshot.is_over:
            self._rate.setText("")
            self._left.setText("")
            self._buffer.setText("")
            self.progress.setRange(0, _PROGRESS_STEPS)
        elif progress is not None:
            rate = f"{snapshot.frames_per_s:.1f} frames/s, {rate_text(snapshot.bytes_per_s)}"
            self._rate.setText(rate)
            left = snapshot.time_left_s
            self._left.setText("" if left is None else f"{duration_text(left)} left")

    @property
    def text(self) -> str:
        """All that is written now, as one line."""
        labels = (self._phase, self._left, self._frames, self._rate, self._buffer)
        return " · ".join(label.text() for label in labels if label.text())

    def changeEvent(self, event: QEvent | None) -> None:
        """Draw the icons in the colour of the text, light or dark."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._draw_icons()

    def _draw_icons(self) -> None:
        color = self.palette().color(QPalette.ColorRole.ButtonText).name()
        for button, name in ((self.run, "play"), (self.cancel, "stop")):
            button.setIcon(QIcon(str(plain_icon(name, color))))
        self.pause.setIcon(QIcon(str(plain_icon("pause" if self._pauses else "play", color))))

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.run, self.pause, self.cancel):
            buttons.addWidget(button)
        buttons.addWidget(self._phase, 1)
        buttons.addWidget(self._left)
        facts = QHBoxLayout()
        for label in (self._frames, self._rate, self._buffer):
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            facts.addWidget(label, 3 if label is self._buffer else 2)
        facts.insertWidget(2, self.buffer)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(buttons)
        column.addWidget(self.progress)
        column.addLayout(facts)

    def _enable(self, *, run: bool, pause: bool, cancel: bool) -> None:
        for button, is_on in ((self.run, run), (self.pause, pause), (self.cancel, cancel)):
            button.setEnabled(is_on)

    def _say_pause(self, is_paused: bool) -> None:
        if self._pauses == is_paused:
            self._pauses = not is_paused
            self.pause.setText("Resume" if is_paused else "Pause")
            self._draw_icons()

    def _forget(self, phase: Phase | None = None) -> None:
        over = phase in ("complete", "canceled", "failed")
        for label in (self._left, self._frames, self._rate, self._buffer):
            label.setText("")
        self.progress.setRange(0, _PROGRESS_STEPS if phase is None or over else 0)
        self.progress.setValue(0)
        self.buffer.hide()

    def _on_run(self) -> None:
        self.runClicked.emit()

    def _on_pause(self) -> None:
        self.pauseClicked.emit(self._pauses)

    def _on_cancel(self) -> None:
        self.cancelClicked.emit()
