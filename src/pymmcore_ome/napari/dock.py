"""The dock widgets: "Save with pymmcore-ome", a face of `connect`; and "Acquire and save".

Their state is in the `Connection` and the panel. Functions create them, so that Qt is imported only
when one is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from .connection import Connection, connect, main_window
from .viewer import viewer_or_current

_SAVES: Final = (
    "pymmcore-ome saves the runs of napari-micromanager's MDA. Check “Save Acquisition” there and "
    "select ome-zarr or ome-tiff."
)
_RESTS: Final = "Disconnected: napari-micromanager saves as it did before."
_CLOSED: Final = "napari-micromanager is not open in this viewer."


def make_dock(napari_viewer: Any = None) -> Any:
    """Return the widget, connected at once where napari-micromanager is open.

    Parameters
    ----------
    napari_viewer : napari.Viewer, optional
        napari passes it; None: the current one.

    Returns
    -------
    QWidget
        Its attribute ``connection()`` returns the current `Connection`, or None.
    """
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QVBoxLayout, QWidget

    viewer = viewer_or_current(napari_viewer)
    widget = QWidget()
    state, last, button = QLabel(), QLabel(), QPushButton()
    opens = QCheckBox("Open each run when it ends")
    opens.setChecked(True)
    column = QVBoxLayout(widget)
    for label in (state, last):
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    for part in (state, opens, button, last):
        column.addWidget(part)
    column.addStretch()
    made: list[Connection] = []

    def connection() -> Connection | None:
        return made[-1] if made and made[-1].is_connected else None

    def refresh() -> None:
        present, is_open = connection(), main_window(viewer) is not None
        state.setText(_SAVES if present else _RESTS if is_open else _CLOSED)
        button.setText(
            "Disconnect" if present else "Connect" if is_open else "Open napari-micromanager"
        )
        opens.setEnabled(present is not None)

    def start() -> None:
        made[:] = [connect(viewer)]
        made[-1].opens = opens.isChecked()
        if last.setText not in made[-1].on_ended:
            made[-1].on_ended.append(last.setText)

    def press() -> None:
        present = connection()
        if present is not None:
            present.on_ended.remove(last.setText)
            present.disconnect()
            return
        if main_window(viewer) is None:
            viewer.window.add_plugin_dock_widget("napari-micromanager", "Main Window")
        start()

    def choose(value: bool) -> None:
        present = connection()
        if present is not None:
            present.opens = value

    button.clicked.connect(_shows_errors(press, refresh))
    opens.toggled.connect(choose)
    if main_window(viewer) is not None:
        _shows_errors(start, refresh)()
    refresh()
    widget.connection = connection  # type: ignore[attr-defined, unused-ignore]  # with and without Qt
    return widget


def make_panel() -> Any:
    """Return the `AcquisitionPanel` on ``CMMCorePlus.instance()``, as a dock widget.

    Returns
    -------
    AcquisitionPanel
    """
    from pymmcore_ome.gui import AcquisitionPanel

    return AcquisitionPanel()


def _shows_errors(action: Callable[[], None], after: Callable[[], None]) -> Callable[..., None]:
    """Return a slot that shows errors, because a slot must not raise."""

    @wraps(action)
    def slot(*_: object) -> None:
        from napari.utils.notifications import show_error

        try:
            action()
        except Exception as error:
            show_error(str(error))
        after()

    return slot
