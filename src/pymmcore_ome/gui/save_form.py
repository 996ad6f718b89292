"""`SaveForm`: the widgets of the `SavePanel`. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from pymmcore_ome.backends import find_backend
from pymmcore_ome.disk import FORMATS
from pymmcore_ome.layout import LEAST_CHUNK_BYTES

from .estimate import Estimate
from .note import Note
from .save_settings import CHUNK_PRESETS, SaveSettings, backends_of, compressions_of

_FORMAT_NAMES: Final = {"ome-zarr": "OME-Zarr", "ome-tiff": "OME-TIFF"}
_CHUNK_TIPS: Final = (
    "The smallest part of an array that is read and written.\n"
    "one frame: for large frames.\n"
    f"gathered: small frames together, at least {LEAST_CHUNK_BYTES >> 20} MiB a chunk.\n"
    "tiles: parts of a frame, for viewing large frames."
)


class Choice(QComboBox):
    """A combo box whose entries stand for values of any kind; it does not interpret them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: list[object] = []
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(9)

    def set_choices(self, choices: Sequence[tuple[str, object]], chosen: object) -> None:
        """Offer other values and select one of them, which is added if it is missing."""
        was_blocked = self.blockSignals(True)
        self.clear()
        self._values = [value for _, value in choices]
        self.addItems([text for text, _ in choices])
        if chosen not in self._values:
            self._values.append(chosen)
            self.addItem(str(getattr(chosen, "name", chosen)))
        self.setCurrentIndex(self._values.index(chosen))
        self.blockSignals(was_blocked)

    def value(self) -> object:
        """Return the selected value."""
        return self._values[max(0, self.currentIndex())]

    def choose(self, value: object) -> None:
        """Select a value as a user would: signals are sent."""
        self.setCurrentIndex(self._values.index(value))


class SaveForm(QGroupBox):
    """Shows settings and an estimate."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Save", parent)
        self._make_widgets()
        self._lay_out()

    def show_settings(self, chosen: SaveSettings) -> None:
        """Show the settings in all widgets, without sending signals."""
        was_blocked = self.blockSignals(True)
        self.setChecked(chosen.is_on)
        self.blockSignals(was_blocked)
        if Path(self.folder.text()) != chosen.folder:  # a slash that is being typed stays
            self.folder.setText(str(chosen.folder))
        if self.name.text() != chosen.name:
            self.name.setText(chosen.name)
        self.format.set_choices([(_FORMAT_NAMES[f], f) for f in FORMATS], chosen.format)
        default = find_backend(None, chosen.format).name
        others = (name for name in backends_of(chosen.format) if name != default)
        self.backend.set_choices(
            [(f"{default} (default)", None), *_as_named(others)],
            None if chosen.backend == default else chosen.backend,
        )
        self.compression.set_choices(
            [("none", None), *_as_named(compressions_of(chosen.format))], chosen.compression
        )
        self.chunks.set_choices(_as_named(CHUNK_PRESETS), chosen.chunks)
        is_tiff = chosen.format == "ome-tiff"
        self.chunks.setEnabled(chosen.is_on and not is_tiff)
        self.chunks.setToolTip("A TIFF stores whole frames." if is_tiff else _CHUNK_TIPS)

    def show_estimate(self, estimate: Estimate) -> None:
        """Show what the next acquisition needs, and what prevents it."""
        path = estimate.path
        self._target.setText(f"Next: {path.name}" if path is not None else "")
        self._target.setToolTip(str(path or ""))
        self._size.setText(estimate.size_line)
        self._rate.setText(estimate.rate_line)
        for label in (self._target, self._size):
            label.setVisible(bool(label.text()))
        if estimate.problem is not None:
            self._problem.show_text("error", estimate.problem)
        elif estimate.warnings:
            self._problem.show_text("warning", "\n".join(estimate.warnings))
        else:
            self._problem.clear()

    def _make_widgets(self) -> None:
        self.setCheckable(True)
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("Choose a folder")
        self.browse = QPushButton("Browse…")
        self.browse.setToolTip("Choose the folder to save in")
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name of the experiment")
        self.name.setToolTip("A number is added, so that nothing is overwritten.")
        self.format = Choice()
        self.backend = Choice()
        self.backend.setToolTip("The library that writes the pixels.")
        self.compression = Choice()
        self.compression.setToolTip("Lossless. None is fastest; zstd is small and fast.")
        self.chunks = Choice()
        self.measure = QToolButton()
        self.measure.setText("Measure disk")
        self.measure.setAccessibleName("Measure the speed of the disk")
        self.measure.setToolTip("Measure how fast the disk writes. The file is removed.")
        self._target, self._size, self._rate = (QLabel() for _ in range(3))
        for label in (self._target, self._size, self._rate):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._problem = Note()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        places = (
            ("Folder", self.folder, 0, 0, 3),
            ("Name", self.name, 1, 0, 4),
            ("Format", self.format, 2, 0, 1),
            ("Backend", self.backend, 2, 2, 2),
            ("Compression", self.compression, 3, 0, 1),
            ("Chunks", self.chunks, 3, 2, 2),
        )
        for text, widget, row, at, span in places:
            label = QLabel(text)
            label.setBuddy(widget)
            grid.addWidget(label, row, at)
            grid.addWidget(widget, row, at + 1, 1, span)
        grid.addWidget(self.browse, 0, 4)
        rate_line = QHBoxLayout()
        rate_line.addWidget(self._rate, 1)
        rate_line.addWidget(self.measure)
        column = QVBoxLayout(self)
        column.addLayout(grid)
        column.addWidget(self._target)
        column.addWidget(self._size)
        column.addLayout(rate_line)
        column.addWidget(self._problem)


def _as_named(names: Iterable[str]) -> list[tuple[str, object]]:
    return [(name, name) for name in names]
