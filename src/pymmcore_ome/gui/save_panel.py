"""`SavePanel`: folder, name, format, and more, with an estimate of the next acquisition.

It edits `SaveSettings`. It saves nothing itself, and never waits for a disk: threads do slow work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from pymmcore_ome.acquisition import Output
from pymmcore_ome.disk import DiskRates, Format

from .advice import advice_on
from .estimate import Estimate, estimate_of
from .guard import Background, guarded
from .planned_run import PlannedRun
from .save_form import SaveForm
from .save_settings import SaveSettings

_SETTLE_MS: Final = 250  # while someone types, nothing is estimated
_rates = DiskRates()  # of the disks of this computer, for all panels


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
        for choice in (self.backend, self.compression, self.chunks):
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
