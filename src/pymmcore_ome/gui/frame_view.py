"""`make_view`: ndv's viewer where it is installed and can draw, else a plain one."""

from __future__ import annotations

import logging
from typing import Protocol

from qtpy.QtGui import QOpenGLContext
from qtpy.QtWidgets import QWidget

from .frame_viewer import FrameViewer
from .newest_frame import ShownFrame

logger = logging.getLogger("pymmcore-ome")


class FrameView(Protocol):
    """What shows the newest frame."""

    def show_frame(self, frame: ShownFrame) -> None:
        """Show a frame instead of the one before."""

    def clear(self) -> None:
        """Show no frame."""

    @property
    def caption(self) -> str:
        """What is written under the frame."""


def make_view() -> FrameView:
    """Return a widget for the newest frame."""
    try:
        import ndv  # noqa: F401
    except ImportError:
        return FrameViewer()
    if not QOpenGLContext().create():  # ndv would end the program
        return FrameViewer()
    try:
        from .ndv_view import NdvView

        return NdvView()
    except Exception as error:  # whatever a graphics driver comes up with
        logger.warning("ndv cannot be used for the live view: %s", error)
        return FrameViewer()


def widget_of(view: FrameView) -> QWidget:
    """Return a view as the widget that it is."""
    assert isinstance(view, QWidget)
    return view
