"""`RunPage`: what a run is acquiring, where it is saved, and how far each place is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QGroupBox,
    QLabel,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from pymmcore_ome.layout import ImageLayout, Layout
from pymmcore_ome.stream import (
    ArrayView,
    Progress,
    duration_text,
    rate_text,
    size_text,
)

from .acquisition_run import RunSnapshot
from .newest_frame import ShownFrame
from .run_map import RunMap


class RunPage(QGroupBox):
    """Shows what is acquired now, where it is saved, a map of the places, and the figures.

    It stands in place of the form while a run goes on. It decides nothing.
    """

    placeSelected = Signal(int)  # number of an image

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Acquiring", parent)
        self._plate: tuple[Sequence[str], Sequence[str]] | None = None
        self._image_count = 0
        self.map = RunMap()
        self.map.placeSelected.connect(self.placeSelected)
        self._facts = {
            name: QLabel()
            for name in ("Now", "Saved to", "Time", "Written", "Rate", "Buffer", "Disk")
        }
        self.buffer = QProgressBar()
        self.buffer.setRange(0, 100)
        self.buffer.setTextVisible(False)
        self.buffer.setFixedHeight(8)
        self.buffer.setAccessibleName("Filling of the buffer")
        self._legend = QLabel()
        self._legend.setWordWrap(True)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, label in self._facts.items():
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse
                | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            label.setAccessibleName(name)
            form.addRow(name, label)
            if name == "Buffer":
                form.addRow("", self.buffer)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.map, 1)
        column.addWidget(self._legend)

    def begin(self, path: Path | None, layout: Layout | None = None) -> None:
        """Show a run that starts.

        Parameters
        ----------
        path : Path | None
            None: it is not saved.
        layout : Layout, optional
            Of the store, as far as it is known.
        """
        self.map.clear()
        plate = None if layout is None else layout.plate
        self._plate = None if plate is None else (plate.rows, plate.columns)
        self._set_images([] if layout is None else layout.images)
        for label in self._facts.values():
            label.setText("")
        self._legend.setText("")
        self.buffer.setValue(0)
        self._facts["Saved to"].setText(str(path) if path is not None else "not saved")
        self.map.setVisible(path is not None)
        self._legend.setVisible(path is not None)

    def show_frame(self, frame: ShownFrame) -> None:
        """Show which frame is the newest."""
        self._facts["Now"].setText(frame.caption)

    def show_run(
        self, run: RunSnapshot, free_bytes: int | None = None, now: datetime | None = None
    ) -> None:
        """Show the figures of a run.

        Parameters
        ----------
        run : RunSnapshot
        free_bytes : int, optional
            On the disk of the run; None: unknown.
        now : datetime, optional
            For the time of the end. None: of the clock.
        """
        progress = run.progress
        if progress is None:
            return
        self._facts["Time"].setText(_time_text(run, progress, now or datetime.now()))
        planned = progress.frames_planned
        of = f" of {planned:,}" if planned is not None else ""
        written = f"{progress.frames_written:,}{of} frames, {size_text(progress.bytes_written)}"
        if progress.frames_skipped:
            written += f"; {progress.frames_skipped:,} skipped"
        self._facts["Written"].setText(written)
        self._facts["Rate"].setText(
            f"{run.frames_per_s:.1f} frames/s, {rate_text(run.bytes_per_s)}"
        )
        held, most = progress.bytes_in_flight, progress.buffer_bytes
        waited = f"; waited {progress.blocked_s:.1f} s" if progress.blocked_s >= 0.1 else ""
        self._facts["Buffer"].setText(
            f"{size_text(held)} of {size_text(most)}, at most "
            f"{size_text(progress.peak_buffer_bytes)}{waited}"
        )
        self.buffer.setValue(round(100 * held / max(1, most)))
        self._facts["Disk"].setText("" if free_bytes is None else f"{size_text(free_bytes)} free")

    def show_view(self, view: ArrayView, is_over: bool = False) -> None:
        """Show how far each place of a store is. Reads no pixel.

        Parameters
        ----------
        view : ArrayView
        is_over : bool
            Whether no place is being acquired any more.
        """
        images = view.images
        if len(images) != self._image_count:
            self._set_images(images)
        self.map.show_counts(view.frame_counts(), is_over)
        if self.map.state is not None:
            self._legend.setText(self.map.state.summary)

    def _set_images(self, images: Sequence[ImageLayout]) -> None:
        self._image_count = len(images)
        self.map.set_images(images, self._plate)

    @property
    def facts(self) -> Mapping[str, str]:
        """The visible figures, by name."""
        return {name: label.text() for name, label in self._facts.items()}


def _time_text(run: RunSnapshot, progress: Progress, now: datetime) -> str:
    text = f"{duration_text(round(progress.elapsed_s))} elapsed"
    if run.time_left_s is None:
        return text
    end = now + timedelta(seconds=run.time_left_s)
    day = "" if end.date() == now.date() else f"{end:%Y-%m-%d} "
    return f"{text}, {duration_text(round(run.time_left_s))} left (until about {day}{end:%H:%M})"
