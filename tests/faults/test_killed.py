"""kill -9 at random instants: the store opens, every listed frame is right, recovery works.

What is lost: the frames that were not yet listed, at most `checkpoint_s` of them; with
acquire-zarr those whose image was not full and whose checksum does not prove them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pymmcore_ome as po
from pymmcore_ome import errors

from .ways import WAYS, Way, assert_levels_are_right, assert_listed_frames_are_right

LOOP = Path(__file__).with_name("kill_loop.py")


def check(path: Path, seen: int, down: int) -> int:
    """Check a store that a killed writer left; return how many frames it lists."""
    if down < 0:  # killed before the first append returned
        try:
            po.open_dataset(path)
        except errors.NotAStoreError:
            return 0  # killed before there was a store; nothing was promised
    assert po.open_dataset(path).status == "incomplete"
    listed = assert_listed_frames_are_right(path)
    assert {len(image.levels) for image in po.open_dataset(path).images} <= {1}
    assert listed >= seen or "acquire-zarr" in path.name
    recovered = po.recover(path)
    assert recovered.status == "recovered"
    after = assert_listed_frames_are_right(path)
    assert after >= listed
    problems = po.validate(path, pixels=True)
    allowed = ("missing (they read as 0)", "frames are missing")
    assert all(any(words in problem for words in allowed) for problem in problems), problems
    assert po.recover(path).record == recovered.record
    if "levels" in path.name:
        assert_levels_are_right(path)
    return after


def run(folder: Path, way: Way, trials: int, seed: int) -> None:
    """Kill a writer so many times, and check what each left."""
    command = [sys.executable, str(LOOP), str(folder), way.name, str(trials), str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    lines = [line.split("\t") for line in ended.stdout.splitlines()]
    assert len(lines) == trials, ended.stderr
    found = [check(folder / name, int(seen), int(down)) for name, seen, down in lines]
    assert sum(found) > trials, "killed too early to prove anything"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its writers: Linux and macOS only")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_killed_at_any_instant(tmp_path: Path, way: Way) -> None:
    run(tmp_path, way, 8, 1)


@pytest.mark.deep
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its writers: Linux and macOS only")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_killed_at_dozens_of_instants(tmp_path: Path, way: Way) -> None:
    run(tmp_path, way, 50, 2)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its writers: Linux and macOS only")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_killed_at_many_instants(tmp_path: Path, way: Way) -> None:
    run(tmp_path, way, 120, 3)
