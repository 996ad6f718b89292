"""Runs inside a Qt application, in both bindings, each in a process of its own.

An exception in a slot ends a PyQt6 process, and PySide6 swallows it; neither may happen to data.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import pymmcore_ome as po
from conftest import DEMO, HANG_S

BINDINGS = {"PyQt6": "pyqt6", "PySide6": "pyside6"}
PROLOGUE = f"""
import sys, threading
from pathlib import Path
import useq
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
app = QApplication([])
from pymmcore_plus import CMMCorePlus
import pymmcore_ome as po
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend

class Breaking(TensorstoreBackend):
    writes = 0
    def write(self, *args):
        self.writes += 1
        if self.writes > 2:
            raise OSError(28, "No space left on device")
        return super().write(*args)

core = CMMCorePlus.instance()
core.loadSystemConfiguration({str(DEMO / "demo.cfg")!r})
assert "Q" in type(core.mda.events).__name__, type(core.mda.events)
SEQUENCE = useq.MDASequence(time_plan={{"interval": 0.01, "loops": 12}}, channels=["DAPI", "FITC"])

def spin(thread):
    timer = QTimer()
    timer.timeout.connect(lambda: None if thread.is_alive() else app.quit())
    timer.start(10)
    app.exec()
"""
CASES = {
    "installed, event loop running": """
seen = []
core.mda.events.frameReady.connect(lambda *payload: seen.append(payload))
with po.install(core):
    thread = core.run_mda(SEQUENCE, output="a.ome.zarr")
    spin(thread)
    (summary,) = thread.result()
assert summary.frames_written == 24 and len(seen) == 24, (summary, len(seen))
""",
    "installed, main thread waits": """
with po.install(core):
    thread = core.run_mda(SEQUENCE, output="a.ome.zarr")
    (summary,) = thread.result()
assert summary.frames_written == 24, summary
""",
    "installed, disk full": """
threading.excepthook = lambda args: None
heard = []
with po.install(core) as installation:
    installation.failed.connect(heard.append)
    thread = core.run_mda(SEQUENCE, output=po.Output("a.ome.zarr", backend=Breaking))
    spin(thread)
assert isinstance(thread.error, po.errors.WriteError) and heard == [thread.error], heard
""",
    "handler, event loop running": """
output = po.Output("a.ome.zarr", core=core)
thread = core.run_mda(SEQUENCE, output=output)
spin(thread)
assert output.result().frames_written == 24, output.result()
""",
    "handler, disk full": """
output = po.Output("a.ome.zarr", backend=Breaking, core=core)
heard = []
output.failed.connect(heard.append)
thread = core.run_mda(SEQUENCE, output=output)
spin(thread)
try:
    output.result()
except po.errors.WriteError as error:
    assert heard == [error], heard
else:
    raise SystemExit("the error was lost")
""",
}


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("case", CASES)
def test_run_in_a_qt_application(binding: str, case: str, tmp_path: Path) -> None:
    if binding == "PySide6" and case.startswith("handler"):
        pytest.skip("pymmcore-plus's handlers crash PySide6 now and then; the log says: install")
    if find_spec(binding) is None or find_spec("qtpy") is None:
        pytest.skip(f"{binding} is not there; pip install -e '.[gui-test]'")
    ended = subprocess.run(
        [sys.executable, "-c", PROLOGUE + CASES[case] + "\nprint('to the end', flush=True)"],
        cwd=tmp_path, capture_output=True, text=True, timeout=HANG_S,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_API": BINDINGS[binding]},
    )  # fmt: skip
    assert "to the end" in ended.stdout, ended.stdout + ended.stderr
    broken = "disk full" in case
    assert po.open_dataset(tmp_path / "a.ome.zarr").status == ("failed" if broken else "complete")
    if not broken:
        assert po.validate(tmp_path / "a.ome.zarr", pixels=True) == []
