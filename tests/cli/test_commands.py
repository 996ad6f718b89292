"""The command, as processes: what people see, and what scripts get."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pymmcore_ome as po
from conftest import DEMO
from pymmcore_ome.testing import encoded_frame

LONG = "axis_order: tc\ntime_plan: {interval: 0.05, loops: 2000}\nchannels: [{config: DAPI}]\n"


def command(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-m", "pymmcore_ome", *map(str, words)],
        cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_demo_runs_saves_validates_and_tells_how_to_open(tmp_path: Path) -> None:
    done = command("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("60/60", "(t: 3, c: 2, z: 5, y: 512, x: 512)", "left", "right", "DAPI, FITC",
                  "complete", "60 of 60", "Valid", "napari", "zarr.open"):  # fmt: skip
        assert words in done.stdout
    assert po.open_dataset(tmp_path / "demo.ome.zarr").status == "complete"
    assert po.validate(tmp_path / "demo.ome.zarr") == []
    again = command("demo", cwd=tmp_path)
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert "Traceback" not in again.stderr


def test_printed_python_hints_work(tmp_path: Path) -> None:
    done = command("demo", "--output", "other.ome.zarr", cwd=tmp_path)
    hints = [line.strip() for line in done.stdout.splitlines() if "python -c" in line]
    assert len(hints) == 2
    for hint in hints:
        code = hint.partition(' "')[2].removesuffix('"')
        shown = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0, shown.stderr
        assert "(3, 2, 5, 512, 512)" in shown.stdout or "t: 3, c: 2, z: 5" in shown.stdout


def test_run_info_and_validate(tmp_path: Path) -> None:
    done = command(
        "run", DEMO / "time_lapse.yaml", "--config", DEMO / "demo.cfg",
        "--output", "a.ome.zarr", "--compression", "zstd", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = command("info", "a.ome.zarr", cwd=tmp_path)
    assert shown.returncode == 0
    for words in ("(t: 5, c: 2, y: 512, x: 512)", "DAPI, FITC", "complete", "10 of 10", "0.325 µm"):
        assert words in shown.stdout
    assert command("validate", "a.ome.zarr", cwd=tmp_path).returncode == 0
    table = tmp_path / "a.ome.zarr" / "frames.jsonl"
    table.write_bytes(b"".join(table.read_bytes().splitlines(keepends=True)[1:]))
    broken = command("validate", "a.ome.zarr", cwd=tmp_path)
    assert broken.returncode == 1
    assert "1 of 10 planned frames are missing" in broken.stdout


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_validate_says_what_was_checked_of_either_format(
    tmp_path: Path, name: str, small_schema: po.StorageSchema
) -> None:
    with po.open_stream(tmp_path / name, small_schema) as stream:
        for number in range(12):
            stream.append(encoded_frame(number, (6, 8)))
    found = command("validate", name, cwd=tmp_path)
    assert found.stdout == "Valid: documents, arrays, frame table and plan agree.\n"
    found = command("validate", name, "--pixels", cwd=tmp_path)
    assert found.stdout == "Valid: documents, arrays, pixels, frame table and plan agree.\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "none.yaml", "--config", DEMO / "demo.cfg", "--output", "a.zarr"], "none.yaml"),
        (["run", "bad.yaml", "--config", DEMO / "demo.cfg", "--output", "a.zarr"], "line 2"),
        (["run", "list.yaml", "--config", DEMO / "demo.cfg", "--output", "a.zarr"], "no sequence"),
        (["run", "z.yaml", "--config", DEMO / "demo.cfg", "--output", "a.zarr"], "z_plan"),
        (["run", DEMO / "demo.yaml", "--config", "none.cfg", "--output", "a.zarr"], "none.cfg"),
        (["run", DEMO / "demo.yaml", "--config", "bad.cfg", "--output", "a.zarr"], "bad.cfg"),
        (["run", DEMO / "demo.yaml", "--config", "bad.cfg", "--output", "a.png"], ".ome.zarr"),
        (["info", "none.ome.zarr"], "does not exist"),
    ],
)
def test_errors_are_one_readable_message(
    tmp_path: Path, words: list[object], expected: str
) -> None:
    (tmp_path / "bad.yaml").write_text("channels: [a\nz: {")
    (tmp_path / "list.yaml").write_text("- 1")
    (tmp_path / "z.yaml").write_text("z_plan: {range: nine}")
    (tmp_path / "bad.cfg").write_text("Device,Camera,NoSuchAdapter,DCam")
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a.zarr").exists()


def test_ctrl_c_cancels_and_leaves_a_valid_store(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text(LONG)
    process = subprocess.Popen(
        [sys.executable, "-m", "pymmcore_ome", "run", "long.yaml", "--config",
         str(DEMO / "demo.cfg"), "--output", "a.ome.zarr"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    table = tmp_path / "a.ome.zarr" / "frames.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not table.exists() or not table.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "canceled" in out
    dataset = po.open_dataset(tmp_path / "a.ome.zarr")
    assert dataset.status == "canceled"
    assert 0 < len(dataset.frames()) < 2000
    problems = po.validate(tmp_path / "a.ome.zarr")
    assert len(problems) == 2
    assert "missing" in problems[0]
    assert "canceled" in problems[1]
