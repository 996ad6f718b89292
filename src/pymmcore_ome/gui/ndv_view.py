"""`NdvView`: the newest frame in the viewer of ndv, with its contrast and its histogram.

ndv draws slowly with OpenGL: it receives only as many frames as it can draw while the window stays
responsive, always the newest. It shows frames and not a view of the store (`Output.view`): so it
also shows runs that are not saved or were started elsewhere, and reads nothing from disk.
"""

from __future__ import annotations

import time
from typing import Any, Final

import ndv
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from .newest_frame import ShownFrame

_LEAST_MS: Final = 80
_SHARE: Final = 3  # drawing uses one part in so many and one of the window's time


class NdvView(QWidget):
    """Shows one frame at a time, as `FrameViewer` does. Use it in the main thread."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = ndv.ArrayViewer()
        self._label = QLabel("No frame yet")
        self._label.setWordWrap(True)
        self._waiting: ShownFrame | None = None
        self._resting = QTimer(self)
        self._resting.setSingleShot(True)
        self._resting.timeout.connect(self._draw)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._viewer.widget(), 1)
        column.addWidget(self._label)
        self.setMinimumSize(200, 200)

    def show_frame(self, frame: ShownFrame) -> None:
        """Show a frame instead of the previous one, as soon as there is time."""
        self._waiting = frame
        if not self._resting.isActive():
            self._draw()

    def clear(self) -> None:
        """Show no frame."""
        self._waiting = None
        self._viewer.data = None
        self._label.setText("No frame yet")

    @property
    def caption(self) -> str:
        """The text under the frame."""
        return self._label.text()

    @property
    def pixels(self) -> NDArray[Any] | None:
        """The displayed frame, as the camera delivered it."""
        return self._viewer.data

    def _draw(self) -> None:
        frame, self._waiting = self._waiting, None
        if frame is None:
            return
        began = time.monotonic()
        try:
            self._viewer.data = frame.pixels
            self._label.setText(frame.caption)
        except Exception as error:  # a picture must not stop an acquisition
            self._label.setText(f"{frame.caption} (ndv cannot show it: {error})")
        spent_ms = (time.monotonic() - began) * 1000
        self._resting.start(max(_LEAST_MS, round(_SHARE * spent_ms)))
