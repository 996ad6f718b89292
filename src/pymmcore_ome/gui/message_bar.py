"""`MessageBar`: a message inside the panel, until it is closed or no longer true; `Note`: a line.

It never interrupts: no dialog, nothing that waits for an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from .advice import advice_on
from .guard import guarded

_MOST_CHARACTERS = 700  # more is copied, not shown
Level = Literal["success", "warning", "error"]
#: level -> (on light, on dark), all with a contrast above 4.5 to the window.
_COLORS: Final[dict[Level, tuple[str, str]]] = {
    "success": ("#17632b", "#7fd694"),
    "warning": ("#7a4d00", "#ffc45c"),
    "error": ("#a3131f", "#ff9a94"),
}


class MessageBar(QFrame):
    """A message with a title, a text that can be copied, and at most one action."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._full_text = ""
        self._is_of_settings = False
        self._do: Callable[[], object] | None = None
        self._title = Note()
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.action = QPushButton()
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy the complete message")
        self.dismiss = QPushButton("Close")
        top = QHBoxLayout()
        top.addWidget(self._title, 1)
        for button in (self.action, self.copy, self.dismiss):
            top.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 6)
        column.setSpacing(2)
        column.addLayout(top)
        column.addWidget(self._text)
        self.action.clicked.connect(self._on_action)
        self.copy.clicked.connect(self._on_copy)
        self.dismiss.clicked.connect(self.put_away)
        self.hide()

    def show_message(
        self,
        level: Level,
        title: str,
        text: str,
        action: tuple[str, Callable[[], object]] | None = None,
        *,
        of_settings: bool = False,
    ) -> None:
        """Show a message instead of the previous one.

        Parameters
        ----------
        level, title, text
        action : (str, callable), optional
            A button and its effect; a click also closes the message.
        of_settings : bool
            Whether the message is about the values in the panel, and is outdated when they change.
        """
        self._is_of_settings = of_settings
        self._full_text = f"{title}\n{text}"
        self._title.show_text(level, title)
        is_long = len(text) > _MOST_CHARACTERS
        self._text.setText(f"{text[:_MOST_CHARACTERS]}…" if is_long else text)
        self._do = action[1] if action is not None else None
        self.action.setVisible(action is not None)
        self.action.setText(action[0] if action is not None else "")
        self.copy.setVisible(level != "success")
        self.show()

    def report(self, error: BaseException, *, of_settings: bool = False) -> None:
        """Show an error, and what to do about it."""
        self.show_message("error", *advice_on(error), of_settings=of_settings)

    def put_away_outdated(self) -> None:
        """Hide a message about values that have changed."""
        if self._is_of_settings:
            self.put_away()

    def put_away(self) -> None:
        """Hide it."""
        self._do = None
        self.hide()

    @property
    def text(self) -> str:
        """The title and the text that are visible, or an empty string."""
        return self._full_text if self.isVisibleTo(self.parentWidget()) else ""

    @guarded
    def _on_action(self) -> None:
        do = self._do
        self.put_away()
        if do is not None:
            do()

    @guarded
    def _on_copy(self) -> None:
        if (clipboard := QApplication.clipboard()) is not None:
            clipboard.setText(self._full_text)


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
