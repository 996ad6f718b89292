"""napari-micromanager's own window and Run button, on the demo camera, saving through us."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import DEMO, ROOT
from helpers import index_of, listening, read_by_zarr
from pymmcore_ome import errors
from pymmcore_ome.napari.viewer import position_name, scale_bar, text_overlay

from .conftest import Window

pytestmark = pytest.mark.filterwarnings("ignore")  # of napari and what it stands on

SEQUENCE = useq.MDASequence(
    axis_order="tpcz",
    time_plan={"interval": 0, "loops": 2},
    stage_positions=[
        {"x": 0, "y": 0, "z": 0, "name": "left"},
        {"x": 500, "y": 50, "z": 0, "name": "right"},
    ],
    channels=[{"config": "DAPI", "exposure": 5}, {"config": "FITC", "exposure": 5}],
    z_plan={"range": 2, "step": 1},
)
SINGLE = useq.MDASequence(channels=[{"config": "DAPI", "exposure": 5}])


def run(window: Window, connection: Any) -> str:
    """Click Run, and return the sentence in which the run's end is told."""
    told: list[str] = []
    connection.on_ended.append(told.append)
    window.click_run()
    window.wait(lambda: told)
    connection.on_ended.remove(told.append)
    return told[0]


def saved_by(connection: Any, folder: Path) -> Path:
    (path,) = (p for p in folder.iterdir() if p.suffix in (".zarr", ".tif", ".tiff"))
    return path


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """Read every image with a library that did not write it, by the names of `FrameAddress`."""
    if path.suffix == ".zarr":
        return {i.path: read_by_zarr(path, i.path) for i in po.open_dataset(path).images}
    with tifffile.TiffFile(path) as file:
        return {
            image.path: series.asarray().reshape(image.shape)
            for image, series in zip(po.open_dataset(path).images, file.series, strict=True)
        }


@pytest.mark.parametrize("name", ["exp.ome.zarr", "exp.ome.tif"])
def test_run_button_saves_every_frame_in_its_place_and_opens_them(
    name: str, window: Window, tmp_path: Path
) -> None:
    connection = po.napari.connect(window.viewer)
    window.fill_in(SEQUENCE, tmp_path / name)
    with listening(window.main.core) as delivered:
        said = run(window, connection)
    connection.disconnect()
    path = saved_by(connection, tmp_path)
    assert said.startswith("Saved: 24 frames, ")
    assert said.endswith(f"{path}.")
    assert window.notes == [("info", said)]
    assert window.unhandled == []

    assert len(delivered) == 24
    dataset = po.open_dataset(path)
    assert dataset.status == "complete"
    assert po.validate(path, pixels=True) == []
    router, arrays = po.FrameRouter(dataset.schema), arrays_of(path)
    places = set()
    for pixels, event, _ in delivered:
        _, index, number = router.by_index(index_of(event))
        image = dataset.images[number].path
        places.add((image, index))
        np.testing.assert_array_equal(arrays[image][index], pixels)
    assert len(places) == 24
    assert sum(np.prod(array.shape[:-2]) for array in arrays.values()) == 24

    shown = list(window.viewer.layers)  # the layer that showed it live is gone
    assert [layer.name.partition(": ")[2] for layer in shown] == ["DAPI", "FITC"]
    assert window.viewer.dims.axis_labels == ("p", "t", "z", "y", "x")
    assert scale_bar(window.viewer).visible
    for channel, layer in enumerate(shown):
        assert layer.visible
        assert layer.scale.tolist()[2:] == pytest.approx([1.0, 0.325, 0.325])
        low, high = layer.contrast_limits
        assert 0 < low < high < layer.contrast_limits_range[1] == 65535
        for p, image in enumerate(dataset.images):
            np.testing.assert_array_equal(layer.data[p], arrays[image.path][:, channel])
    names = []
    for p in range(2):
        window.viewer.dims.set_current_step(0, p)
        names.append(position_name(window.viewer))
    assert names == ["left", "right"]


def test_error_of_a_run_is_a_notification_and_the_next_run_works(
    window: Window, tmp_path: Path
) -> None:
    connection = po.napari.connect(window.viewer)
    (tmp_path / "file").write_text("no folder")
    window.fill_in(SINGLE, tmp_path / "file" / "exp.ome.zarr")
    said = run(window, connection)
    assert said.startswith("The run ended with an error: ")
    assert str(tmp_path / "file") in said
    assert window.notes == [("error", said)]
    (error,) = window.unhandled  # in run_mda's thread, as its contract is
    assert isinstance(error, errors.StorePathError)
    assert not window.main.core.mda.is_running()

    window.unhandled.clear()
    window.fill_in(SINGLE, tmp_path / "exp.ome.zarr")
    assert run(window, connection).startswith("Saved: 1 frame, ")
    assert window.unhandled == []
    connection.disconnect()


def test_path_that_is_none_is_a_notification_not_an_error_in_a_slot(
    window: Window, tmp_path: Path
) -> None:
    connection = po.napari.connect(window.viewer)
    window.fill_in(SINGLE, tmp_path / f"{'long' * 80}.ome.zarr")
    window.mda.get_next_available_path = lambda requested_path: requested_path
    said = run(window, connection)
    del window.mda.get_next_available_path
    assert "more than 255 bytes" in said
    assert window.notes == [("error", said)]
    assert window.unhandled == []
    thread = window.main.core.run_mda(SINGLE, output="s3://far/away.ome.zarr")
    with pytest.raises(errors.StorePathError, match="is a URL"):
        thread.result()
    connection.disconnect()
    assert "run_mda" not in vars(window.main.core)


def test_disk_that_takes_no_more_is_a_notification(
    window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymmcore_ome.backends import PartialWriteError
    from pymmcore_ome.backends.zarr.native import NativeBackend

    def full(*_: object, **__: object) -> None:
        raise PartialWriteError([0]) from OSError(28, "No space left on device")

    connection = po.napari.connect(window.viewer)
    monkeypatch.setattr(NativeBackend, "write_frames", full)
    window.fill_in(SEQUENCE, tmp_path / "exp.ome.zarr")
    said = run(window, connection)
    assert "No space left on device" in said
    assert window.notes == [("error", said)]
    connection.disconnect()


def test_canceled_run_is_opened_with_a_warning(window: Window, tmp_path: Path) -> None:
    connection = po.napari.connect(window.viewer)
    core = window.main.core
    endless = SINGLE.replace(time_plan={"interval": 0.01, "loops": 100_000})
    window.fill_in(endless, tmp_path / "exp.ome.zarr")
    came: list[int] = []

    def count(*_: object) -> None:
        came.append(1)
        if len(came) == 3:
            window.mda.control_btns.cancel_btn.click()

    core.mda.events.frameReady.connect(count)
    said = run(window, connection)
    core.mda.events.frameReady.disconnect(count)
    assert re.match(r"Canceled; .* saved: \d+ of 100,000 planned .*exp\S*\.ome\.zarr\.", said)
    assert window.notes == [("warning", said)]
    assert [layer.name.partition(": ")[2] for layer in window.viewer.layers] == ["DAPI"]
    connection.disconnect()


def test_core_that_the_window_changes_to_is_saved_too(window: Window, tmp_path: Path) -> None:
    first = window.main.core
    connection = po.napari.connect(window.viewer)
    second = CMMCorePlus()
    second.loadSystemConfiguration(DEMO / "demo.cfg")
    window.main.set_core(second, owns=True)
    assert "run" not in vars(first.mda)
    assert connection.core is second
    window.fill_in(SINGLE, tmp_path / "exp.ome.zarr")
    with listening(second) as delivered:
        assert run(window, connection).startswith("Saved: 1 frame,")
    np.testing.assert_array_equal(
        arrays_of(saved_by(connection, tmp_path))[""].squeeze(), delivered[0][0]
    )
    connection.disconnect()
    assert "run" not in vars(second.mda)


def test_what_else_is_in_the_viewer_is_hidden_not_removed(window: Window, tmp_path: Path) -> None:
    mine = window.viewer.add_image(np.zeros((4, 4)), name="mine")
    connection = po.napari.connect(window.viewer)
    assert po.napari.connect(window.viewer) is connection
    window.fill_in(SINGLE, tmp_path / "exp.ome.zarr")
    run(window, connection)
    assert [layer.visible for layer in window.viewer.layers] == [False, True]
    assert window.viewer.layers[0] is mine
    connection.opens = False
    run(window, connection)
    assert len([p for p in tmp_path.iterdir() if p.suffix == ".zarr"]) == 2
    assert sum("exp" in layer.name and layer.ndim == 2 for layer in window.viewer.layers) == 1
    connection.disconnect()
    connection.disconnect()


def test_without_a_path_runs_are_as_before(window: Window) -> None:
    connection = po.napari.connect(window.viewer)
    ended: list[object] = []
    window.fill_in(SINGLE, None)
    window.main.core.mda.events.sequenceFinished.connect(ended.append)
    window.click_run()
    window.wait(lambda: ended and not window.main.core.mda.is_running())
    window.main.core.mda.events.sequenceFinished.disconnect(ended.append)
    connection.disconnect()
    assert window.notes == []


def test_dock_widget_connects_and_disconnects(window: Window) -> None:
    from qtpy.QtWidgets import QCheckBox, QPushButton

    dock, widget = window.viewer.window.add_plugin_dock_widget(
        "pymmcore-ome", "Save with pymmcore-ome"
    )
    button = widget.findChild(QPushButton)
    assert widget.connection().core is window.main.core
    assert button.text() == "Disconnect"
    widget.findChild(QCheckBox).click()
    assert widget.connection().opens is False
    button.click()
    assert widget.connection() is None
    assert "run" not in vars(window.main.core.mda)
    button.click()
    assert widget.connection().opens is False
    button.click()
    window.viewer.window.remove_dock_widget(dock)


def test_viewer_opens_stores_by_their_name(window: Window, tmp_path: Path) -> None:
    plate = useq.MDASequence.from_file(DEMO / "plate_96.yaml")
    several = SINGLE.replace(stage_positions=[{"x": 0, "name": "a"}, {"x": 900, "name": "b"}])
    with po.install(window.main.core):
        window.main.core.mda.run(several, output=tmp_path / "two.ome.zarr")
        window.main.core.mda.run(plate, output=tmp_path / "plate.ome.zarr")
        window.main.core.mda.run(SINGLE, output=tmp_path / "one.ome.tiff")
    window.viewer.layers.clear()
    window.viewer.open(tmp_path / "plate.ome.zarr", plugin="pymmcore-ome")
    window.viewer.open(tmp_path / "one.ome.tiff", plugin="pymmcore-ome")
    assert [layer.name for layer in window.viewer.layers] == [
        "plate: DAPI", "plate: FITC", "plate: wells", "one: DAPI",
    ]  # fmt: skip
    window.viewer.open(tmp_path / "two.ome.zarr", plugin="pymmcore-ome")
    for p, name in ((1, "b"), (0, "a"), (1, "b")):
        window.viewer.dims.set_current_step(0, p)
        assert text_overlay(window.viewer).text == name
    wells = window.viewer.layers["plate: wells"]
    assert list(wells.features["well"]) == ["A1", "A2", "B1", "B2", "H11", "H12"]
    fields = [i for i in po.open_dataset(tmp_path / "plate.ome.zarr").images if "H/12" in i.path]
    left = min(field.position.x_um for field in fields)
    top = min(field.position.y_um for field in fields)
    full = window.viewer.layers["plate: FITC"].data[0]
    for field in fields:  # edge to edge in their well
        y, x = wells.data[-1].astype(int)
        y += round((field.position.y_um - top) / 0.325)
        x += round((field.position.x_um - left) / 0.325)
        stored = read_by_zarr(tmp_path / "plate.ome.zarr", field.path)
        np.testing.assert_array_equal(full[y : y + 512, x : x + 512], stored[1])


def test_connecting_needs_a_viewer_and_a_core(window: Window) -> None:
    import napari

    with pytest.raises(errors.OptionError):
        po.napari.connect(window.viewer, backend="none")
    assert "run" not in vars(window.main.core.mda)
    other = napari.Viewer(show=False)
    with pytest.raises(errors.AcquisitionError, match="napari-micromanager is not open"):
        po.napari.connect(other)
    core = CMMCorePlus()
    connection = po.napari.connect(other, core)
    assert "run" in vars(core.mda)
    connection.disconnect()
    other.close()


def test_blocks_of_the_page_run(
    window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that need a window; the others run with all pages."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "how-to" / "napari.md").read_text()
    blocks = re.findall(r"^``` *python window\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks
    names: dict[str, Any] = {"viewer": window.viewer}
    for number, block in enumerate(blocks):
        exec(compile(block, f"napari.md block {number}", "exec"), names)


def test_panel_is_a_dock_widget(window: Window, tmp_path: Path) -> None:
    core = window.main.core
    if core is not CMMCorePlus.instance():
        CMMCorePlus.instance().loadSystemConfiguration(DEMO / "demo.cfg")
    _, panel = window.viewer.window.add_plugin_dock_widget("pymmcore-ome", "Acquire and save")
    panel.save_panel.set_settings(panel.save_panel.settings.replace(folder=tmp_path, name="cells"))
    panel.editor.setValue(SEQUENCE)
    panel.run_bar.run.click()
    window.wait(lambda: not panel.is_running)
    assert "Saved" in panel.messages.text
    assert po.validate(tmp_path / "cells_001.ome.zarr", pixels=True) == []
    window.viewer.window.remove_dock_widget(panel.parent())
