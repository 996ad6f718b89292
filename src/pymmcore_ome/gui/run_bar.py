"""`RunBar`: run, pause, cancel, and the progress of the acquisition. It decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import QEvent, Signal
from qtpy.QtGui import QIcon, QKeySequence, QPalette
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from pymmcore_ome.stream import Progress, duration_text, rate_text, size_text

from .acquisition_run import RunSnapshot
from .icons import plain_icon
from .message_bar import Note
from .panel_state import PanelState

_PROGRESS_STEPS: Final = 1000  # a progress bar counts in 32 bits, frames do not
_PAUSE_KEYS: Final = "Ctrl+P"


class RunBar(QWidget):
    """Buttons, a progress bar, and the figures of the stream.

    "Continue" is shown where an acquisition of the same sequence was not finished.
    """

    runClicked = Signal()
    continueClicked = Signal()
    pauseClicked = Signal(bool)  # True: pause, False: resume
    cancelClicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run, self.pause, self.cancel = map(QPushButton, ("Run", "Pause", "Cancel"))
        self.go_on = QPushButton("Continue")
        self.go_on.hide()
        self.run.setToolTip("Check the sequence and the disk, then acquire and save.")
        self.pause.setToolTip("Pause before the next frame, or resume.")
        self.cancel.setToolTip("Stop after the current frame. Acquired frames are saved.")
        self._status, self._left = QLabel(), QLabel()
        self._frames, self._rate, self._buffer = QLabel(), QLabel(), QLabel()
        self.progress = QProgressBar()
        self.progress.setRange(0, _PROGRESS_STEPS)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(12)
        self.progress.setAccessibleName("Progress of the acquisition")
        self.buffer = QProgressBar()
        self.buffer.setRange(0, 100)
        self.buffer.setTextVisible(False)
        self.buffer.setFixedSize(64, 10)
        self.buffer.setAccessibleName("Filling of the buffer")
        self.buffer.setToolTip(
            "Frames in memory that are still to be written. When the buffer is full, the "
            "acquisition waits."
        )
        self.warning = Note()
        self._lay_out()
        self._set_shortcuts()
        self.run.clicked.connect(self._on_run)
        self.go_on.clicked.connect(self._on_continue)
        self.pause.clicked.connect(self._on_pause)
        self.cancel.clicked.connect(self._on_cancel)
        self._pauses = True
        self._draw_icons()
        self.show_state(PanelState())

    def show_state(self, state: PanelState) -> None:
        """Show what may be clicked, and the progress."""
        self.run.setEnabled(state.can_run)
        self.go_on.setEnabled(state.can_run)
        self.pause.setEnabled(state.can_pause)
        self.cancel.setEnabled(state.can_cancel)
        if self._pauses == state.is_paused:
            self._pauses = not state.is_paused
            self.pause.setText("Resume" if state.is_paused else "Pause")
            self.pause.setShortcut(QKeySequence(_PAUSE_KEYS))  # a new text removes it
            self._draw_icons()
        self._status.setText(state.status)
        if state.warning:
            if state.warning != self.warning.text() or self.warning.isHidden():
                self.warning.show_text("warning", state.warning)
        elif not self.warning.isHidden():
            self.warning.clear()
        run = state.run
        if run is None or run.progress is None:
            is_busy = run is not None and not run.is_over
            for label in (self._left, self._rate, self._buffer):
                label.setText("")
            self._frames.setText(state.frames)
            self.progress.setRange(0, 0 if is_busy else _PROGRESS_STEPS)
            self.progress.setValue(0)
            self.buffer.hide()
        else:
            self._show_progress(run, run.progress)

    def offer(self, unfinished: Path | None) -> None:
        """Offer to continue an unfinished store; None: there is none."""
        self.go_on.setVisible(unfinished is not None)
        if unfinished is not None:
            self.go_on.setToolTip(f"Acquire the frames that {unfinished.name} lacks.")
            self.go_on.setAccessibleName(f"Continue {unfinished.name}")

    def _show_progress(self, run: RunSnapshot, progress: Progress) -> None:
        planned = progress.frames_planned
        of = f" of {planned:,}" if planned is not None else ""
        skipped = f", {progress.frames_skipped:,} skipped" if progress.frames_skipped else ""
        self._frames.setText(f"{progress.frames_written:,}{of} frames{skipped}")
        done = progress.frames_written + progress.frames_skipped
        is_known = planned is not None or run.is_over
        self.progress.setRange(0, _PROGRESS_STEPS if is_known else 0)
        self.progress.setValue(round(_PROGRESS_STEPS * done / max(1, planned or 1)))
        self.buffer.setVisible(not run.is_over)
        if run.is_over:
            for label in (self._left, self._rate, self._buffer):
                label.setText("")
            return
        held, most = progress.bytes_in_flight, progress.buffer_bytes
        self.buffer.setValue(round(100 * held / max(1, most)))
        self._buffer.setText(f"{size_text(held)} of {size_text(most)} buffered")
        self._rate.setText(f"{run.frames_per_s:.1f} frames/s, {rate_text(run.bytes_per_s)}")
        left_s = run.time_left_s
        self._left.setText("" if left_s is None else f"{duration_text(round(left_s))} left")

    @property
    def text(self) -> str:
        """All visible text, as one line."""
        labels = (self._status, self._left, self._frames, self._rate, self._buffer)
        return " · ".join(label.text() for label in labels if label.text())

    def changeEvent(self, event: QEvent | None) -> None:
        """Draw the icons in the color of the text, light or dark."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._draw_icons()

    def _draw_icons(self) -> None:
        color = self.palette().color(QPalette.ColorRole.ButtonText).name()
        for button, name in ((self.run, "play"), (self.go_on, "play"), (self.cancel, "stop")):
            button.setIcon(QIcon(str(plain_icon(name, color))))
        self.pause.setIcon(QIcon(str(plain_icon("pause" if self._pauses else "play", color))))

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.run, self.go_on, self.pause, self.cancel):
            buttons.addWidget(button)
        buttons.addWidget(self._status, 1)
        buttons.addWidget(self._left)
        facts = QHBoxLayout()
        for label in (self._frames, self._rate, self._buffer):
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            facts.addWidget(label, 3 if label is self._buffer else 2)
        facts.insertWidget(2, self.buffer)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(buttons)
        column.addWidget(self.warning)
        column.addWidget(self.progress)
        column.addLayout(facts)

    def _set_shortcuts(self) -> None:
        for button, keys in (
            (self.run, "Ctrl+R"),
            (self.pause, _PAUSE_KEYS),
            (self.cancel, "Ctrl+."),
        ):
            button.setShortcut(QKeySequence(keys))
            hint = QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)
            button.setToolTip(f"{button.toolTip()} ({hint})")

    def _on_run(self) -> None:
        self.runClicked.emit()

    def _on_continue(self) -> None:
        self.continueClicked.emit()

    def _on_pause(self) -> None:
        self.pauseClicked.emit(self._pauses)

    def _on_cancel(self) -> None:
        self.cancelClicked.emit()
