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

from .figures import Figures, Rounds
from .loads import Load
from .rooms import room

_SAMPLE_S = 0.05  # more often, and looking takes a tenth of a core
_LIMIT_S = 900.0


def run_rounds(
    load: Load, rounds: int, parent: Path, say: Callable[[str], None] = lambda _: None
) -> dict[str, Rounds]:
    """Return what every contender of a load found.

    The order within a round changes from round to round, so that nobody always comes first;
    what the one before left for the disk to do is waited for.
    """
    found = {name: Rounds() for name in load.contenders}
    order = list(load.contenders)
    shuffle = random.Random(load.name).shuffle
    rounds = min(rounds, load.most_rounds)
    for number in range(rounds):
        for name in order:
            if found[name].why_not:
                continue
            say(f"{load.name}: {name}, round {number + 1} of {rounds}")
            with room(parent) as folder:
                result = run_one(load, name, folder)
            if isinstance(result, str):
                found[name].why_not = result
            else:
                found[name].rounds.append(result)
        shuffle(order)
    return found


def run_one(load: Load, contender: str, folder: Path) -> Figures | str:
    """Run one measurement in a process of its own; return why not, where it cannot."""
    if hasattr(os, "sync"):
        os.sync()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.one",
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
