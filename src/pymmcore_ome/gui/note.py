"""`Note`: a line that describes a problem, in a color readable on light and on dark."""

from __future__ import annotations

from typing import Final, Literal

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QLabel, QWidget

Level = Literal["success", "warning", "error"]

#: level -> (on light, on dark), all with a contrast above 4.5 to the window.
_COLORS: Final[dict[Level, tuple[str, str]]] = {
    "success": ("#17632b", "#7fd694"),
    "warning": ("#7a4d00", "#ffc45c"),
    "error": ("#a3131f", "#ff9a94"),
}


def color_of(level: Level, widget: QWidget) -> str:
    """Return the color of a level on a widget's background."""
    background = widget.palette().color(QPalette.ColorRole.Window)
    return _COLORS[level][1 if background.lightness() < 128 else 0]


class Note(QLabel):
    """A text that describes a problem or a success; hidden without one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._level: Level = "warning"
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.hide()

    def show_text(self, level: Level, text: str) -> None:
        """Show a text."""
        self._level = level
        self._color()
        self.setText(text)
        self.show()

    def clear(self) -> None:
        """Hide the text."""
        super().clear()
        self.hide()

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow a change between light and dark."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._color()

    def _color(self) -> None:
        sheet = f"color: {color_of(self._level, self)};"
        if self.styleSheet() != sheet:  # setting it changes the palette again
            self.setStyleSheet(sheet)
