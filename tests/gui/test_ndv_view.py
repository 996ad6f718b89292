"""The live view in ndv, which needs a display with OpenGL: a virtual one, in a process apart."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from conftest import DEMO, HANG_S

from .qt import need_qt

need_qt()

SCRIPT = """
import logging, time
from pathlib import Path
from qtpy.QtWidgets import QApplication
import superqt.iconify
def no_network(*key, **options):
    raise OSError("no network in tests")
superqt.iconify.svg_path = no_network
app = QApplication([])
import numpy as np, useq, zarr
from pymmcore_plus import CMMCorePlus
from pymmcore_ome.gui import AcquisitionPanel, SaveSettings
logging.getLogger("pymmcore-plus").setLevel(logging.CRITICAL)
core = CMMCorePlus()
core.loadSystemConfiguration({config!r})
core.setROI(0, 0, 64, 48)
settings = SaveSettings(folder=Path({folder!r}), name="cells")
panel = AcquisitionPanel(core, settings=settings, measures_disk=False)
print("view", type(panel.view).__name__)
panel.resize(1180, 860)
panel.editor.setValue(useq.MDASequence(
    stage_positions=[{{"x": 1, "y": 2, "z": 0, "name": "left"}}],
    time_plan={{"interval": 0, "loops": 30}}, channels=[{{"config": "FITC", "exposure": 1}}]))
panel.show()
panel.run_bar.run.click()
until = time.monotonic() + 200
while (panel.is_running or " t 29 " not in panel.view.caption) and time.monotonic() < until:
    app.processEvents()
print("caption", panel.view.caption)
stored = np.asarray(zarr.open_array(Path({folder!r}) / "cells_001.ome.zarr" / "0")[29])
print("equal", np.array_equal(np.asarray(panel.view.pixels), stored.reshape(48, 64)))
panel.close()
import os, sys
sys.stdout.flush()
os._exit(0)  # drivers of virtual displays do not always end well
"""


@pytest.mark.skipif(find_spec("ndv") is None, reason="needs ndv: pip install 'ndv[vispy]'")
@pytest.mark.skipif(
    shutil.which("xvfb-run") is None, reason="needs a virtual display: apt-get install xvfb xauth"
)
def test_ndv_shows_the_newest_frame_as_it_came(tmp_path: Path) -> None:
    script = tmp_path / "panel.py"
    script.write_text(SCRIPT.format(config=str(DEMO / "demo.cfg"), folder=str(tmp_path)))
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
    done = subprocess.run(
        ["xvfb-run", "-a", "-s", "-screen 0 1280x1024x24", sys.executable, str(script)],
        capture_output=True, text=True, env=environment, timeout=HANG_S, check=False,
    )  # fmt: skip
    assert "view NdvView" in done.stdout, done.stderr
    assert "caption Position left · FITC · t 29 · Camera" in done.stdout
    assert "equal True" in done.stdout
