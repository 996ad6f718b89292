"""The scripts of the how-to pages run as they are, each in a process and a folder of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import pymmcore_ome as po
from conftest import HANG_S, ROOT

SCRIPTS = sorted((ROOT / "docs" / "how-to").glob("*.py"))
#: What each leaves behind: frames by store.
STORES = {
    "headless": {"headless.ome.zarr": 36},
    "event_driven": {"smart.ome.zarr": 9},
    "two_cameras": {"two_cameras.ome.zarr": 16, "two_kinds_of_camera.ome.zarr": 8},
    "plate": {"plate.ome.zarr": 12},
    "several_outputs": {"analysis.ome.zarr": 5, "copy.ome.tiff": 5},
}


def run(script: Path, folder: Path) -> str:
    """Run a script; return what it printed."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=folder, capture_output=True, text=True, timeout=HANG_S,
    )  # fmt: skip
    # pymmcore-plus itself may abort a process at its very end, after all is done (its log thread)
    assert ended.returncode == 0 or "exception not rethrown" in ended.stderr, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_saves_what_it_says(script: Path, tmp_path: Path) -> None:
    said = run(script, tmp_path)
    assert said
    for name, frames in STORES[script.stem].items():
        assert po.validate(tmp_path / name, pixels=True) == []
        assert len(po.open_dataset(tmp_path / name).frames()) == frames
    if script.stem == "several_outputs":
        assert "the same pixels: True" in said


def test_every_script_is_on_a_page() -> None:
    pages = "\n".join(page.read_text() for page in (ROOT / "docs" / "how-to").glob("*.md"))
    for script in SCRIPTS:
        assert re.search(rf"\]\({script.name}\)", pages), f"{script.name} is on no how-to page"
