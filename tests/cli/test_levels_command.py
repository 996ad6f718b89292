"""`levels`, and what the other commands show of resolution levels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import pymmcore_ome as po

from .processes import command

SEQUENCE = "axis_order: tc\ntime_plan: {interval: 0, loops: 2}\nchannels: [DAPI]\n"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of two frames of 600 x 400 pixels, without levels."""
    dims = [po.Dimension(name=name, size=n) for name, n in (("t", 2), ("y", 400), ("x", 600))]
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, po.StorageSchema(dimensions=dims, dtype="uint8")) as stream:
        for t in range(2):
            stream.append(np.full((400, 600), t + 1, "uint8"))
    return path


def test_levels_makes_shows_and_replaces_levels(store: Path) -> None:
    cwd = store.parent
    done = command("levels", "a.ome.zarr", cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "Made the levels of 2 frames, 150.0 kB" in done.stdout
    assert "600 x 400 > 300 x 200 > 150 x 100 (mean)" in done.stdout
    again = command("levels", "a.ome.zarr", cwd=cwd)
    assert (again.returncode, "Traceback" in again.stderr) == (1, False)
    assert "--overwrite" in again.stderr
    done = command(
        "levels", "a.ome.zarr", "--levels", "2", "--downsample", "nearest", "--overwrite",
        "--json", cwd=cwd,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["levels"]["state"] == "complete"
    assert found["images"][0]["levels"] == [[2, 400, 600], [2, 200, 300]]
    assert command("validate", "a.ome.zarr", "--pixels", cwd=cwd).returncode == 0


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--levels", "many"], 2, "2 to 8"),
        (["--levels", "1"], 1, "levels must be"),
        (["--levels", "9"], 1, "levels must be"),
        (["--downsample", "median"], 1, "downsample must be one of"),
    ],
)
def test_levels_that_cannot_be_are_refused(
    store: Path, options: list[str], code: int, words: str
) -> None:
    done = command("levels", "a.ome.zarr", *options, cwd=store.parent)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(po.open_dataset(store).images[0].levels) == 1


def test_run_writes_levels_and_the_plan_shows_them(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SEQUENCE)
    run = ("run", "a.yaml", "--config", "demo", "--output", "a.ome.zarr", "--levels", "auto")
    plan = command(*run, "--dry-run", cwd=tmp_path)
    assert plan.returncode == 0, plan.stderr
    assert "2, mean; 262.1 kB more in 1 file" in plan.stdout
    shown = json.loads(command(*run, "--dry-run", "--json", cwd=tmp_path).stdout)
    assert (shown["level_bytes"], shown["level_files"]) == (2 * 256 * 256 * 2, 1)
    assert not (tmp_path / "a.ome.zarr").exists()
    done = command(*run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "512 x 512 > 256 x 256 (mean)" in done.stdout
    assert len([*(tmp_path / "a.ome.zarr" / "1" / "c").rglob("0")]) > 0
    assert po.validate(tmp_path / "a.ome.zarr", pixels=True) == []


def test_info_names_the_command_that_makes_what_is_missing(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymmcore_ome.backends.zarr.levels import ZarrLevels

    def fails(self: object, shapes: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ZarrLevels, "finish", fails)
        with pytest.raises(OSError, match="full"):
            po.build_levels(store)
    shown = command("info", "a.ome.zarr", cwd=store.parent).stdout
    assert "not complete; make them with: pymmcore-ome levels" in shown
    done = command("recover", "a.ome.zarr", cwd=store.parent)
    assert (done.returncode, "Nothing to recover" in done.stdout) == (0, False)
    again = command("recover", "a.ome.zarr", cwd=store.parent)
    assert "Nothing to recover: the store is complete." in again.stdout
    assert "600 x 400 > 300" in command("info", "a.ome.zarr", cwd=store.parent).stdout
