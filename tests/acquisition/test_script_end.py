"""A script that saved a run ends with its own status, whatever the core still reports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import HANG_S

SCRIPT = """
import sys
import useq
from pymmcore_plus import CMMCorePlus
import pymmcore_ome as po

way, path, status = sys.argv[1:]
core = CMMCorePlus()
core.loadSystemConfiguration()
core.setROI(0, 0, 32, 32)
sequence = useq.MDASequence(time_plan={"interval": 0, "loops": 3}, channels=["DAPI", "FITC"])
if way != "output":
    po.install(core)
outputs = {"unsaved": None, "installed": path, "output": po.Output(path, core=core)}
core.mda.run(sequence, output=outputs[way])
core.setXYPosition(100, 100)  # the core's thread reports these while the interpreter ends
core.setExposure(5)
core.setConfig("Channel", "FITC")
sys.exit(int(status))
"""


def statuses(way: str, times: int, folder: Path, status: int = 0) -> list[int]:
    (folder / "script.py").write_text(SCRIPT)
    return [
        subprocess.run(
            [sys.executable, folder / "script.py", way, folder / f"{n}.ome.zarr", str(status)],
            check=False, capture_output=True, timeout=HANG_S,
        ).returncode
        for n in range(times)
    ]  # fmt: skip


@pytest.mark.parametrize(("way", "status"), [("unsaved", 0), ("installed", 7), ("output", 0)])
def test_script_ends_with_its_own_status(way: str, status: int, tmp_path: Path) -> None:
    assert statuses(way, 2, tmp_path, status) == [status] * 2


@pytest.mark.slow
@pytest.mark.parametrize("way", ["unsaved", "installed", "output"])
def test_script_never_aborts(way: str, tmp_path: Path) -> None:
    assert statuses(way, 40, tmp_path) == [0] * 40
