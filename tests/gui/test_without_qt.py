"""What is said where there is no Qt, and what works all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import HANG_S

NO_QT = "import sys; sys.modules['qtpy'] = None; "  # an import of it then fails


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", NO_QT + code],
        capture_output=True, text=True, timeout=HANG_S, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["SavePanel", "AcquisitionPanel"])
def test_panels_say_what_to_install(name: str) -> None:
    done = _python(f"import pymmcore_ome as po; po.gui.{name}")
    assert done.returncode == 1
    assert f"{name} needs Qt" in done.stderr
    assert 'pip install ".[gui]"' in done.stderr


def test_settings_work() -> None:
    done = _python("import pymmcore_ome as po; print(po.gui.SaveSettings(name='a').output().path)")
    assert done.stdout.strip().endswith("a_001.ome.zarr"), done.stderr


def test_command_says_what_to_install() -> None:
    done = _python("sys.argv[1:] = ['gui']; from pymmcore_ome.cli.app import main; main()")
    assert done.returncode == 1
    assert 'pip install ".[gui]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_name_is_an_attribute_error() -> None:
    done = _python("import pymmcore_ome as po; po.gui.Nothing")
    assert "has no attribute 'Nothing'" in done.stderr
