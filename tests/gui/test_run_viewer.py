"""The viewer of a run: every frame by its index, colors, contrast, and the newest frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from pymmcore_ome import Dimension, StorageSchema
from pymmcore_ome.schema import Channel

from .conftest import sequence_of
from .qt import need_qt
from .test_run_page import held_after

need_qt()

from qtpy.QtCore import Qt  # noqa: E402

from pymmcore_ome.gui import AcquisitionPanel  # noqa: E402
from pymmcore_ome.gui.run_viewer import (  # noqa: E402
    ChannelLook,
    PictureRequest,
    RunViewer,
    bar_length,
    picture_of,
)

Make = Callable[..., AcquisitionPanel]
Wait = Callable[[Callable[[], bool]], None]
SIDE = 32


def level(p: int, t: int, c: int, z: int) -> int:
    """Return the gray value of a frame of `stream_of`, different for each."""
    return 1000 + 500 * p + 100 * t + 10 * c + z


def stream_of(path: Path, **sizes: int) -> Any:
    channels = [Channel(name="DAPI", color="#0000FF"), Channel(name="FITC", color="#00FF00")]
    dims = [
        Dimension(name=name, size=size, coords=channels if name == "c" else None)
        for name, size in sizes.items()
    ]
    dims += [
        Dimension(name="y", size=SIDE),
        Dimension(name="x", size=SIDE, scale=0.5, unit="micrometer"),
    ]
    return po.open_stream(path, StorageSchema(dimensions=dims, dtype="uint16"))


def plane(value: int) -> np.ndarray:
    frame = np.full((SIDE, SIDE), value, np.uint16)
    frame[0, 0] = 0
    return frame


@pytest.fixture
def viewer(qtbot: Any) -> RunViewer:
    made = RunViewer()
    qtbot.addWidget(made)
    made.resize(400, 600)
    made.show()
    return made


def gray_levels(viewer: RunViewer) -> dict[str, float]:
    """Return the values of the middle of the frames that are displayed, by channel."""
    middle = (SIDE // 2, SIDE // 2)
    return {viewer._channels[c]: int(found[middle]) for c, found in viewer._planes.items()}


def test_every_slider_leads_to_its_frame_and_newest_is_followed(
    viewer: RunViewer, tmp_path: Path, wait_until: Wait
) -> None:
    with stream_of(tmp_path / "a.ome.zarr", p=2, t=2, c=2, z=3) as stream:
        view = stream.view(None)
        viewer.set_view(view)
        assert viewer.caption == "No frame yet"
        for p, t, c, z in np.ndindex(2, 2, 2, 3):
            stream.append(plane(level(p, t, c, z)), at={"p": p, "t": t, "c": c, "z": z})
            if (p, t, c, z) == (0, 1, 1, 1):
                wait_until(
                    lambda: (
                        gray_levels(viewer)
                        == {"DAPI": level(0, 1, 0, 1), "FITC": level(0, 1, 1, 1)}
                    )
                )
                assert viewer.place == {"p": 0, "t": 1, "z": 1}
        wait_until(
            lambda: gray_levels(viewer) == {"DAPI": level(1, 1, 0, 2), "FITC": level(1, 1, 1, 2)}
        )
        viewer.sliders["t"].setValue(0)
        assert not viewer.follow.isChecked()
        wait_until(
            lambda: gray_levels(viewer) == {"DAPI": level(1, 0, 0, 2), "FITC": level(1, 0, 1, 2)}
        )
    viewer.show_place(0)  # after the end, too
    viewer.sliders["z"].setValue(1)
    wait_until(
        lambda: gray_levels(viewer) == {"DAPI": level(0, 0, 0, 1), "FITC": level(0, 0, 1, 1)}
    )
    assert viewer._values["z"].text() == "2 of 3"
    viewer.follow.setChecked(True)
    wait_until(lambda: viewer.place == {"p": 1, "t": 1, "z": 2})
    wait_until(lambda: "t 1" in viewer.caption)


def test_channel_that_is_not_acquired_yet_is_never_replaced_by_another_frame(
    viewer: RunViewer, tmp_path: Path, wait_until: Wait
) -> None:
    with stream_of(tmp_path / "a.ome.zarr", t=2, c=2) as stream:
        viewer.set_view(stream.view())
        stream.append(plane(level(0, 0, 0, 0)))
        wait_until(lambda: gray_levels(viewer) == {"DAPI": level(0, 0, 0, 0)})
        stream.append(plane(level(0, 0, 1, 0)))
        wait_until(lambda: len(gray_levels(viewer)) == 2)
        stream.append(plane(level(0, 1, 0, 0)))
        wait_until(lambda: gray_levels(viewer) == {"DAPI": level(0, 1, 0, 0)})
        viewer.follow.setChecked(False)
        stream.append(plane(level(0, 1, 1, 0)))  # a place that is partly acquired is completed
        wait_until(lambda: gray_levels(viewer).get("FITC") == level(0, 1, 1, 0))


def test_contrast_is_kept_and_channels_have_their_colors(
    qtbot: Any, viewer: RunViewer, tmp_path: Path, wait_until: Wait
) -> None:
    ramp = np.linspace(0, 1000, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE)
    with stream_of(tmp_path / "a.ome.zarr", t=3, c=2) as stream:
        viewer.set_view(stream.view())
        stream.append(np.zeros_like(ramp))  # blank: it says nothing about contrast
        stream.append(ramp)
        wait_until(lambda: viewer.looks.get("FITC", ChannelLook()).window is not None)
        assert viewer.looks["DAPI"].window is None
        window = viewer.looks["FITC"].window
        assert window is not None
        assert 0 <= window[0] < 20
        assert 980 < window[1] <= 1000
        stream.append(ramp * 2)
        stream.append(ramp * 3)
        wait_until(lambda: viewer.place == {"t": 1} and len(viewer._planes) == 2)
        assert viewer.looks["FITC"].window == window
        rgb = viewer.canvas.image.pixelColor(SIDE - 1, SIDE - 1)
        wait_until(lambda: viewer.canvas.image.pixelColor(SIDE - 1, SIDE - 1).green() == 255)
        assert viewer.looks["DAPI"].color.lower() == "#0000ff"
        viewer.rows["FITC"].shown.setChecked(False)
        wait_until(lambda: list(gray_levels(viewer)) == ["DAPI"])
        wait_until(lambda: viewer.canvas.image.pixelColor(SIDE - 1, SIDE - 1).green() == 0)
        assert rgb.red() == 0
        viewer.rows["FITC"].shown.setChecked(True)
        wait_until(lambda: len(viewer._planes) == 2)
        qtbot.mouseClick(viewer.auto, Qt.MouseButton.LeftButton)
        assert viewer.looks["FITC"].window[1] > 2900
        viewer.rows["FITC"].high.setValue(5000)
        assert viewer.looks["FITC"].window[1] == 5000
        assert viewer.canvas.bar == ("2 µm", 4 / SIDE)
    kept = dict(viewer.looks)
    with stream_of(tmp_path / "b.ome.zarr", t=3, c=2) as stream:
        viewer.set_view(stream.view())
        stream.append(ramp)
        wait_until(lambda: viewer.caption == "t 0")
        assert viewer.looks == kept  # of the next run, too


def test_large_frames_are_subsampled_and_a_growing_axis_grows(
    viewer: RunViewer, tmp_path: Path, wait_until: Wait
) -> None:
    schema = StorageSchema(
        dimensions=[
            Dimension(name="t", size=None),
            Dimension(name="y", size=900), Dimension(name="x", size=1200),
        ],
        dtype="uint8",
    )  # fmt: skip
    with po.open_stream(tmp_path / "a.ome.zarr", schema) as stream:
        viewer.set_view(stream.view())
        for number in range(5):
            stream.append(np.full((900, 1200), number + 1, np.uint8))
        wait_until(lambda: viewer.place == {"t": 4} and viewer.sliders["t"].maximum() == 4)
        wait_until(lambda: viewer.canvas.image is not None)
        looks = {0: ChannelLook(window=(0, 10))}
        picture = picture_of(PictureRequest(stream.view(), {"t": 2}, looks, 300, 300))
        assert picture.step == 3
        assert picture.rgb.shape == (300, 400, 3)
        assert (picture.rgb == 76).all()
        none = picture_of(
            PictureRequest(stream.view(), {"t": 2}, {0: ChannelLook(is_shown=False)}, 9, 9)
        )
        assert not none.rgb.any()


def test_scale_bar_is_a_round_length() -> None:
    assert bar_length(512, 0.5) == (50, 100)
    assert bar_length(2048, 0.108) == (50, pytest.approx(50 / 0.108))
    for width in (3, 100, 5000):
        for size in (1e-3, 0.65, 70):
            length, pixels = bar_length(width, size)
            assert 0.1 * width <= pixels <= width / 4 * 1.001
            assert length == pytest.approx(pixels * size)


def test_store_that_vanished_is_said_under_the_picture(
    viewer: RunViewer, tmp_path: Path, wait_until: Wait
) -> None:
    with stream_of(tmp_path / "a.ome.zarr", t=2, c=2) as stream:
        view = stream.view()
        stream.append(plane(5))
    (tmp_path / "a.ome.zarr").rename(tmp_path / "elsewhere.ome.zarr")
    viewer.set_view(view)
    wait_until(lambda: "cannot be shown" in viewer.caption)


def test_panel_shows_a_run_in_the_viewer_and_the_map_leads_to_a_position(
    qtbot: Any, qt_core: CMMCorePlus, make_panel: Make, tmp_path: Path, wait_until: Wait
) -> None:
    panel = make_panel(sequence_of(2))
    viewer = panel.viewer
    with held_after(qt_core, 6) as (is_held, release):
        qtbot.mouseClick(panel.run_bar.run, Qt.MouseButton.LeftButton)
        wait_until(lambda: is_held.is_set() and viewer.place == {"p": 0, "t": 1})
        assert viewer.isVisible()
        point = panel.run_page.map.rects()[1].center().toPoint()
        qtbot.mouseClick(panel.run_page.map, Qt.MouseButton.LeftButton, pos=point)
        wait_until(lambda: viewer.place["p"] == 1 and "not acquired" in viewer.caption)
        release.set()
        wait_until(lambda: not panel.is_running)
    wait_until(lambda: len(viewer._planes) == 2 and "not acquired" not in viewer.caption)
    stored = po.open_dataset(tmp_path / "cells_001.ome.zarr").images[1]
    for channel in range(2):
        np.testing.assert_array_equal(viewer._planes[channel], stored[1, channel])
    panel.viewer.set_view(None)
    assert viewer.caption == "No run yet"
