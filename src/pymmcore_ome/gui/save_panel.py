"""`SavePanel`: folder, name, format, and more, with an estimate of the next acquisition.

It edits `SaveSettings`. It saves nothing itself, and never waits for a disk: threads do slow work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
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

from pymmcore_ome.acquisition import Output
from pymmcore_ome.backends import find_backend
from pymmcore_ome.disk import FORMATS, DiskRates, Format
from pymmcore_ome.layout import LEAST_CHUNK_BYTES

from .advice import advice_on
from .estimate import Estimate, estimate_of
from .guard import Background, guarded
from .message_bar import Note
from .planned_run import PlannedRun
from .save_settings import CHUNK_PRESETS, LEVEL_PRESETS, SaveSettings, backends_of, compressions_of

_SETTLE_MS: Final = 250  # while someone types, nothing is estimated
_rates = DiskRates()  # of the disks of this computer, for all panels


_FORMAT_NAMES: Final = {"ome-zarr": "OME-Zarr", "ome-tiff": "OME-TIFF"}
_CHUNK_TIPS: Final = (
    "The smallest part of an array that is read and written.\n"
    "one frame: for large frames.\n"
    f"gathered: small frames together, at least {LEAST_CHUNK_BYTES >> 20} MiB a chunk.\n"
    "tiles: parts of a frame, for viewing large frames."
)


_LEVEL_TIPS: Final = (
    "Smaller copies of each frame, for viewing large images.\n"
    "full size: no copies.\n"
    "automatic: each half as large as the one before, down to 256 pixels."
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
    """The widgets of a `SavePanel`: shows settings and an estimate, and decides nothing."""

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
        self.levels.set_choices(_as_named(LEVEL_PRESETS), chosen.levels)
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
        self.levels = Choice()
        self.levels.setToolTip(_LEVEL_TIPS)
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
        grid.setColumnStretch(5, 1)
        places = (
            ("Folder", self.folder, 0, 0, 4),
            ("Name", self.name, 1, 0, 5),
            ("Format", self.format, 2, 0, 1),
            ("Backend", self.backend, 2, 2, 3),
            ("Compression", self.compression, 3, 0, 1),
            ("Chunks", self.chunks, 3, 2, 1),
            ("Levels", self.levels, 3, 4, 1),
        )
        for text, widget, row, at, span in places:
            label = QLabel(text)
            label.setBuddy(widget)
            grid.addWidget(label, row, at)
            grid.addWidget(widget, row, at + 1, 1, span)
        grid.addWidget(self.browse, 0, 5)
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


class SavePanel(SaveForm):
    """Selects where and how to save, and shows an estimate. Use it in the main thread.

    It numbers names and refuses to overwrite anything. It can be part of any panel:
    ``core.run_mda(sequence, output=panel.output())``.

    Parameters
    ----------
    settings : SaveSettings, optional
        The initial settings.
    core : CMMCorePlus, optional
        The core that will run, for `output`. None: ``CMMCorePlus.instance()``.
    measures_disk : bool
        Measure the speed of a disk once, when its folder is selected (in about a second; the
        file is removed).
    parent : QWidget, optional
    """

    settingsChanged = Signal(object)  # SaveSettings
    estimateChanged = Signal(object)  # Estimate

    def __init__(
        self,
        settings: SaveSettings | None = None,
        *,
        core: Any = None,
        measures_disk: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._core = core
        self._settings = settings or SaveSettings()
        self._plan: PlannedRun | None = None
        self._estimate = Estimate()
        self._measures_disk = measures_disk
        self._measured: set[Path] = set()
        self._is_still = False
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._ask_estimate)
        self._estimating, self._measuring = Background(self), Background(self)
        self._estimating.done.connect(self._on_estimate)
        self._estimating.failed.connect(self.report)
        self._measuring.done.connect(self._on_measured)
        self._measuring.failed.connect(self._on_not_measured)
        self.show_settings(self._settings)
        self._connect()
        self._settle.start()

    # ------------------------------------------------------------------------------- for callers

    @property
    def settings(self) -> SaveSettings:
        """The current settings."""
        return self._settings

    def metadata(self) -> dict[str, Any]:
        """Return the current settings, as stored with a sequence."""
        return self._settings.to_metadata()

    def set_settings(self, settings: SaveSettings) -> None:
        """Replace the settings, and show them."""
        self._settings = settings
        self.show_settings(self._settings)
        self._changed()

    def set_plan(self, plan: PlannedRun | None) -> None:
        """Show sizes and rates for a sequence, or for none."""
        self._plan = plan
        self._settle.start()

    def output(self) -> Output | None:
        """Return the object for ``mda.run(output=…)``; None when saving is switched off.

        Reads the folder for the next free number.

        Raises
        ------
        StorePathError, OptionError
            When these settings cannot be used, with the reason.
        """
        return self._settings.output(core=self._core)

    @property
    def estimate(self) -> Estimate:
        """The latest estimate. It follows a change after a moment."""
        return self._estimate

    @property
    def disk_rates(self) -> DiskRates:
        """The measured rates of disks."""
        return _rates

    def set_still(self, is_still: bool) -> None:
        """Disable changes, estimates, and measurements while an acquisition runs."""
        self._is_still = is_still
        self.setEnabled(not is_still)
        if not is_still:
            self._settle.start()

    def report(self, error: BaseException) -> None:
        """Show an error."""
        self._problem.show_text("error", str(advice_on(error).text))

    # ------------------------------------------------------------------------------- the widgets

    def _connect(self) -> None:
        self.toggled.connect(self._on_switched)
        self.folder.textEdited.connect(self._on_folder)
        self.name.textEdited.connect(self._on_name)
        self.name.editingFinished.connect(self._on_name_finished)
        self.browse.clicked.connect(self._on_browse)
        self.format.currentIndexChanged.connect(self._on_format)
        for choice in (self.backend, self.compression, self.chunks, self.levels):
            choice.currentIndexChanged.connect(self._on_choice)
        self.measure.clicked.connect(self._on_measure)

    # --------------------------------------------------------------------------------- the slots

    @guarded
    def _on_switched(self, is_on: bool) -> None:
        self._change(is_on=is_on)

    @guarded
    def _on_folder(self, text: str) -> None:
        self._change(folder=Path(text))

    @guarded
    def _on_name(self, text: str) -> None:
        self._change(name=text)

    @guarded
    def _on_name_finished(self) -> None:
        named = self._settings.named(self.name.text())
        if named != self._settings:
            self.set_settings(named)

    @guarded
    def _on_browse(self) -> None:
        found = QFileDialog.getExistingDirectory(
            self, "Choose the folder to save in", str(self._settings.folder)
        )
        if found:
            self.set_settings(self._settings.replace(folder=Path(found)))

    @guarded
    def _on_format(self) -> None:
        self.set_settings(self._settings.with_format(cast("Format", self.format.value())))

    @guarded
    def _on_choice(self) -> None:
        self._change(
            backend=self.backend.value(),
            compression=self.compression.value(),
            chunks=self.chunks.value(),
            levels=self.levels.value(),
        )

    @guarded
    def _on_measure(self) -> None:
        folder = self._settings.folder.expanduser()
        self.measure.setEnabled(False)
        self.measure.setText("Measuring…")
        self._measuring.request(lambda: _rates.measure(folder))

    def _change(self, **changes: Any) -> None:
        self._settings = self._settings.replace(**changes)
        self.show_settings(self._settings)
        self._changed()

    def _changed(self) -> None:
        self._settle.start()
        self.settingsChanged.emit(self._settings)

    # ------------------------------------------------------------------------------ the estimate

    @guarded
    def _ask_estimate(self) -> None:
        if self._is_still:
            return
        settings, plan = self._settings, self._plan
        self._estimating.request(
            lambda: estimate_of(settings, plan, _rates.cached(settings.folder))
        )

    @guarded
    def _on_estimate(self, estimate: Estimate) -> None:
        if self._is_still:
            return
        self._estimate = estimate
        self.show_estimate(estimate)
        self._measure_once(estimate)
        self.estimateChanged.emit(estimate)

    def _measure_once(self, estimate: Estimate) -> None:
        folder = self._settings.folder.expanduser()
        is_due = estimate.path is not None and estimate.disk_bytes_per_s is None
        if self._measures_disk and is_due and folder not in self._measured and folder.is_dir():
            self._measured.add(folder)
            self._on_measure()

    @guarded
    def _on_measured(self) -> None:
        self._measure_ended()
        self._ask_estimate()

    @guarded
    def _on_not_measured(self, error: Exception) -> None:
        self._measure_ended()
        self._problem.show_text("warning", f"The speed of the disk could not be measured: {error}.")

    def _measure_ended(self) -> None:
        self.measure.setText("Measure disk")
        self.measure.setEnabled(self._settings.is_on)
