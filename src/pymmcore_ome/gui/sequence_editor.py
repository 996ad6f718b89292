"""`SequenceEditor`: the MDAWidget of pymmcore-widgets, without its save box and its buttons.

It describes a sequence and runs nothing: a signal requests a run.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import useq
from pymmcore_plus import CMMCorePlus
from pymmcore_widgets import MDAWidget
from qtpy.QtCore import Signal, qVersion
from qtpy.QtWidgets import QAbstractItemView, QAbstractSpinBox, QWidget

from pymmcore_ome.errors import PymmcoreOmeError, SequenceError
from pymmcore_ome.stream import count_text

from .message_bar import Note
from .save_settings import METADATA_KEY

#: Positions of a plate that are listed; each row has six widgets.
MOST_ROWS: Final = 96
_HIDES_NUMBERS: Final = [int(part) for part in str(qVersion()).split(".")] >= [6, 11, 3]


class SequenceEditor(MDAWidget):
    """Edits a `useq.MDASequence` with the devices of a core. Use it in the main thread.

    Parameters
    ----------
    core : CMMCorePlus
    save_metadata : callable
        Returns the save settings to store with a sequence.
    parent : QWidget, optional
    """

    runRequested = Signal(object)  # useq.MDASequence
    settingsLoaded = Signal(object)  # the metadata of a sequence that was loaded
    failed = Signal(object)  # an exception

    def __init__(
        self,
        core: CMMCorePlus,
        save_metadata: Callable[[], dict[str, Any]] = dict,
        parent: QWidget | None = None,
    ) -> None:
        self._save_metadata = save_metadata
        super().__init__(parent=parent, mmcore=core)
        self.save_info.setChecked(False)
        self.save_info.hide()
        self.control_btns.hide()
        if (layout := self.layout()) is not None:
            layout.setContentsMargins(0, 4, 0, 0)  # the panel around it has margins
        self._name_units()
        _list_small_plates_only(self.stage_positions)
        for table in self.findChildren(QAbstractItemView):
            table.setTabKeyNavigation(False)  # Tab goes to the next control; arrows move inside

    def value(self) -> useq.MDASequence:
        """Return the sequence, with the save settings in its metadata."""
        sequence = super().value()
        if saved := self._save_metadata():
            sequence.metadata[METADATA_KEY] = {"save": saved}
        return sequence

    def setValue(self, value: useq.MDASequence) -> None:
        """Show a sequence. `settingsLoaded` reports its metadata.

        `failed` reports a sequence that cannot be shown unchanged, for instance because the
        microscope lacks a channel; the editor then stays as it was.
        """
        before = self._checked_value()
        try:
            self._show(value.replace(metadata={}))
            lost = differences(value, super().value())
        except Exception:
            self._show(before)
            raise
        if lost:
            self._show(before)
            self.failed.emit(
                SequenceError(
                    f"This sequence was not loaded, because the panel cannot show it: "
                    f"{'; '.join(lost)}. Check that it is for this microscope, or acquire it with  "
                    "pymmcore-ome run."
                )
            )
        else:
            self.settingsLoaded.emit(value.metadata)

    def _checked_value(self) -> useq.MDASequence:
        """Return the sequence without what is not checked.

        `MDAWidget.value` adds the current stage position if no positions are checked. Shown again,
        it would become a position that the stage moves to.
        """
        empty = {
            name: () if name in ("channels", "stage_positions") else None
            for name in ("channels", "time_plan", "z_plan", "stage_positions", "grid_plan")
            if not self.tab_wdg.isChecked(getattr(self.tab_wdg, name))
        }
        return super().value().replace(**empty)

    def _show(self, value: useq.MDASequence) -> None:
        positions: Any = self.stage_positions
        if not isinstance(value.stage_positions, useq.WellPlatePlan) and getattr(
            positions, "_plate_plan", None
        ):  # pymmcore-widgets (0.12) would keep the wells of the previous plate
            positions._plate_plan = None
            positions._set_position_table_editable(True)
            positions.plate_note.clear()
        super().setValue(value)
        self.valueChanged.emit()  # which its tables omit for some changes

    def set_still(self, is_still: bool) -> None:
        """Disable changes while an acquisition runs."""
        self.setEnabled(not is_still)
        # MDAWidget enables everything at the end of a run, even a missing autofocus
        refresh = getattr(self, "_update_autofocus_enablement", None)
        if not is_still and refresh is not None:
            refresh()

    def _name_units(self) -> None:
        """Add the unit to the one column without it."""
        table = self.channels.table()
        for number in range(table.columnCount()):
            header = table.horizontalHeaderItem(number)
            if header is not None and header.text() == "Z Offset":
                header.setText("Z Offset [µm]")

    def mend_tables(self) -> None:
        """Show the numbers in tables. Call this when rows may have been added.

        Qt 6.11.3 and later show nothing in a spin box whose style sheet removes its border, as
        pymmcore-widgets does in tables. Remove this when either of them changes.
        """
        if _HIDES_NUMBERS:
            for box in self.findChildren(QAbstractSpinBox):
                if "border: none" in box.styleSheet():
                    box.setStyleSheet("")
                    box.setFrame(False)

    def execute_mda(self, output: object) -> None:
        """Request a run of the sequence."""
        self.runRequested.emit(self.value())

    def load(self, file: str | Path | None = None) -> None:
        """Load a sequence from a YAML or JSON file; None: show a file dialog."""
        try:
            super().load(file)
        except Exception as error:  # in a slot, which must not raise
            cause = error.__cause__ or error
            self.failed.emit(
                SequenceError(
                    f"This file is not a sequence that the panel can show: {cause}. Choose a YAML "
                    "or JSON file of a useq MDASequence."
                )
            )

    def save(self, file: str | Path | None = None) -> None:
        """Save the sequence to a file; None: show a file dialog."""
        try:
            super().save(file)
        except Exception as error:  # in a slot, which must not raise
            self.failed.emit(
                PymmcoreOmeError(
                    f"The sequence could not be saved: {error}. Choose another file whose name "
                    "ends in .yaml or .json."
                )
            )


def _list_small_plates_only(positions: Any) -> None:
    """Make a position table of pymmcore-widgets show a large plate in one line.

    It would build every row, which blocks the window for seconds: when a plate is loaded, when
    the wizard ends, and whenever the region of interest changes.
    """
    positions.plate_note = Note()
    if (layout := positions.layout()) is not None:
        layout.addWidget(positions.plate_note)
    table = weakref.ref(positions)  # not the table itself, which would hold itself

    def set_value(value: Sequence[Any]) -> None:
        if (positions := table()) is None:
            return
        plate = value if isinstance(value, useq.WellPlatePlan) else positions._plate_plan
        if plate is None or len(value) <= MOST_ROWS:
            positions.plate_note.clear()
            positions.is_wizard_outdated = False
            type(positions).setValue(positions, value)
            return
        is_same = plate == positions._plate_plan and not positions.table().rowCount()
        if is_same and not isinstance(value, useq.WellPlatePlan) and positions.plate_note.text():
            return  # a new region of interest changes no well
        type(positions).setValue(positions, ())
        positions._plate_plan = plate
        positions.is_wizard_outdated = value is plate
        positions._set_position_table_editable(False)
        positions._edit_hcs_pos.hide()  # it would list them
        positions.plate_note.show_text(
            "success",
            f"{count_text(len(plate), 'position')} of a plate. Click Well Plate to change them.",
        )
        positions.valueChanged.emit()

    def show_wizard() -> None:
        if (positions := table()) is None:
            return
        if positions.is_wizard_outdated:  # drawing the plate takes seconds
            positions.is_wizard_outdated = False
            positions._hcs.setValue(positions._plate_plan)
        positions._show_hcs()

    positions.setValue = set_value
    positions.is_wizard_outdated = False
    positions._hcs_button.clicked.disconnect()
    positions._hcs_button.clicked.connect(show_wizard)


#: What the editor rounds to.
_ROUNDED_UM: Final = 0.01


def differences(loaded: useq.MDASequence, shown: useq.MDASequence) -> list[str]:
    """Return in words what an editor does not show as a sequence has it; changes nothing.

    The tables of pymmcore-widgets silently replace a channel that the microscope does not have
    with the first one that it has. Rounded numbers, and fields that a sequence leaves open, are
    no differences.

    Parameters
    ----------
    loaded, shown : useq.MDASequence
    """
    # copies: looking at plans fills caches that a run needs empty
    loaded, shown = loaded.model_copy(deep=True), shown.model_copy(deep=True)
    found = []
    wanted, got = (
        [f"{c.config} of {c.group}" for c in sequence.channels] for sequence in (loaded, shown)
    )
    if wanted != got:
        found.append(f"channels {', '.join(wanted)} would become {', '.join(got) or 'none'}")
    sizes = {axis: size for axis, size in loaded.sizes.items() if size}
    for axis, size in sizes.items():
        if axis != "c" and shown.sizes.get(axis, 0) != size:
            found.append(f"{size} of axis {axis!r} would become {shown.sizes.get(axis, 0)}")
    if not sizes.get("p") and shown.sizes.get("p", 0) > 1:
        found.append(f"the current position would become {shown.sizes['p']} positions")
    order, seen = ([a for a in s.axis_order if a in sizes] for s in (loaded, shown))
    if order != seen:
        found.append(f"the order of axes {order} would become {seen}")
    if sizes.get("p") and not _are_near(list(loaded.stage_positions), list(shown.stage_positions)):
        found.append("positions would become moved")
    return found


def _are_near(wanted: Sequence[Any], got: Sequence[Any]) -> bool:
    return len(wanted) == len(got) and all(
        getattr(one, axis) is None
        or abs(getattr(one, axis) - (getattr(other, axis) or 0)) <= _ROUNDED_UM
        for one, other in zip(wanted, got, strict=True)
        for axis in ("x", "y", "z")
    )
