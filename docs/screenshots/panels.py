"""Generate the pictures of the panels in docs/images from the real panels on the demo camera.

Run this script after changing the panels:  python docs/screenshots/panels.py
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import superqt.iconify
import useq
from pymmcore_plus import CMMCorePlus
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QApplication, QWidget

from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend
from pymmcore_ome.gui import AcquisitionPanel, SavePanel, SaveSettings
from pymmcore_ome.gui.window import application

ROOT = Path(__file__).parents[2]
NAMES = ("plan", "running", "running-dark", "small", "saved", "disk-full", "save-panel")
SEQUENCE = useq.MDASequence(
    axis_order="tpcz",
    time_plan={"interval": 0.2, "loops": 10},
    stage_positions=[
        {"x": 0, "y": 0, "z": 0, "name": "left"},
        {"x": 200, "y": 50, "z": 2, "name": "right"},
    ],
    channels=[{"config": "DAPI", "exposure": 5}, {"config": "FITC", "exposure": 10}],
    z_plan={"range": 2, "step": 1},
)


class FullDisk(TensorstoreBackend):
    """Fails after forty frames, as a full disk does."""

    frames = 0

    def write(self, *args: object, **options: object) -> object:
        self.frames += 1
        if self.frames > 40:
            raise OSError(28, "No space left on device")
        return super().write(*args, **options)


def take_all(target: Path) -> None:
    """Save every picture to a folder."""
    target.mkdir(parents=True, exist_ok=True)
    app = application()
    app.setStyle("Fusion")
    light = app.palette()
    core = _core()
    with _folder() as folder:
        settings = SaveSettings(folder=folder, name="cells", compression="zstd")
        panel = AcquisitionPanel(core, settings=settings)
        panel.editor.setValue(SEQUENCE)
        panel.editor.tab_wdg.setCurrentWidget(panel.editor.channels)
        _show(panel, 1100, 800)
        _work(app, lambda: panel.save_panel.estimate.disk_bytes_per_s is not None)
        _take(app, panel, target / "plan.png")

        panel.run()
        _work(app, lambda: panel.run_bar.progress.value() > 300)
        _take(app, panel, target / "running.png")
        _show(panel, 640, 480)
        panel.arrangement.bring_up(panel._views)
        _take(app, panel, target / "small.png")
        _work(app, lambda: not panel.is_running)
        _show(panel, 1100, 800)
        _take(app, panel, target / "saved.png")

        panel.save_panel.set_settings(settings.replace(backend=FullDisk))
        panel.run()
        _work(app, lambda: not panel.is_running)
        panel.save_panel.set_settings(settings)
        _take(app, panel, target / "disk-full.png")
        panel.close()

        save_panel = SavePanel(settings.replace(format="ome-tiff"), core=core)
        _show(save_panel, 560, 240)
        _work(app, lambda: save_panel.estimate.disk_bytes_per_s is not None)
        _take(app, save_panel, target / "save-panel.png")
        save_panel.close()

        app.setPalette(_dark(light))
        panel = AcquisitionPanel(core, settings=settings)
        panel.editor.setValue(SEQUENCE)
        panel.editor.tab_wdg.setCurrentWidget(panel.editor.channels)
        _show(panel, 1100, 800)
        _work(app, lambda: panel.save_panel.estimate.frames is not None)
        panel.run()
        _work(app, lambda: panel.run_bar.progress.value() > 100)
        _take(app, panel, target / "running-dark.png")
        panel.cancel()
        _work(app, lambda: not panel.is_running)
        panel.close()
        app.setPalette(light)


def _core() -> CMMCorePlus:
    logging.getLogger("pymmcore-plus").setLevel(logging.CRITICAL)
    core = CMMCorePlus()
    core.loadSystemConfiguration(ROOT / "demo_configs" / "demo.cfg")
    return core


@contextmanager
def _folder() -> Iterator[Path]:
    """Create a folder whose name is suitable for a picture."""
    folder = Path(tempfile.gettempdir()) / "microscope"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _show(widget: QWidget, width: int, height: int) -> None:
    widget.resize(width, height)
    widget.show()


def _work(app: QApplication, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not holds():
        app.processEvents()
        if time.monotonic() > until:
            raise TimeoutError("The panel did not reach the state shown in the picture.")
        time.sleep(0.005)


def _take(app: QApplication, widget: QWidget, file: Path) -> None:
    settled = time.monotonic() + 0.6  # sizes and lines are updated with a delay
    _work(app, lambda: time.monotonic() > settled)
    if not widget.grab().save(str(file)):
        raise OSError(f"{file} could not be written")


def _dark(light: QPalette) -> QPalette:
    """Return the palette of a dark desktop."""
    role, palette = QPalette.ColorRole, QPalette(light)
    for names, color in (
        ((role.Window, role.Button, role.ToolTipBase), "#2b2b2b"),
        ((role.Base, role.AlternateBase), "#1e1e1e"),
        ((role.WindowText, role.Text, role.ButtonText, role.ToolTipText), "#e6e6e6"),
        ((role.PlaceholderText, role.Light, role.Midlight), "#808080"),
    ):
        for name in names:
            palette.setColor(name, QColor(color))
    for name in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, name, QColor("#8a8a8a"))
    return palette


def _no_network(*key: object, **options: object) -> None:
    raise OSError("pictures must not depend on the network")


if __name__ == "__main__":
    superqt.iconify.svg_path = _no_network
    take_all(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
