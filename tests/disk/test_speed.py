"""`measure_disk`: it measures, leaves nothing behind, and refuses what it cannot measure."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from pymmcore_ome.disk import DiskRates, measure_disk, speed


def test_disk_is_measured_once_and_nothing_is_left(tmp_path: Path) -> None:
    rates = DiskRates()
    assert rates.cached(tmp_path) is None
    assert rates.measure(tmp_path) > 0
    assert rates.cached(tmp_path / "missing") is None
    assert (rates.cached(tmp_path) or 0) > 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError):
        measure_disk(tmp_path / "missing")


def test_full_disk_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(speed.shutil, "disk_usage", lambda _: Usage(20 << 20))
    with pytest.raises(OSError, match=r"less than 40 MiB left. Free some space"):
        measure_disk(tmp_path)
    assert list(tmp_path.iterdir()) == []
