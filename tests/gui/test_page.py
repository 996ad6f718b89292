"""What the page on panels shows and says is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import HANG_S, ROOT

from .qt import need_qt

need_qt()

import qtpy  # noqa: E402
from qtpy.QtGui import QImage  # noqa: E402

PAGE = ROOT / "docs" / "how-to" / "panels.md"
PICTURES = ROOT / "docs" / "images"
SCRIPT = ROOT / "docs" / "screenshots" / "panels.py"


def test_examples_of_the_page_run(
    qapp: Any,
    no_icons_from_the_network: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"__name__": "__main__"}
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        exec(compile(block, f"{PAGE.name} block {number}", "exec"), names)
    assert [p.name for p in tmp_path.glob("*.tiff")] == ["cells_001.ome.tiff"]
    names["panel"].close()


def test_pictures_of_the_page_are_those_of_the_script() -> None:
    shown = re.findall(r"\.\./images/([\w-]+)\.png", PAGE.read_text())
    taken = re.search(r"^NAMES = \((.*)\)$", SCRIPT.read_text(), re.MULTILINE)
    assert taken is not None
    assert sorted(shown) == sorted(re.findall(r'"([\w-]+)"', taken[1]))
    for name in shown:
        assert not QImage(str(PICTURES / f"{name}.png")).isNull()


@pytest.mark.skipif(qtpy.PYSIDE6, reason="the pictures are taken with PyQt6, once is enough")
def test_pictures_can_be_taken_anew(tmp_path: Path) -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_API": "pyqt6"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        capture_output=True, text=True, env=environment, timeout=HANG_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sizes = {p.name: (p.width, p.height) for p in _pictures(tmp_path)}
    assert sizes == {p.name: (p.width, p.height) for p in _pictures(PICTURES)}


class _Picture:
    def __init__(self, file: Path) -> None:
        image = QImage(str(file))
        self.name, self.width, self.height = file.name, image.width(), image.height()


def _pictures(folder: Path) -> list[_Picture]:
    names = re.findall(r"\.\./images/([\w-]+)\.png", PAGE.read_text())
    return [_Picture(folder / f"{name}.png") for name in names]
