"""`MessageBar`: a message inside the panel, until it is closed or no longer true.

It never interrupts: no dialog, nothing that waits for an answer.
"""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
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
from .note import Level, Note

_MOST_CHARACTERS = 700  # more is copied, not shown


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
