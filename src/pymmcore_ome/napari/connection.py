"""`connect`: this package saves the runs of napari-micromanager and opens them in napari.

It installs the package on the core of the main window, follows that window when it changes its
core, and reports the end of each run as a napari notification. It has no controls of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pymmcore_ome.acquisition import Installation, RunThread, install, replaced
from pymmcore_ome.errors import AcquisitionError, PymmcoreOmeError
from pymmcore_ome.stream import Summary, run_report

from .viewer import show, viewer_or_current

logger = logging.getLogger("pymmcore-ome")
_LIVE_KEY = "napari_micromanager"  # of the metadata that napari-micromanager gives its layers


class Connection:
    """A viewer and the core whose runs are saved and shown. Created by `connect`.

    Attributes
    ----------
    viewer : napari.Viewer
    core : CMMCorePlus
        The current core of napari-micromanager.
    opens : bool
        Whether a saved run is opened when it ends. Can be changed at any time.
    on_ended : list of callable
        Called in the main thread with a report of each run that ended.
    """

    def __init__(self, viewer: Any, core: Any, window: Any, options: dict[str, Any]) -> None:
        from pymmcore_ome.gui import from_any_thread  # superqt's crashes with PySide6

        self._in_main_thread = from_any_thread(self._call)
        self.viewer = viewer
        self.core = core
        self.opens = True
        self.on_ended: list[Callable[[str], None]] = []
        self._options = options
        self._window = window
        self._in_window, self._on_core = ExitStack(), ExitStack()
        self._installation: Installation | None = None
        self._run_mda: Callable[..., RunThread] | None = None
        self._follow(core)
        if window is not None:
            self._in_window.enter_context(replaced(window, "set_core", self._set_core))

    @property
    def is_connected(self) -> bool:
        """Whether this package currently saves runs."""
        return self._installation is not None

    def disconnect(self) -> None:
        """Restore the core and the window; may be called repeatedly."""
        self._leave()
        self._in_window.close()
        if self in _connections:
            _connections.remove(self)

    def _follow(self, core: Any) -> None:
        self._leave()
        self.core = core
        installation = self._installation = install(core, **self._options)
        installation.saved.connect(self._saved)
        installation.failed.connect(self._failed)
        self._run_mda = core.run_mda
        self._on_core.enter_context(replaced(core, "run_mda", self._start))

    def _leave(self) -> None:
        installation, self._installation = self._installation, None
        if installation is None:
            return
        installation.saved.disconnect(self._saved)
        installation.failed.disconnect(self._failed)
        self._on_core.close()
        installation.__exit__()

    def _start(self, *values: Any, **options: Any) -> RunThread:
        """Run as `run_mda` does, but return an immediate error as the result of the thread.

        A Run button calls it in a slot, which must not raise.
        """
        assert self._run_mda is not None
        try:
            return self._run_mda(*values, **options)
        except PymmcoreOmeError as error:
            thread = RunThread(_refusing, ())
            thread.error = error
            thread.start()
            self._failed(error)
            return thread

    def _set_core(self, core: Any, *args: Any, **options: Any) -> Any:
        """Change the main window's core, and install on the new one."""
        done = type(self._window).set_core(self._window, core, *args, **options)
        self._follow(core)
        return done

    def _saved(self, summaries: Sequence[Summary]) -> None:
        """Receive the summaries of a run, in the thread that ran it."""
        self._in_main_thread(self._report_saved, list(summaries))

    def _failed(self, error: BaseException) -> None:
        """Receive the error of a run, in the thread that ran it."""
        self._in_main_thread(self._report_failed, error, _is_shown_by_napari())

    def _call(self, slot: Callable[..., None], *values: Any) -> None:
        """Call a slot; show its errors instead of raising them."""
        from napari.utils.notifications import show_error

        try:
            slot(*values)
        except Exception as failure:
            logger.exception("Cannot report the end of a run")
            show_error(f"Cannot report the end of a run: {failure}")

    def _report_saved(self, summaries: Sequence[Summary]) -> None:
        from napari.utils import notifications

        reports = [run_report(summary) for summary in summaries]
        message = " ".join(map(str, reports))
        is_whole = all(report.level == "success" for report in reports)
        (notifications.show_info if is_whole else notifications.show_warning)(message)
        if self.opens:
            for summary in summaries:
                self._open(summary.path)
        self._pass_on(message)

    def _report_failed(self, error: BaseException, is_shown: bool) -> None:
        from napari.utils import notifications

        message = f"The run ended with an error: {error}"
        if not is_shown:
            notifications.show_error(message)
        self._pass_on(message)

    def _pass_on(self, message: str) -> None:
        for listener in tuple(self.on_ended):
            listener(message)

    def _open(self, path: Path) -> None:
        """Show a run's store instead of the layers that showed it live."""
        for layer in list(self.viewer.layers):
            if _LIVE_KEY in layer.metadata:
                self.viewer.layers.remove(layer)
            else:
                layer.visible = False
        show(path, self.viewer)
        self.viewer.reset_view()


_connections: list[Connection] = []  # signals hold them weakly


def connect(viewer: Any = None, core: Any = None, **options: Any) -> Connection:
    """Save the runs of a viewer with this package, and open them when they end.

    Afterwards, the Run button of napari-micromanager saves to the path in its save box, as OME-Zarr
    or OME-TIFF. A notification reports the end of a run. The store replaces the layer that showed
    the run live; all other layers are hidden, not removed. Connecting a viewer again returns the
    same connection.

    Call this in the main thread.

    Parameters
    ----------
    viewer : napari.Viewer, optional
        None: the current one.
    core : CMMCorePlus, optional
        None: the core of napari-micromanager's main window in the viewer, also after the window
        changes it.
    **options
        Options of the stores: the keyword arguments of `Output`.

    Returns
    -------
    Connection
        With ``disconnect()``, and ``opens``, which can be set to False.

    Raises
    ------
    AcquisitionError
        When there is no viewer, or no core in it.
    OptionError
        When a format or backend is unknown.
    """
    viewer = viewer_or_current(viewer)
    window = main_window(viewer)
    if core is None:
        if window is None:
            raise AcquisitionError(
                "napari-micromanager is not open in this viewer. Open it (Plugins, "
                "napari-micromanager, Main Window), or pass the core: connect(core=…)."
            )
        core = window.core
    for known in _connections:
        if known.viewer is viewer and known.core is core and known.is_connected:
            return known
    follows = window if window is not None and window.core is core else None
    connection = Connection(viewer, core, follows, options)
    _connections.append(connection)
    return connection


def main_window(viewer: Any) -> Any:
    """Return napari-micromanager's main window in a viewer, or None."""
    try:
        from napari_micromanager.main_window import MainWindow
    except ImportError:
        return None
    from qtpy.QtWidgets import QApplication

    for widget in QApplication.allWidgets():
        if isinstance(widget, MainWindow) and getattr(widget, "viewer", None) is viewer:
            return widget
    return None


def _is_shown_by_napari() -> bool:
    """Whether napari itself shows the error of the run, as for errors that end a thread."""
    if threading.current_thread() is threading.main_thread():
        return False
    from napari.utils.notifications import notification_manager

    return getattr(threading.excepthook, "__self__", None) is notification_manager


def _refusing() -> None:
    """Stand for a run that was refused before its start."""
