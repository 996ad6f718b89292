"""Large plates in the acquisition panel, and the panel without a mouse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import useq

import pymmcore_ome as po

from .conftest import sequence_of
from .qt import need_qt

need_qt()

from qtpy.QtCore import Qt  # noqa: E402
from qtpy.QtWidgets import QAbstractItemView  # noqa: E402

from pymmcore_ome.gui import AcquisitionPanel  # noqa: E402

Make = Callable[..., AcquisitionPanel]
Wait = Callable[[Callable[[], bool]], None]
ENDLESS = 100_000  # of which few are acquired


def click(qtbot: Any, button: Any) -> None:
    assert button.isEnabled(), f"{button.text()} is not to be clicked now"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_large_plate_is_loaded_without_a_row_for_each_well(
    qtbot: Any, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    plan = useq.WellPlatePlan(plate="1536-well", a1_center_xy=(0, 0), selected_wells=slice(None))
    plate = sequence_of(1, stage_positions=plan)
    panel = make_panel(plate)
    positions: Any = panel.editor.stage_positions
    assert positions.table().rowCount() == 0
    assert "1,536 positions" in positions.plate_note.text()
    positions._update_fov_size()  # as a new region of interest does
    positions.setValue(list(plan))  # as the wizard does
    assert positions.table().rowCount() == 0
    assert panel.editor.value().stage_positions == plan
    assert positions._hcs_wizard is None, "the plate was drawn"
    click(qtbot, panel.run_bar.run)
    wait_until(lambda: panel.run_bar.pause.isEnabled())
    click(qtbot, panel.run_bar.cancel)
    wait_until(lambda: not panel.is_running)
    path = tmp_path / "cells_001.ome.zarr"
    dataset = po.open_dataset(path)
    assert dataset.status == "canceled"
    assert len(dataset.images) == 1536
    rows = dataset.frames()
    acquired = [(row["event_index"]["p"], row["event_index"]["c"]) for row in rows]
    assert acquired == [divmod(n, 2) for n in range(len(rows))]
    assert 0 < len(rows) < 3072
    panel.editor.setValue(plate)
    positions._hcs_button.click()
    assert positions._hcs_wizard.isVisible()
    drawn = positions._hcs_wizard.value()  # it recalculates sizes, with other rounding
    assert drawn.selected_well_names == plan.selected_well_names
    positions._hcs_wizard.close()
    panel.editor.setValue(sequence_of())
    assert positions.table().rowCount() == 2
    assert positions.plate_note.text() == ""
    assert panel.editor.value().sizes["p"] == 2


def test_tab_leaves_a_table_and_keys_run_and_cancel(
    qtbot: Any, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel(sequence_of(ENDLESS))
    tables = panel.editor.findChildren(QAbstractItemView)
    assert tables
    assert not any(table.tabKeyNavigation() for table in tables)
    titles: list[str] = []
    panel.titleChanged.connect(titles.append)
    bar = panel.run_bar
    assert bar.run.shortcut().toString() == "Ctrl+R"
    assert bar.cancel.shortcut().toString() == "Ctrl+."
    click(qtbot, bar.run)
    wait_until(lambda: bar.pause.isEnabled())
    click(qtbot, bar.pause)
    wait_until(lambda: bar.pause.text() == "Resume")
    assert bar.pause.shortcut().toString() == "Ctrl+P"
    click(qtbot, bar.cancel)
    wait_until(lambda: not panel.is_running)
    assert any("%" in title for title in titles)
    assert titles[-1] == ""
