"""Running the loads: each contender in a process of its own, alternating, several rounds."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import psutil

from .contender import spelled_out
from .figures import Figures, Rounds
from .loads import Load
from .rooms import room

_SAMPLE_S = 0.05  # more often, and looking takes a tenth of a core
_LIMIT_S = 900.0
_MOST_EXTRA_ROUNDS = 2
_WITHOUT_OPTIONS = ("ours-zarr", "ours-tiff")


def run_rounds(
    load: Load,
    rounds: int,
    parent: Path,
    say: Callable[[str], None] = lambda _: None,
    before: str = "",
) -> dict[str, Rounds]:
    """Return what every contender of a load found.

    The order within a round changes from round to round, so that none always comes first. Each
    waits until the disk has done what the one before left to it.

    Parameters
    ----------
    load : Load
    rounds : int
    parent : Path
        Where to write.
    say : callable
        Called with what runs next, in words.
    before : str
        The Python of another environment, with another version of this package: each contender
        of ours without options is measured there, too, in the same rounds.
    """
    contenders = [*load.contenders]
    if before:
        contenders += [n.replace("ours", "before") for n in contenders if n in _WITHOUT_OPTIONS]
    extras = spelled_out(load.extras)
    found = {name: Rounds() for name in (*contenders, *extras)}
    order = list(found)
    shuffle = random.Random(load.name).shuffle
    rounds = min(rounds, load.most_rounds)
    for number in range(rounds):
        for name in order:
            if found[name].why_not or (name in extras and number >= _MOST_EXTRA_ROUNDS):
                continue
            say(f"{load.name}: {name}, round {number + 1} of {rounds}")
            with room(parent) as folder:
                result = run_one(load, name, folder, before)
            if isinstance(result, str):
                found[name].why_not = result
            else:
                found[name].rounds.append(result)
        shuffle(order)
    return found


def run_one(load: Load, contender: str, folder: Path, before: str = "") -> Figures | str:
    """Run one measurement in a process of its own; return why not, where it cannot."""
    python = before if contender.startswith("before") else sys.executable
    if hasattr(os, "sync"):
        os.sync()
    process = subprocess.Popen(
        [python, "-W", "ignore", "-m", "benchmarks.one",
         json.dumps(asdict(load)), contender, str(folder)],
        cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    peak = _watch(process)
    out, err = process.communicate()
    if process.returncode != 0:
        return (err.decode(errors="replace").strip().splitlines() or ["it died"])[-1][:300]
    answer = json.loads(out.decode().strip().splitlines()[-1])
    if "why_not" in answer:
        return str(answer["why_not"])
    answer["append_us"] = tuple(answer["append_us"])
    figures = Figures(**answer)
    figures.peak_bytes = max(figures.peak_bytes, peak)
    return figures


def _watch(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process to end; return the most memory that it had, seen from outside."""
    peak, until = 0, time.monotonic() + _LIMIT_S
    seen = psutil.Process(process.pid)
    while process.poll() is None:
        if time.monotonic() > until:
            process.kill()
        try:
            peak = max(peak, seen.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(_SAMPLE_S)
    return peak
