"""The page that replaces the form during a run, and its map of places."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from pymmcore_ome.layout import ArraySpec, Axis, ImageLayout
from pymmcore_ome.schema import Position
from pymmcore_ome.stream import FrameCounts, Progress

from .conftest import GUARD_MS, sequence_of
from .qt import need_qt
from .test_acquisition_run import FullDisk

need_qt()

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt  # noqa: E402
from qtpy.QtGui import QColor, QHelpEvent  # noqa: E402

from pymmcore_ome.gui import AcquisitionPanel  # noqa: E402
from pymmcore_ome.gui.acquisition_run import RunSnapshot  # noqa: E402
from pymmcore_ome.gui.message_bar import color_of  # noqa: E402
from pymmcore_ome.gui.run_map import RunMap, places_of  # noqa: E402
from pymmcore_ome.gui.run_page import RunPage  # noqa: E402

Make = Callable[..., AcquisitionPanel]
Wait = Callable[[Callable[[], bool]], None]


def images_of(positions: list[dict[str, Any]], wells: list[Any] | None = None) -> list[ImageLayout]:
    """Return images of 4 frames each."""
    spec = ArraySpec((Axis("t", "time", 4), Axis("y", "space", 8), Axis("x", "space", 8)), "uint16")
    return [
        ImageLayout(
            spec, n, str(n), f"image {n}", "", Position(**values),
            well=None if wells is None else wells[n],
        )
        for n, values in enumerate(positions)
    ]  # fmt: skip


def counts_of(
    acquired: list[int], skipped: dict[int, int], lost: dict[int, int], newest: int | None
) -> FrameCounts:
    arrays = [np.array(acquired, np.int64), *(np.zeros(len(acquired), np.int64) for _ in range(2))]
    for array, given in zip(arrays[1:], (skipped, lost), strict=True):
        for number, count in given.items():
            array[number] = count
    return FrameCounts(*arrays, newest)


@contextmanager
def held_after(core: CMMCorePlus, frames: int) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Hold the acquisition's thread after so many frames, until it is released."""
    is_held, release, seen = threading.Event(), threading.Event(), []

    def hold(*_: object) -> None:
        seen.append(1)
        if len(seen) == frames:
            is_held.set()
            assert release.wait(GUARD_MS / 1000)

    core.mda.events.frameReady.connect(hold, Qt.ConnectionType.DirectConnection)
    try:
        yield is_held, release
    finally:
        release.set()
        core.mda.events.frameReady.disconnect(hold)


# ---------------------------------------------------------------------------------- the places


def test_wells_are_placed_by_row_and_column() -> None:
    wells = [("A", "1"), ("A", "1"), ("C", "12"), ("B", "3")]
    found = places_of(images_of([{}] * 4, wells), ("ABCDEFGH", [str(n) for n in range(1, 13)]))
    assert [(p.name, p.images, p.x, p.y) for p in found] == [
        ("A1", (0, 1), 0, 0), ("C12", (2,), 11, 2), ("B3", (3,), 2, 1),
    ]  # fmt: skip


def test_positions_are_placed_by_their_stage_coordinates_with_y_upward() -> None:
    spots = [{"x_um": 100.0 * c, "y_um": 50.0 * r} for r in range(3) for c in range(4)]
    found = places_of(images_of(spots))
    assert [(p.x, p.y) for p in found] == [(c, -r) for r in range(3) for c in range(4)]


@pytest.mark.parametrize(
    "spots",
    [
        [{}, {}, {}],
        [{"x_um": 0.0, "y_um": 0.0}] * 3,
        [{"x_um": x, "y_um": 0.0} for x in (0.0, 1.0, 3.0, 90_000.0)],
        [{"x_um": 0.0, "y_um": 0.0}, {}],
    ],
    ids=["no coordinates", "all the same", "far apart", "some"],
)
def test_other_positions_are_listed_in_rows_and_never_cover_each_other(
    spots: list[dict[str, float]],
) -> None:
    found = places_of(images_of(spots))
    assert [p.images for p in found] == [(n,) for n in range(len(spots))]
    assert len({(p.x, p.y) for p in found}) == len(spots)
    assert all(p.x >= 0 and p.y >= 0 for p in found)


# ------------------------------------------------------------------------------------- the map


@pytest.fixture
def run_map(qtbot: Any) -> RunMap:
    made = RunMap()
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.set_images(images_of([{"x_um": 100.0 * n, "y_um": 0.0} for n in range(4)]))
    made.show_counts(counts_of([4, 2, 0, 0], {1: 1}, {2: 3}, 1))
    return made


def test_map_paints_done_now_skipped_and_lost(run_map: RunMap) -> None:
    picture, rects = run_map.grab().toImage(), run_map.rects()
    scale = picture.devicePixelRatio()

    def has(number: int, color: QColor) -> bool:
        box = rects[number].adjusted(-2, -2, 2, 2)
        points = (
            (round(x * scale), round(y * scale))
            for x in np.arange(box.left(), box.right(), 0.5)
            for y in np.arange(box.top(), box.bottom(), 0.5)
        )
        return any(picture.pixelColor(*point).rgb() == color.rgb() for point in points)

    levels = {
        level: QColor(color_of(level, run_map))  # type: ignore[arg-type]
        for level in ("success", "warning", "error")
    }
    now = run_map.palette().highlight().color()
    seen = [{level for level, color in levels.items() if has(number, color)} for number in range(4)]
    assert seen == [{"success"}, {"warning"}, {"error"}, set()]
    assert [has(number, now) for number in range(4)] == [False, True, False, False]
    assert run_map.state is not None
    assert run_map.state.summary == (
        "1 of 4 places done, 1 with skipped frames, 1 with lost frames"
    )
    assert run_map.accessibleDescription() == run_map.state.summary


def test_map_describes_a_place_and_selects_it_by_mouse_and_keys(
    qtbot: Any, run_map: RunMap
) -> None:
    assert run_map.describe(1) == "image 1\n2 of 4 frames\n1 frame skipped\nacquired now"
    assert "3 frames lost" in run_map.describe(2)
    selected: list[int] = []
    run_map.placeSelected.connect(selected.append)
    point = run_map.rects()[2].center().toPoint()
    qtbot.mouseClick(run_map, Qt.MouseButton.LeftButton, pos=point)
    assert selected == [2]
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Return):
        qtbot.keyClick(run_map, key)
    qtbot.keyClick(run_map, Qt.Key.Key_Left)
    qtbot.keyClick(run_map, Qt.Key.Key_Space)
    assert selected == [2, 3, 2]
    assert run_map.accessibleDescription().startswith("image 2, ")
    assert run_map.event(QHelpEvent(QEvent.Type.ToolTip, point, QPoint(0, 0)))
    assert run_map.place_at(QPointF(0, 0)) is None


def test_map_of_1536_wells_is_one_widget_and_shows_each_well(qtbot: Any) -> None:
    rows, columns = [f"{n}" for n in range(32)], [f"{n}" for n in range(48)]
    wells = [(row, column) for row in rows for column in columns]
    made = RunMap()
    qtbot.addWidget(made)
    made.resize(500, 320)
    made.set_images(images_of([{}] * 1536, wells), (rows, columns))
    acquired = [4] * 700 + [0] * 836
    made.show_counts(counts_of(acquired, {}, {}, 700))
    assert made.children() == []
    picture, rects = made.grab().toImage(), made.rects()
    assert len(rects) == 1536
    colors = {
        is_done: {
            picture.pixelColor(rect.center().toPoint() * picture.devicePixelRatio()).rgb()
            for rect, frames in zip(rects, acquired, strict=True)
            if (frames == 4) is is_done
        }
        for is_done in (True, False)
    }
    assert len(colors[True]) == len(colors[False]) == 1
    assert colors[True] != colors[False]
    assert all(made.rect().toRectF().contains(rect) for rect in rects)


def test_figures_of_the_page(qtbot: Any) -> None:
    page = RunPage()
    qtbot.addWidget(page)
    page.begin(Path("cells_001.ome.zarr"))
    progress = Progress(100, 50, 3, 40, 40 << 20, 10 << 20, 100 << 20, 2.5, 65.0, 20 << 20)
    page.show_run(
        RunSnapshot("running", progress, 10.0, 10 << 20, 120.0),
        5 << 30,
        datetime(2024, 1, 1, 23, 59),
    )
    assert page.facts["Saved to"] == "cells_001.ome.zarr"
    assert "elapsed" in page.facts["Time"]
    assert "until about 2024-01-02 00:01" in page.facts["Time"]
    assert page.facts["Written"].startswith("40 of 100 frames")
    assert page.facts["Written"].endswith("3 skipped")
    assert "10.0 frames/s" in page.facts["Rate"]
    assert "waited 2.5 s" in page.facts["Buffer"]
    assert page.buffer.value() == 10
    assert "free" in page.facts["Disk"]
    page.begin(None)
    assert page.facts["Saved to"] == "not saved"
    assert page.map.isHidden()


# --------------------------------------------------------------------------------- in the panel


def test_page_replaces_the_form_during_a_run_and_follows_it(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel()
    page = panel.run_page
    assert panel.editor.isVisible()
    with held_after(qt_core, 6) as (is_held, release):  # t 0, and both channels of t 1, p 0
        qtbot.mouseClick(panel.run_bar.run, Qt.MouseButton.LeftButton)
        wait_until(lambda: is_held.is_set() and page.map.state is not None)
        wait_until(lambda: page.map.state.shares.tolist() == pytest.approx([4 / 6, 2 / 6]))
        assert page.isVisible()
        assert not panel.editor.isVisible()
        assert page.map.state.now == 0
        assert page.facts["Saved to"] == str(tmp_path / "cells_001.ome.zarr")
        wait_until(lambda: "t 1" in page.facts["Now"])
        assert "FITC" in page.facts["Now"]
        release.set()
        wait_until(lambda: not panel.is_running)
    assert panel.editor.isVisible()
    assert not page.isVisible()
    assert page.map.state.shares.tolist() == [1, 1]
    assert page.map.state.now is None
    assert po.open_dataset(tmp_path / "cells_001.ome.zarr").status == "complete"


def test_frames_that_a_full_disk_lost_are_on_the_map(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, wait_until: Wait
) -> None:
    panel = make_panel(sequence_of(20), backend=FullDisk)
    qtbot.mouseClick(panel.run_bar.run, Qt.MouseButton.LeftButton)
    wait_until(lambda: not panel.is_running)
    state = panel.run_page.map.state
    assert state is not None
    assert state.lost.sum() > 0
    assert panel.editor.isVisible()


def test_plate_is_shown_with_all_its_wells_before_the_first_frame(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, wait_until: Wait
) -> None:
    plan = useq.WellPlatePlan(
        plate="96-well", a1_center_xy=(0, 0), selected_wells=([0, 7], [0, 11])
    )
    panel = make_panel(sequence_of(1, stage_positions=plan))
    with held_after(qt_core, 1) as (is_held, release):
        qtbot.mouseClick(panel.run_bar.run, Qt.MouseButton.LeftButton)
        wait_until(is_held.is_set)
        places = panel.run_page.map.places
        assert [(p.name, p.x, p.y) for p in places] == [("A1", 0, 0), ("H12", 11, 7)]
        release.set()
        wait_until(lambda: not panel.is_running)
    assert panel.run_page.map.state.shares.tolist() == [1, 1]
