"""`AcquisitionPanel`: plan, save, run, and watch an acquisition, in one panel.

It connects its parts; what they allow is resolved in `panel_state`. It never waits: checks and
the acquisition run in other threads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import useq
from pymmcore_plus import CMMCorePlus
from qtpy.QtCore import QObject, Qt, QTimer, QUrl, Signal
from qtpy.QtGui import QDesktopServices, QResizeEvent
from qtpy.QtWidgets import (
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from pymmcore_ome.acquisition import Output
from pymmcore_ome.disk import free_bytes
from pymmcore_ome.layout import Layout
from pymmcore_ome.stream import Summary, run_report

from .acquisition_run import AcquisitionRun, RunSnapshot
from .core_signals import CoreSignals
from .estimate import Estimate, estimate_of
from .frame_viewer import make_view, widget_of
from .guard import Background, from_any_thread, guarded
from .icons import without_waiting
from .message_bar import MessageBar
from .newest_frame import NewestFrame
from .panel_state import ForeignRun, PanelState, panel_state
from .planned_run import PlannedRun
from .run_bar import RunBar
from .run_page import RunPage
from .run_viewer import RunViewer
from .save_panel import SavePanel
from .save_settings import SaveSettings
from .sequence_editor import SequenceEditor

_LOOK_MS: Final = 50
_SETTLE_MS: Final = 200
_SPACE_MS: Final = 2000
_LOOKS_PER_MAP: Final = 5  # the map of a large plate costs more than the figures


class AcquisitionPanel(QWidget):
    """Describes, saves, runs, and shows acquisitions on one core. Use it in the main thread.

    The editor is pymmcore-widgets' `MDAWidget`; a `SavePanel` selects where to save. One
    acquisition runs at a time; one that was started elsewhere on the core can be watched,
    paused, and canceled. The panel refuses to overwrite anything.

    Parameters
    ----------
    core : CMMCorePlus, optional
        Created after the QApplication. None: ``CMMCorePlus.instance()``.
    settings : SaveSettings, optional
        Where to save initially.
    measures_disk : bool
        As `SavePanel`.
    parent : QWidget, optional

    Raises
    ------
    AcquisitionError
        When the core was created before the QApplication.
    """

    runStarted = Signal()
    runEnded = Signal(object)  # AcquisitionRun
    titleChanged = Signal(str)  # how far the run is; empty: nothing runs

    def __init__(
        self,
        core: CMMCorePlus | None = None,
        *,
        settings: SaveSettings | None = None,
        measures_disk: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._core = CMMCorePlus.instance() if core is None else core
        self._run: AcquisitionRun | None = None
        self._ended: RunSnapshot | None = None
        self._is_checking = self._is_foreign = False
        self._continues: Path | None = None  # the store that the next run goes on with
        self._last = ""
        self._state = PanelState()
        self._newest = NewestFrame()
        self._signals = CoreSignals(self._core, self._newest, self)
        self.save_panel = SavePanel(settings, core=self._core, measures_disk=measures_disk)
        without_waiting()
        self.editor = SequenceEditor(self._core, self.save_panel.metadata)
        self.view = make_view()
        self._view_widget = widget_of(self.view)
        self.viewer = RunViewer()
        self.messages = MessageBar()
        self.run_bar = RunBar()
        self.run_page = RunPage()
        self._looks = 0
        self._checking = Background(self)
        self._space = _FreeSpace(self)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._looking = QTimer(self)
        self._looking.setInterval(_LOOK_MS)
        self._lay_out()
        self._connect()
        self._settle.start()

    # ------------------------------------------------------------------------------- for callers

    @property
    def is_running(self) -> bool:
        """Whether an acquisition of this panel is running, or being checked."""
        return self._run is not None or self._is_checking

    @guarded
    def run(self) -> None:
        """Check the sequence and the disk, then acquire; a problem becomes a message."""
        self._begin(None)

    @guarded
    def continue_unfinished(self) -> None:
        """Acquire the frames that the last acquisition of the same sequence lacks."""
        self._begin(self.save_panel.estimate.unfinished)

    def _begin(self, continues: Path | None) -> None:
        if self.is_running:
            return
        self._continues = continues
        self.messages.put_away()
        self.editor.run_mda()  # may ask whether autofocus is meant; answers by runRequested

    @guarded
    def set_paused(self, paused: bool) -> None:
        """Pause before the next frame, or resume."""
        if self._run is not None:
            self._run.set_paused(paused)
        elif self._core.mda.is_running():
            AcquisitionRun(self._core, useq.MDASequence(), None).set_paused(paused)

    @guarded
    def cancel(self) -> None:
        """Stop the acquisition after the current frame; acquired frames are saved."""
        if self._is_checking:
            self._is_checking = False
            self._rest()
        elif self._run is not None:
            self._run.cancel()
        else:
            self._core.mda.cancel()

    def report(self, error: BaseException) -> None:
        """Show an error, and what to do about it."""
        self.messages.report(error)

    # ------------------------------------------------------------------------------- the widgets

    def _lay_out(self) -> None:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 4, 0)
        column.addWidget(self.save_panel)
        column.addWidget(self.editor, 1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(left)
        self._views = QTabWidget()
        self._views.setDocumentMode(True)
        self._views.addTab(self._view_widget, "Newest frame")
        self._views.addTab(self.viewer, "Run")
        self._pages = QStackedWidget()
        self._form = scroll
        self._pages.addWidget(self._form)
        self._pages.addWidget(self.run_page)
        self.arrangement = Arrangement((self._pages, "Plan"), (self._views, "View"))
        whole = QVBoxLayout(self)
        whole.addWidget(self.arrangement, 1)
        whole.addWidget(self.messages)
        whole.addWidget(self.run_bar)

    def _connect(self) -> None:
        self.run_page.placeSelected.connect(self._on_place)
        self.run_bar.runClicked.connect(self.run)
        self.run_bar.continueClicked.connect(self.continue_unfinished)
        self.save_panel.estimateChanged.connect(self._on_estimate)
        self.run_bar.pauseClicked.connect(self.set_paused)
        self.run_bar.cancelClicked.connect(self.cancel)
        self.editor.valueChanged.connect(self._on_edited)
        self.save_panel.settingsChanged.connect(self._on_edited)
        self.editor.runRequested.connect(self._check)
        self.editor.settingsLoaded.connect(self._on_loaded)
        self.editor.failed.connect(self.report)
        self._settle.timeout.connect(self._show_plan)
        self._looking.timeout.connect(self._look)
        self._checking.done.connect(self._on_checked)
        self._checking.failed.connect(self._on_not_checked)
        self._signals.started.connect(self._on_sequence_started)
        self._signals.finished.connect(self._on_sequence_finished)
        self._signals.cameraChanged.connect(self._settle.start)

    # ------------------------------------------------------------------------------ before a run

    @guarded
    def _on_edited(self) -> None:
        self._settle.start()
        self.messages.put_away_outdated()

    @guarded
    def _show_plan(self) -> None:
        self.editor.mend_tables()
        if not self._core.mda.is_running():
            plan = PlannedRun(self._core, self.editor.value(), self._signals.image_infos())
            self.save_panel.set_plan(plan)

    @guarded
    def _on_loaded(self, metadata: dict[str, object]) -> None:
        self.save_panel.set_settings(self.save_panel.settings.from_metadata(metadata))

    @guarded
    def _on_estimate(self, estimate: Estimate) -> None:
        self.run_bar.offer(estimate.unfinished)

    @guarded
    def _check(self, sequence: useq.MDASequence) -> None:
        settings, plan = self.save_panel.settings, PlannedRun.of(self._core, sequence)
        self._is_checking = True
        self._ended, self._last = None, ""
        self._apply()
        rates, continues = self.save_panel.disk_rates, self._continues
        self._checking.request(
            lambda: (
                sequence,
                settings,
                estimate_of(settings, plan, rates.cached(settings.folder), continues=continues),
            )
        )

    @guarded
    def _on_checked(self, checked: tuple[useq.MDASequence, SaveSettings, Estimate]) -> None:
        if not self._is_checking:
            return  # canceled in the meantime
        sequence, settings, estimate = checked
        self._is_checking = False
        self.save_panel.show_estimate(estimate)
        self._rest()
        if estimate.error is not None:
            self.messages.report(estimate.error, of_settings=True)
            return
        output = settings.output(estimate.path, core=self._core, resume=self._continues is not None)
        if estimate.lacks_space:
            self.messages.show_message(
                "warning",
                "The disk has too little space",
                estimate.warnings[0],
                (
                    "Start anyway",
                    lambda: self._start_anyway(sequence, settings, output, estimate.layout),
                ),
                of_settings=True,
            )
            return
        self._start(sequence, output, estimate.layout)

    @guarded
    def _on_not_checked(self, error: Exception) -> None:
        self._is_checking = False
        self._rest()
        self.messages.report(error, of_settings=True)

    def _start_anyway(
        self,
        sequence: useq.MDASequence,
        settings: SaveSettings,
        output: Output | None,
        layout: Layout | None,
    ) -> None:
        """Start what was checked; after any change, check what is shown now instead."""
        shown = self.editor.value()
        if settings == self.save_panel.settings and _is_alike(sequence, shown):
            self._start(sequence, output, layout)
        else:
            self.run()

    # ---------------------------------------------------------------------------------- the run

    @guarded
    def _start(
        self, sequence: useq.MDASequence, output: Output | None, layout: Layout | None
    ) -> None:
        run = AcquisitionRun(self._core, sequence, output, from_any_thread(self._on_ended))
        self._newest.start_again()
        self._space.watch(None if output is None else output.path)
        run.start()
        self._run = run
        self._looks = 0
        self.run_page.begin(None if output is None else output.path, layout)
        self._pages.setCurrentWidget(self.run_page)
        self._apply()
        self.arrangement.bring_up(self._views)
        self.runStarted.emit()

    @guarded
    def _look(self) -> None:
        if (frame := self._newest.take()) is not None:
            self.view.show_frame(frame)
            self.run_page.show_frame(frame)
        self._apply()
        if self._run is not None:
            if self._looks % _LOOKS_PER_MAP == 0:
                self._show_map(self._run)
            self._looks += 1

    def _show_map(self, run: AcquisitionRun, is_over: bool = False) -> None:
        view = None if run.output is None else run.output.view()
        if view is None:
            return
        if view is not self.viewer.view:
            self.viewer.set_view(view)
            self._views.setCurrentWidget(self.viewer)
        self.run_page.show_view(view, is_over)

    @guarded
    def _on_ended(self) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        self._ended = run.look()
        self._space.watch(None)
        self._look()
        self._show_map(run, is_over=True)
        self._pages.setCurrentWidget(self._form)
        self._settle.start()
        if run.error is not None:
            self.messages.report(run.error)
        elif run.summary is not None:
            self._show_report(run.summary)
        self.runEnded.emit(run)

    def _show_report(self, summary: Summary) -> None:
        folder = QUrl.fromLocalFile(str(summary.path.parent))
        show = ("Show in folder", lambda: QDesktopServices.openUrl(folder))
        self.messages.show_message(*run_report(summary), show)

    @guarded
    def _on_place(self, image_number: int) -> None:
        self._views.setCurrentWidget(self.viewer)
        self.viewer.show_place(image_number)

    # ------------------------------------------------------------------- a run started elsewhere

    @guarded
    def _on_sequence_started(self) -> None:
        if self._run is None:
            self._is_foreign = True
            self._ended = None
            self.messages.put_away()
            self._newest.start_again()
            self._apply()

    @guarded
    def _on_sequence_finished(self) -> None:
        if self._is_foreign:
            self._is_foreign = False
            self._look()
            self._rest("The acquisition that was started elsewhere has ended")

    # --------------------------------------------------------------------------------- the state

    def _rest(self, last: str = "") -> None:
        """Nothing runs: everything can be changed again."""
        self._ended, self._last = None, last
        self._apply()
        self._settle.start()

    def _apply(self) -> None:
        """Resolve the state once, and make all widgets show it."""
        runner = self._core.mda
        state = panel_state(
            self._ended if self._run is None else self._run.look(),
            self._is_checking,
            ForeignRun(self._newest.count, runner.is_paused()) if self._is_foreign else None,
            self._last,
            self._space.value,
        )
        if state.title != self._state.title:
            self.titleChanged.emit(state.title)
        if state.can_edit != self._state.can_edit:
            self.save_panel.set_still(not state.can_edit)
            self.editor.set_still(not state.can_edit)
        is_acquiring = self._run is not None or self._is_foreign
        if is_acquiring != self._looking.isActive():
            (self._looking.start if is_acquiring else self._looking.stop)()
        self._state = state
        self.run_bar.show_state(state)
        if self._run is not None and state.run is not None:
            self.run_page.show_run(state.run, self._space.value)


class _FreeSpace(QObject):
    """Reads the free space of the disk of a run every few seconds, in another thread."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.value: int | None = None  # bytes; None: unknown
        self._path: Path | None = None
        self._reading = Background(self)
        self._timer = QTimer(self)
        self._timer.setInterval(_SPACE_MS)
        self._timer.timeout.connect(self._read)
        self._reading.done.connect(self._on_read)

    def watch(self, path: Path | None) -> None:
        """Watch the disk of a path; None: stop."""
        self._path, self.value = path, None
        if path is None:
            self._timer.stop()
        else:
            self._timer.start()
            self._read()

    def _read(self) -> None:
        if (path := self._path) is not None:
            self._reading.request(lambda: (path, free_bytes(path)))

    @guarded
    def _on_read(self, found: tuple[Path, int | None]) -> None:
        path, value = found
        if path == self._path:
            self.value = value


def _is_alike(one: useq.MDASequence, other: useq.MDASequence) -> bool:
    """Whether two sequences describe the same acquisition; each has an ID of its own."""
    return one.model_dump(exclude={"uid"}) == other.model_dump(exclude={"uid"})


Way = Literal["side by side", "below", "tabs"]
_WIDE: Final = 960  # pixels
_HIGH: Final = 880


def way_for(width: int, height: int) -> Way:
    """Return how two parts are best shown in so many pixels."""
    if width >= _WIDE:
        return "side by side"
    return "below" if height >= _HIGH else "tabs"


class Arrangement(QWidget):
    """Shows two widgets, and rearranges them when its size changes.

    Parameters
    ----------
    first, second : (QWidget, str)
        With their titles.
    """

    def __init__(
        self,
        first: tuple[QWidget, str],
        second: tuple[QWidget, str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._parts = (first, second)
        self._splitter = QSplitter()
        self._splitter.setChildrenCollapsible(False)
        self._tabs = QTabWidget()
        self._tabs.setDocumentMode(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._splitter)
        column.addWidget(self._tabs)
        self.way: Way | None = None
        self._arrange("side by side")

    def bring_up(self, part: QWidget) -> None:
        """Show a part if only one is visible at a time."""
        if self.way == "tabs":
            self._tabs.setCurrentWidget(part)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Arrange the parts for the new size."""
        super().resizeEvent(event)
        self._arrange(way_for(self.width(), self.height()))

    def _arrange(self, way: Way) -> None:
        if way == self.way:
            return
        self.way = way
        is_tabs = way == "tabs"
        for number, (part, title) in enumerate(self._parts):
            if is_tabs:
                self._tabs.addTab(part, title)
            else:
                self._splitter.addWidget(part)
                self._splitter.setStretchFactor(number, 3 - number)
            part.show()
        if not is_tabs:
            is_wide = way == "side by side"
            self._splitter.setOrientation(
                Qt.Orientation.Horizontal if is_wide else Qt.Orientation.Vertical
            )
            self._splitter.setSizes([620, 400] if is_wide else [640, 300])
        self._tabs.setVisible(is_tabs)
        self._splitter.setVisible(not is_tabs)
