"""`make_view`: ndv's viewer if it is installed and can draw, otherwise a `FrameViewer`.

`FrameViewer` shows the newest frame with its position and channel, with stretched contrast. It
changes no pixel and stores none. Qt alone draws it, so that it works everywhere.
"""

from __future__ import annotations

import logging
from typing import Protocol

from qtpy.QtCore import QPoint, QRect, QSize, Qt
from qtpy.QtGui import QImage, QOpenGLContext, QPainter, QPaintEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from .newest_frame import ShownFrame, as_gray8

logger = logging.getLogger("pymmcore-ome")


class FrameView(Protocol):
    """A widget that shows the newest frame."""

    def show_frame(self, frame: ShownFrame) -> None:
        """Show a frame instead of the previous one."""

    def clear(self) -> None:
        """Show no frame."""

    @property
    def caption(self) -> str:
        """The text under the frame."""


def make_view() -> FrameView:
    """Return a widget for the newest frame."""
    try:
        import ndv  # noqa: F401
    except ImportError:
        return FrameViewer()
    if not QOpenGLContext().create():  # ndv would crash
        return FrameViewer()
    try:
        from .ndv_view import NdvView

        return NdvView()
    except Exception as error:  # of a graphics driver
        logger.warning("ndv cannot be used for the live view: %s", error)
        return FrameViewer()


def widget_of(view: FrameView) -> QWidget:
    """Return a view as the widget that it is."""
    assert isinstance(view, QWidget)
    return view


class FrameViewer(QWidget):
    """Shows one frame at a time. Use it in the main thread."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas = _Canvas()
        self._label = QLabel()
        self._label.setWordWrap(True)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._canvas, 1)
        column.addWidget(self._label)
        self.clear()

    def show_frame(self, frame: ShownFrame) -> None:
        """Show a frame instead of the previous one."""
        size = self._canvas.size() * self.devicePixelRatioF()
        gray = as_gray8(frame.pixels, size.height(), size.width())
        height, width = gray.shape[:2]
        is_rgb = gray.ndim == 3
        form = QImage.Format.Format_RGB888 if is_rgb else QImage.Format.Format_Grayscale8
        image = QImage(gray.tobytes(), width, height, gray.strides[0], form)
        self._canvas.show_image(image.copy())  # Qt does not keep the bytes alive
        self._label.setText(frame.caption)

    def clear(self) -> None:
        """Show no frame."""
        self._canvas.show_image(None)
        self._label.setText("No frame yet")

    @property
    def caption(self) -> str:
        """The text under the frame."""
        return self._label.text()

    @property
    def image(self) -> QImage | None:
        """The displayed image, as 8-bit gray or RGB."""
        return self._canvas.image


class _Canvas(QWidget):
    """Paints an image as large as it fits, on black."""

    def __init__(self) -> None:
        super().__init__()
        self.image: QImage | None = None
        self.setMinimumSize(120, 120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        return QSize(420, 420)

    def show_image(self, image: QImage | None) -> None:
        self.image = image
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        if self.image is not None and not self.image.isNull():
            fitting = self.image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            corner = QPoint(
                (self.width() - fitting.width()) // 2, (self.height() - fitting.height()) // 2
            )
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(QRect(corner, fitting), self.image)
        painter.end()
