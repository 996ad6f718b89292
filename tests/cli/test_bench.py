"""`pymmcore-ome bench`: it tries every way, compares with the camera, and leaves nothing behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pymmcore_ome as po
from conftest import DEMO

from .processes import command

FAST = DEMO / "fast.cfg"


def test_bench_compares_every_way_with_the_rate_of_the_camera(tmp_path: Path) -> None:
    options = ("--path", tmp_path, "--config", FAST, "--seconds", 0.05)
    done = command("bench", *options, cwd=tmp_path, COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert re.search(r"512 x 512 uint16, exposure 10 ms, streams [\d.,]+ frames/s", done.stdout)
    for backend in po.available_backends():
        assert backend in done.stdout
    for words in (
        "chunks auto",
        "zstd:1",
        "raw writes",
        "margin",
        "too short for reliable figures",
    ):
        assert words in done.stdout
    margins = [float(n) for n in re.findall(r"([\d.]+) x │", done.stdout)]
    assert len(margins) > len(po.available_backends())
    shares = [int(n) for n in re.findall(r"(\d+) %", done.stdout)]
    assert all(share > 10 for share in shares), "what is written is not black"
    assert list(tmp_path.iterdir()) == []


def test_bench_without_a_camera_tries_the_disk(tmp_path: Path) -> None:
    done = command("bench", "--path", tmp_path, "--seconds", 0.05, cwd=tmp_path, COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "2048 x 2048 uint16" in done.stdout
    assert "margin" not in done.stdout
    assert "--config" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--path", "nowhere"), "is not a folder"),
        (("--config", "nowhere.cfg"), "does not exist"),
    ],
)
def test_bench_says_what_it_cannot_use(
    tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    done = command("bench", "--seconds", 0.05, *words, cwd=tmp_path)
    assert done.returncode == 1
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
