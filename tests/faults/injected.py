"""Faults of the operating system in the middle of a run, and what is left of the store.

A process with `injector.c` preloaded forks for each fault: the child writes a store, and the Nth of
its calls that change the disk is killed, fails, or does a part of its work. Another child, without
faults, judges what is on the disk.

``PYTHONPATH=tests python -m faults.injected --faults 2000`` prints the table of the page on
reliability. It needs Linux and a C compiler.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import importlib
import itertools
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from .ways import WAYS, Way

SOURCE = Path(__file__).with_name("injector.c")
HOW = "install a C compiler (apt-get install gcc) on Linux"
#: By name: what the injector does, and whether every later call fails, too.
KINDS: dict[str, tuple[int, bool]] = {
    "kill -9": (-1, False),
    "short write": (-2, False),
    "EINTR": (errno.EINTR, False),
    "EIO": (errno.EIO, False),
    "EIO from then on": (errno.EIO, True),
    "ENOSPC from then on": (errno.ENOSPC, True),
    "EDQUOT from then on": (errno.EDQUOT, True),
}
FRAMES = 24
CLOSED, RAISED, FOREIGN = 0, 3, 4


def build(folder: Path) -> Path | None:
    """Return the injector, built in a folder; None where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    library = folder / "injector.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


class Injector:
    """A process in which stores are written with faults.

    Parameters
    ----------
    library : Path
        As `build` returns it.
    folder : Path
        For the stores.
    """

    def __init__(self, library: Path, folder: Path) -> None:
        tests = str(Path(__file__).parents[1])
        path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._folder = folder
        self._numbers = itertools.count()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.injected", "--serve", str(library)],
            env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": path},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )  # fmt: skip

    def try_fault(self, way: Way, call: int, kind: str) -> dict[str, Any]:
        """Write a store with a fault at a call (0: with none); return how it went.

        Keys: ``ended`` (an exit status, or minus a signal), ``error``, ``calls``, ``problem`` (None
        where what is left is right).
        """
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = {"way": way.name, "folder": str(folder), "call": call, "kind": kind}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        shutil.rmtree(folder, ignore_errors=True)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)


def faults(injector: Injector, count: int, seed: int) -> Iterator[tuple[Way, str, dict[str, Any]]]:
    """Inject so many faults, evenly over ways and kinds, at random calls; yield how each went."""
    dice = random.Random(seed)
    calls = {way.name: injector.try_fault(way, 0, "EIO")["calls"] for way in WAYS}
    pairs = [(way, kind) for way in WAYS for kind in KINDS]
    for number in range(count):
        way, kind = pairs[number % len(pairs)]
        call = dice.randint(1, calls[way.name])
        answer = injector.try_fault(way, call, kind)
        yield way, kind, {**answer, "call": call}


# ---------------------------------------------------------------- in the process with the injector


def _serve(library: str) -> None:
    injector = ctypes.CDLL(library)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    ways = {way.name: way for way in WAYS}
    _import_what_is_needed(injector)
    for line in sys.stdin:
        question = json.loads(line)
        way, folder = ways[question["way"]], Path(question["folder"])
        path = folder / f"a{way.suffix}"
        report = folder.with_suffix(".json")
        status = _in_child(partial(_write, injector, way, path, question, report))
        said = json.loads(report.read_text()) if report.exists() else {}
        verdict = folder.with_suffix(".verdict")
        judged = _in_child(partial(_judge, path, status, verdict))
        problem = verdict.read_text() if verdict.exists() else f"the judge ended with {judged}"
        for file in (report, verdict):
            file.unlink(missing_ok=True)
        answer = {"ended": status, "problem": problem or None, "calls": 0, "error": "", **said}
        print(json.dumps(answer), flush=True)


def _import_what_is_needed(injector: ctypes.CDLL) -> None:
    """Import once what every child would import, without a thread of any library."""
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder, "names")

        def work() -> int:
            for way in WAYS:
                (path := Path(folder, way.name)).mkdir()
                question = {"call": 0, "kind": "EIO"}
                _write(injector, way, path / f"a{way.suffix}", question, path / "report")
                _problem(path / f"a{way.suffix}", CLOSED)
            names.write_text("\n".join(sys.modules))
            return 0

        _in_child(work)
        for name in names.read_text().split():
            with suppress(Exception):  # modules that cannot be imported by their name alone
                importlib.import_module(name)


def _in_child(work: Any) -> int:
    child = os.fork()
    if child == 0:
        status = 99
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # acquire-zarr writes there
        try:
            status = work()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _write(
    injector: ctypes.CDLL, way: Way, path: Path, question: dict[str, Any], report: Path
) -> int:
    import pymmcore_ome as po

    from .ways import frame, schema

    what, lasts = KINDS[question["kind"]]
    injector.fault_arm(str(path.parent).encode(), question["call"], what, int(lasts))
    status, said = CLOSED, ""
    try:
        with po.open_stream(
            path, schema(FRAMES // 3), checkpoint_s=0.02, buffer_bytes=5 * 6144, **way.options
        ) as stream:
            for number in range(FRAMES):
                t, p = divmod(number, 3)
                stream.append(frame(number), at={"t": t, "p": p})
    except po.errors.PymmcoreOmeError as error:
        status, said = RAISED, f"{type(error).__name__}: {error}"
    except BaseException as error:
        status, said = FOREIGN, repr(error)
    calls = injector.fault_disarm()
    report.write_text(json.dumps({"calls": calls, "error": said}))
    return status


def _judge(path: Path, ended: int, verdict: Path) -> int:
    try:
        verdict.write_text(_problem(path, ended))
    except BaseException as error:
        verdict.write_text(f"judging raised {error!r}")
    return 0


def _problem(path: Path, ended: int) -> str:
    """Return what is wrong with what a fault left; nothing where all is right."""
    import pymmcore_ome as po

    from .ways import assert_listed_frames_are_right

    if ended == FOREIGN:
        return "a foreign error was raised"
    try:
        dataset = po.open_dataset(path)
    except po.errors.NotAStoreError as error:
        return "" if ended != CLOSED else f"closed without an error, and does not open: {error}"
    if ended == RAISED and dataset.status == "complete":
        return "an error was raised, and the store says complete"
    listed = len(dataset.frames())
    if ended == CLOSED and (dataset.status != "complete" or listed != FRAMES):
        return f"closed without an error, {listed} frames listed, status {dataset.status}"
    assert_listed_frames_are_right(path)
    if dataset.status != "complete":
        po.recover(path)
        assert_listed_frames_are_right(path)
        after = po.open_dataset(path)
        if after.status == "incomplete" or len(after.frames()) < listed:
            return f"recovered from {listed} frames to {len(after.frames())}, {after.status}"
    found = po.validate(path, pixels=True)
    wrong = [p for p in found if "checksum mismatch" in p or "cannot be read" in p]
    return f"validate: {wrong[0]}" if wrong else ""


def main() -> None:
    """Inject faults, and print the table of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve(options.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(folder))
        if library is None:
            sys.exit(f"The injector cannot be built: {HOW}.")
        injector = Injector(library, Path(folder))
        table: dict[str, Counter[str]] = {}
        for way, kind, answer in faults(injector, options.faults, options.seed):
            ended = {CLOSED: "went on", RAISED: "raised"}.get(answer["ended"], "killed")
            for name in (way.name, kind):
                row = table.setdefault(name, Counter())
                row.update(["injected", "wrong" if answer["problem"] else ended])
            if answer["problem"]:
                print(f"{way.name}, {kind} at call {answer['call']}: {answer}", file=sys.stderr)
        injector.close()
    print("| | injected | went on | raised an error | killed | wrong |\n|---|---|---|---|---|---|")
    for name, row in table.items():
        columns = [row[key] for key in ("injected", "went on", "raised", "killed", "wrong")]
        print(f"| {name} | {' | '.join(map(str, columns))} |")


if __name__ == "__main__":
    main()
