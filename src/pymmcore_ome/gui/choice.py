"""`Choice`: a list of named values to choose from. It knows nothing of what they mean."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QComboBox, QWidget


class Choice(QComboBox):
    """A combo box whose entries stand for values of any kind."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: list[object] = []
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(9)

    def set_choices(self, choices: Sequence[tuple[str, object]], chosen: object) -> None:
        """Offer other values, one of them chosen; that one is added where it is missing."""
        was_blocked = self.blockSignals(True)
        self.clear()
        self._values = [value for _, value in choices]
        self.addItems([text for text, _ in choices])
        if chosen not in self._values:
            self._values.append(chosen)
            self.addItem(str(getattr(chosen, "name", chosen)))
        self.setCurrentIndex(self._values.index(chosen))
        self.blockSignals(was_blocked)

    def value(self) -> object:
        """Return the value that is chosen."""
        return self._values[max(0, self.currentIndex())]

    def choose(self, value: object) -> None:
        """Choose a value as a person would: signals are sent."""
        self.setCurrentIndex(self._values.index(value))
