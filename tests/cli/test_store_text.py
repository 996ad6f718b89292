"""What people see of a store, at the widths that terminals have."""

from __future__ import annotations

import io
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import pymmcore_ome as po
from pymmcore_ome.cli.contents import Contents
from pymmcore_ome.cli.interrupts import Interrupts
from pymmcore_ome.cli.progress_bar import ProgressBar, time_left
from pymmcore_ome.cli.store_text import describe, frame_rows, plate_map
from pymmcore_ome.stream import Progress

LETTERS = [chr(ord("A") + n) for n in range(16)]


def shown(store: Path, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(describe(Contents.of(po.open_dataset(store)), console))
    return console.file.getvalue()


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Four wells: whole, with a hole, without a frame, not part of the run."""
    wells = [("A", "1"), ("A", "2"), ("B", "1")]
    schema = po.StorageSchema(
        dimensions=[
            po.Dimension(
                name="p",
                coords=[po.Position(name=f"{r}{c}", plate_row=r, plate_column=c) for r, c in wells],
            ),
            po.Dimension(name="c", coords=["DAPI", "FITC"]),
            po.Dimension(name="y", size=4),
            po.Dimension(name="x", size=4),
        ],
        dtype="uint8",
        plate=po.Plate("small", rows=["A", "B"], columns=["1", "2"]),
    )
    with po.open_stream(tmp_path / "p.ome.zarr", schema) as stream:
        for at in ({"p": 0, "c": 0}, {"p": 0, "c": 1}, {"p": 1, "c": 1}):
            stream.append(np.ones((4, 4), "uint8"), at=at)
    return tmp_path / "p.ome.zarr"


@pytest.mark.parametrize("width", [40, 80, 140])
def test_info_shows_wells_holes_and_fits_the_terminal(plate: Path, width: int) -> None:
    text = shown(plate, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "  A  ● ◐\n  B  ○ ·" in "\n".join(line.rstrip() for line in text.splitlines())
    assert "● all frames  ◐ some missing  ○ no frame" in text or width == 40
    assert "3 of 6" in text
    assert "3 planned frames missing" in " ".join(text.split())
    if width > 40:
        assert "image A/2/0  1 missing: c 0" in text
        assert "image B/1/0  2 missing: c 0, c 1" in text


@pytest.mark.parametrize("status", ["canceled", "complete"])
def test_info_says_how_to_acquire_the_rest(tmp_path: Path, status: str) -> None:
    schema = po.StorageSchema(
        dimensions=[
            po.Dimension(name="t", size=2),
            po.Dimension(name="y", size=4),
            po.Dimension(name="x", size=4),
        ],
        dtype="uint8",
    )
    for name, count in (("part", 1), ("whole", 2)):
        path = tmp_path / f"{name}.ome.zarr"
        stream = po.open_stream(path, schema, acquisition={"sequence": {"time_plan": {}}})
        for _ in range(count):
            stream.append(np.ones((4, 4), "uint8"))
        stream.close(status=status)
        hint = "acquire the rest with: pymmcore-ome run ... --resume"
        assert (hint in " ".join(shown(path, 160).split())) == (count == 1)


def test_info_mentions_a_stack_that_goes_downward(tmp_path: Path) -> None:
    for name, scale in (("up", 2.0), ("down", -2.0)):
        schema = po.StorageSchema(
            dimensions=[
                po.Dimension(name="z", size=2, scale=scale, unit="micrometer"),
                po.Dimension(name="y", size=4),
                po.Dimension(name="x", size=4),
            ],
            dtype="uint8",
        )
        with po.open_stream(tmp_path / f"{name}.ome.zarr", schema) as stream:
            for _ in range(2):
                stream.append(np.ones((4, 4), "uint8"))
    assert "z: -2 µm (from top to bottom)" in shown(tmp_path / "down.ome.zarr", 100)
    assert "top" not in shown(tmp_path / "up.ome.zarr", 100)


def test_info_shows_annotations_of_the_user(plate: Path) -> None:
    po.annotate(plate, "sample", {"cells": "HeLa", "note": "n" * 500})
    text = " ".join(shown(plate, 80).split())
    assert "annotation sample: cells=HeLa, note=nnn" in text
    assert "n" * 300 not in text.replace(" ", "")


def test_contents_are_plain_values_for_scripts(plate: Path) -> None:
    told = Contents.of(po.open_dataset(plate)).to_json()
    assert told["frames"] == {"planned": 6, "stored": 3, "missing": 3, "not_as_asked": 0}
    assert [(i["well"], i["frames"], i["missing"]) for i in told["images"]] == [
        ("A1", 2, 0), ("A2", 1, 1), ("B1", 0, 2),
    ]  # fmt: skip
    assert told["plate"]["rows"] == ("A", "B")
    assert told["being_written"] is False


@pytest.mark.parametrize("name", ["w.ome.zarr", "w.ome.tiff"])
def test_info_tells_a_store_that_is_being_written(
    tmp_path: Path, small_schema: po.StorageSchema, name: str
) -> None:
    with po.open_stream(tmp_path / name, small_schema):
        assert "a program is writing to it" in shown(tmp_path / name, 100)
    assert "complete" in shown(tmp_path / name, 100)


@pytest.mark.parametrize(
    ("rows", "columns", "width"), [(8, 12, 80), (16, 24, 80), (16, 24, 50), (32, 48, 60)]
)
def test_plate_map_fits_and_has_every_well(rows: int, columns: int, width: int) -> None:
    names = [a + b for a in ["", *LETTERS] for b in LETTERS][:rows]
    plate = po.Plate("big", rows=names, columns=[str(n + 1) for n in range(columns)])
    text = plate_map(plate, {(names[-1], str(columns)): "all"}, width).plain
    header, *lines, legend = text.splitlines()
    assert all(len(line) <= width for line in text.splitlines())
    assert len(lines) == rows
    assert sum(line.count("·") for line in lines) == rows * columns - 1
    assert lines[-1].endswith("●")
    assert header.split()[0] == "1"
    assert "all frames" in legend
    plain = plate_map(plate, {(names[-1], str(columns)): "all"}, width, ascii_only=True).plain
    assert plain.isascii()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_frames_are_shown_with_the_columns_that_fit(width: int) -> None:
    rows = [
        {"image": "0", "t": n, "event_t": n, "delta_t_s": n / 3, "x_um": -0.0, "z_um": None,
         "channel": "DAPI", "camera_device": "Camera"}
        for n in range(50)
    ]  # fmt: skip
    console = Console(file=io.StringIO(), width=width)
    console.print(frame_rows(rows, width))
    text = console.file.getvalue()
    header = text.splitlines()[0].split()
    assert header[:5] == ["image", "t", "delta_t_s", "x_um", "channel"]
    assert "z_um" not in header
    assert "30 frames in between" in text
    assert "-0" not in text
    assert ("event_t" in header) == (width >= 80)


@pytest.mark.parametrize(
    ("planned", "written", "elapsed_s", "expected_s", "left"),
    [
        (100, 50, 10.0, 0.0, "10 s"),  # by the rate
        (100, 50, 10.0, 3610.0, "1 h"),  # the plan's intervals take longer
        (100, 100, 10.0, 3610.0, "0 s"),  # nothing is left
        (None, 50, 10.0, 0.0, "?"),
        (100, 0, 10.0, 0.0, "?"),
    ],
)
def test_time_left_is_by_rate_and_by_plan(
    planned: int | None, written: int, elapsed_s: float, expected_s: float, left: str
) -> None:
    progress = Progress(planned, written, 0, written, 0, 0, 1, 0.0, elapsed_s)
    assert time_left(progress, expected_s) == left


def test_progress_in_a_log_is_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=100)
    clock = [0.0]
    monkeypatch.setattr("pymmcore_ome.cli.progress_bar.time.monotonic", lambda: clock[0])
    with ProgressBar(console, expected_s=0.0) as live:
        for clock[0] in range(25):
            written = clock[0] * 2
            live.show(Progress(100, written, 0, written, written * 1000, 30, 100, 0.0, clock[0]))
        live.print_line("Warning: something")
    assert console.file.getvalue().splitlines() == [
        "Acquiring: 20/100 frames, 2.0 frames/s 2.0 kB/s, buffer 30 %, 40 s left",
        "Acquiring: 40/100 frames, 2.0 frames/s 2.0 kB/s, buffer 30 %, 30 s left",
        "Warning: something",
    ]


@pytest.mark.parametrize("width", [80, 140])
def test_progress_in_a_terminal_fits_on_one_line(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    console._environ = {"TERM": "xterm"}
    with ProgressBar(console, expected_s=0.0) as live:
        live.show(Progress(100_000, 9, 0, 54_321, 10**11, 30, 100, 0.0, 100.0))
    bar = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", console.file.getvalue()).split("\r")[-1].rstrip()
    assert len(bar) <= width
    assert "\n" not in bar
    for words in ("54321/100000", "543 frames/s 1.0 GB/s", "buffer 30 %"):
        assert words in bar


def test_interrupts_leave_alone_what_the_shell_ignores() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGINT, before)
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
        assert interrupts.count == 1
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
