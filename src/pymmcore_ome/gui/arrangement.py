"""`Arrangement`: two parts side by side, one below the other, or as tabs, by their size."""

from __future__ import annotations

from typing import Final, Literal

from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget

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
