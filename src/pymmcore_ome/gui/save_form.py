"""`SaveForm`: the widgets of the `SavePanel`, and what they show. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
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

from .choice import Choice
from .estimate import Estimate
from .note import Note
from .save_settings import CHUNK_PRESETS, SaveSettings, backends_of, compressions_of

_FORMAT_NAMES: Final = {"ome-zarr": "OME-Zarr", "ome-tiff": "OME-TIFF"}
_CHUNK_TIPS: Final = (
    "What is stored, and read, as one piece.\n"
    "one frame: right for large frames.\n"
    f"gathered: small frames together, at least {LEAST_CHUNK_BYTES >> 20} MiB a chunk.\n"
    "tiles: parts of a frame, for viewers of large frames."
)


class SaveForm(QGroupBox):
    """Shows settings and what they take."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Save", parent)
        self._make_widgets()
        self._lay_out()

    def show_settings(self, chosen: SaveSettings) -> None:
        """Make every widget show the settings; no signal is sent."""
        was_blocked = self.blockSignals(True)
        self.setChecked(chosen.is_on)
        self.blockSignals(was_blocked)
        if self.folder.text() != str(chosen.folder):
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
        """Show what the next acquisition takes, and what speaks against it."""
        path = estimate.path
        self._target.setText(f"Next: {path.name}" if path is not None else "")
        self._target.setToolTip(str(path or ""))
        self._size.setText(estimate.size_line)
        self._rate.setText(estimate.rate_line)
        for label in (self._target, self._size):
            label.setVisible(bool(label.text()))
        if estimate.problem is not None:
            self._problem.say("error", estimate.problem)
        elif estimate.warnings:
            self._problem.say("warning", "\n".join(estimate.warnings))
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
        self.name.setToolTip("A number is added, so that nothing is ever overwritten.")
        self.format = Choice()
        self.backend = Choice()
        self.backend.setToolTip("What writes the pixels.")
        self.compression = Choice()
        self.compression.setToolTip("Without loss. None is fastest; zstd is small and fast.")
        self.chunks = Choice()
        self.measure = QToolButton()
        self.measure.setText("Measure disk")
        self.measure.setToolTip("Write a file for a second, to see what the disk takes.")
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
