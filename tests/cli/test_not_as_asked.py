"""Frames that were not taken as asked: every command that looks at a store tells of them."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import pymmcore_ome as po
from helpers import needs_setup
from pymmcore_ome.cli.app import ended
from pymmcore_ome.cli.stores import SETTINGS_NOT_APPLIED

from .processes import command

STUCK = "setXYPosition(5.0, 0.0) failed: end of travel"
DARK = "setProperty('LED', 'State', '1') failed: no answer"
#: What is told of each frame, by its index.
MARKS = {(1, 1, 0): [STUCK], (1, 1, 1): [STUCK, DARK], (2, 1, 0): [STUCK], (2, 1, 1): [STUCK]}


@pytest.fixture(params=["s.ome.zarr", "s.ome.tiff"])
def store(
    tmp_path: Path,
    small_schema: po.StorageSchema,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Path:
    """A whole store of twelve frames, four of which were not taken as asked."""
    monkeypatch.chdir(tmp_path)
    with po.open_stream(request.param, small_schema) as stream:
        for t, p, c in np.ndindex(3, 2, 2):
            marks = MARKS.get((t, p, c))
            stream.append(
                np.ones((6, 8), "uint16"),
                at={"t": t, "p": p, "c": c},
                metadata={"x_um": 5} | ({"not_as_asked": marks} if marks else {}),
            )
    return Path(request.param)


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["pymmcore-ome", *map(str, words)])
    return ended()


def test_dataset_returns_the_frames_that_were_not_taken_as_asked(store: Path) -> None:
    found = po.open_dataset(store).not_as_asked()
    assert {(f["event_index"]["t"], 1, f["event_index"]["c"]) for f in found} == set(MARKS)
    assert [f["metadata"]["not_as_asked"] for f in found] == list(MARKS.values())
    assert po.validate(store, pixels=True) == []


def test_info_says_how_many_frames_and_which_settings(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = "image right" if store.suffix == ".tiff" else "image 1 (right)"
    assert run(monkeypatch, "info", store) == 0
    text = capsys.readouterr().out
    assert "4 frames were acquired with settings that failed to apply" in text
    assert f"{STUCK}: 4 frames: {image} t 1 c 0, {image} t 1 c 1, {image} t 2 c 0, …" in text
    assert f"{DARK}: 1 frame: {image} t 1 c 1\n" in text
    assert run(monkeypatch, "info", store, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["frames"]["not_as_asked"] == 4
    assert [(one["problem"], one["frames"]) for one in told["not_as_asked"]] == [
        (STUCK, 4), (DARK, 1),
    ]  # fmt: skip


def test_validate_warns_with_an_exit_code_of_its_own(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "validate", store, "--pixels") == SETTINGS_NOT_APPLIED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Valid: documents, arrays, pixels, frame table, and plan agree."
    assert [line.partition(": ")[0] for line in lines[1:]] == ["warning", "warning"]
    assert f"4 frames were acquired with a setting that failed to apply: {STUCK}: " in lines[1]
    assert run(monkeypatch, "validate", store, "--json") == SETTINGS_NOT_APPLIED
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], told["problems"], len(told["warnings"])) == (True, [], 2)


def test_validate_counts_a_problem_before_a_warning(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = po.open_dataset(store).location.table
    table.write_bytes(b"".join(table.read_bytes().splitlines(keepends=True)[1:]))
    assert run(monkeypatch, "validate", store) == 1
    starts = [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert starts == ["problem", "problem", "warning", "warning"]


def test_many_settings_are_told_in_few_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dims = [po.Dimension(name="t", size=30), *(po.Dimension(name=n, size=4) for n in "yx")]
    with po.open_stream("m.ome.zarr", po.StorageSchema(dimensions=dims, dtype="uint8")) as stream:
        for n in range(30):
            mark = {"not_as_asked": [f"setXYPosition({n}, 0) failed: end of travel"]}
            stream.append(np.ones((4, 4), "uint8"), metadata=mark)
    assert run(monkeypatch, "info", "m.ome.zarr") == 0
    told = capsys.readouterr().out
    assert "30 frames were acquired with settings that failed to apply" in told
    assert told.count("end of travel") == 6
    assert "… and 24 more settings" in told
    assert run(monkeypatch, "validate", "m.ome.zarr") == SETTINGS_NOT_APPLIED
    told = capsys.readouterr().out
    assert told.count("end of travel") == 10
    assert "20 more settings failed to apply" in told


def test_frame_table_has_a_column_for_it_always(
    store: Path,
    small_schema: po.StorageSchema,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert run(monkeypatch, "frames", store, "--to", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode())))
    told = {(int(r["event_t"]), 1, int(r["event_c"])): r["not_as_asked"] for r in rows}
    assert {at: text for at, text in told.items() if text} == {
        at: "; ".join(marks) for at, marks in MARKS.items()
    }
    with po.open_stream("clean.ome.zarr", small_schema) as stream:
        stream.append(np.ones((6, 8), "uint16"))
    assert run(monkeypatch, "frames", "clean.ome.zarr", "--to", "csv") == 0
    (row,) = csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode()))
    assert row["not_as_asked"] == ""


@pytest.mark.parametrize("width", ["60", "80", "140"])
def test_frames_at_a_terminal_show_the_mark_at_any_width(store: Path, width: str) -> None:
    done = command("frames", store, cwd=store.parent.absolute(), COLUMNS=width)
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert "not_as_asked" in header
    assert sum("setXYPosition" in row for row in rows) == 4
    assert all(len(line) <= int(width) for line in (header, *rows))


STAGE_STICKS = (
    "import sys; from pymmcore_ome.cli import microscope\n"
    "load = microscope.load_core\n"
    "def load_with_a_stage_that_sticks(config):\n"
    "    core = load(config); move = core.setXYPosition\n"
    "    def sticks(*where):\n"
    "        if where[-2] == 5:\n"
    "            raise RuntimeError('end of travel')\n"
    "        return move(*where)\n"
    "    core.setXYPosition = sticks\n"
    "    return core\n"
    "microscope.load_core = load_with_a_stage_that_sticks; sys.argv[0] = 'pymmcore-ome'\n"
    "from pymmcore_ome.cli.app import main; main()"
)


@pytest.mark.parametrize("as_json", [False, True])
def test_run_in_which_a_stage_sticks_ends_with_a_code_of_its_own(
    tmp_path: Path, as_json: bool
) -> None:
    (tmp_path / "two.yaml").write_text(
        "stage_positions: [{x: 1, y: 0, name: left}, {x: 5, y: 0, name: right}]\n"
        "channels: [{config: DAPI, exposure: 1}]\n"
    )
    done = command(
        "run", "two.yaml", "--config", "demo", "--output", "a.ome.zarr", *["--json"] * as_json,
        cwd=tmp_path, program=("-c", STAGE_STICKS),
    )  # fmt: skip
    assert done.returncode == SETTINGS_NOT_APPLIED, done.stderr
    assert "end of travel" in done.stdout
    assert "Warning: " in done.stderr
    if as_json:
        assert json.loads(done.stdout)["frames"]["not_as_asked"] == 1
    else:
        assert "1 frame: image 1 (right) c 0" in done.stdout


@needs_setup
def test_unready_record_runs_what_would_be_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "stage_positions: [{x: 1, y: 0}]\nsetup: {properties: [[Camra, Binning, 2]]}"
    )
    words = ("run", "a.yaml", "--config", "demo", "--output", "a.ome.zarr")
    refused = command(*words, cwd=tmp_path)
    assert refused.returncode == 1
    assert "--unready record" in refused.stderr
    assert not (tmp_path / "a.ome.zarr").exists()
    done = command(*words, "--unready", "record", cwd=tmp_path)
    assert done.returncode == SETTINGS_NOT_APPLIED, done.stderr
    assert "Camra" in (po.open_dataset(tmp_path / "a.ome.zarr").record.reason or "")
    wrong = command(*words, "--unready", "maybe", cwd=tmp_path)
    assert wrong.returncode == 1
    assert "one of 'refuse', 'record'" in wrong.stderr


def test_autofocus_that_failed_is_a_warning_of_no_frame(
    tmp_path: Path,
    small_schema: po.StorageSchema,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = po.open_stream(tmp_path / "a.ome.zarr", small_schema)
    for _ in range(12):
        stream.append(np.ones((6, 8), "uint16"))
    stream.close(reason="fullFocus() failed: out of range")
    assert run(monkeypatch, "validate", tmp_path / "a.ome.zarr") == SETTINGS_NOT_APPLIED
    assert "warning: fullFocus() failed: out of range\n" in capsys.readouterr().out
