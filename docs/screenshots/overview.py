"""Generate docs/images/overview.png: a run of a plate in the window, next to that plate in napari.

Needs a display and the extras: python -m pip install ".[demo,gui,napari]". On Linux without one:
xvfb-run -a -s "-screen 0 1600x1200x24" python docs/screenshots/overview.py
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_API", "pyqt6")

import superqt.iconify
import useq
from pymmcore_plus import CMMCorePlus
from qtpy.QtGui import QImage, QPainter
from qtpy.QtWidgets import QApplication, QWidget

import pymmcore_ome as po
from pymmcore_ome.gui import AcquisitionPanel, SaveSettings

ROOT = Path(__file__).parents[2]
HEIGHT, GAP = 800, 12
PLATE = useq.MDASequence(
    axis_order="pc",
    stage_positions=useq.WellPlatePlan(
        plate="24-well",
        a1_center_xy=(0, 0),
        selected_wells=([0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 1, 2, 0, 1, 2, 1, 2, 3]),
        well_points_plan={"rows": 2, "columns": 2, "fov_width": 512, "fov_height": 512},
    ),
    channels=[{"config": "DAPI", "exposure": 20}, {"config": "FITC", "exposure": 40}],
)


def main(target: Path) -> None:
    """Save the picture."""
    import napari

    folder = Path(tempfile.gettempdir()) / "microscope"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    viewer = napari.Viewer(show=True)  # makes the application
    app = QApplication.instance()
    window = viewer.window._qt_window
    logging.getLogger("pymmcore-plus").setLevel(logging.CRITICAL)
    core = CMMCorePlus()
    core.loadSystemConfiguration(ROOT / "demo_configs" / "demo.cfg")
    core.setPixelSizeUm("Res10x", 1.0)
    panel = AcquisitionPanel(core, settings=SaveSettings(folder=folder, name="plate"))
    panel.editor.setValue(PLATE)
    panel.editor.tab_wdg.setCurrentWidget(panel.editor.stage_positions)
    panel.resize(1000, HEIGHT)
    panel.show()
    _work(app, lambda: panel.save_panel.estimate.disk_bytes_per_s is not None)
    panel.run()
    _work(app, lambda: panel.run_bar.progress.value() > 50)
    left = _grabbed(panel, app)
    _work(app, lambda: not panel.is_running)
    po.napari.show(folder / "plate_001.ome.zarr", viewer)
    window.resize(1000, HEIGHT)
    viewer.reset_view()
    _work(app, _after(3))
    viewer.reset_view()
    _work(app, _after(1))
    right = QImage(_napari_picture(viewer, folder))
    right = right.scaledToHeight(left.height())
    picture = QImage(left.width() + GAP + right.width(), left.height(), QImage.Format.Format_RGB32)
    picture.fill(0xFFFFFF)
    painter = QPainter(picture)
    painter.drawImage(0, 0, left)
    painter.drawImage(left.width() + GAP, 0, right)
    painter.end()
    if not picture.save(str(target)):
        raise OSError(f"{target} could not be written")
    panel.close()
    viewer.close()
    shutil.rmtree(folder, ignore_errors=True)


def _grabbed(widget: QWidget, app: QApplication) -> QImage:
    return widget.grab().toImage()


def _napari_picture(viewer: object, folder: Path) -> str:
    file = folder / "napari.png"
    viewer.screenshot(str(file), canvas_only=False, flash=False)  # type: ignore[attr-defined]
    return str(file)


def _after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def _work(app: QApplication, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not holds():
        app.processEvents()
        if time.monotonic() > until:
            raise TimeoutError("The window did not reach the state shown in the picture.")
        time.sleep(0.005)


def _no_network(*key: object, **options: object) -> None:
    raise OSError("pictures must not depend on the network")


if __name__ == "__main__":
    superqt.iconify.svg_path = _no_network
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images" / "overview.png")
