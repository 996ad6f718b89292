"""The command as a process, the way a shell or a script runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

PROGRAM: Final = ("-m", "pymmcore_ome")
#: Far longer than anything here takes, so that a test that hangs ends.
_GUARD_S: Final = 120


def command(
    *words: object, cwd: Path, program: Sequence[str] = PROGRAM, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with its output captured as a pipe gets it."""
    env = {**os.environ, "PYTHONUTF8": "1", **environment}
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR"):
        if name not in environment:
            env.pop(name, None)
    return subprocess.run(
        [sys.executable, *program, *map(str, words)], cwd=cwd, env=env, capture_output=True,
        encoding="utf-8", timeout=_GUARD_S, check=False,
    )  # fmt: skip


def interrupted(
    *words: object,
    cwd: Path,
    after: Path,
    times: int = 1,
    program: Sequence[str] = PROGRAM,
) -> tuple[int, str, str]:
    """Start the command, press Ctrl-C once a file has content; return exit code and output.

    Every further Ctrl-C is pressed when the last one was answered: the system forgets signals
    that come while one is waiting.
    """
    on_windows = sys.platform == "win32"
    # Windows sends Ctrl-C to whole consoles only; Ctrl-Break goes to one group
    ctrl_c = signal.CTRL_BREAK_EVENT if on_windows else signal.SIGINT
    out, err = cwd / "stdout.txt", cwd / "stderr.txt"
    with out.open("wb") as out_file, err.open("wb") as err_file:
        process = subprocess.Popen(
            [sys.executable, *program, *map(str, words)],
            cwd=cwd,
            stdout=out_file,
            stderr=err_file,
            env={**os.environ, "PYTHONUTF8": "1"},
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP if on_windows else 0,
        )
    _wait(process, lambda: after.exists() and after.stat().st_size > 0)
    for answered in range(times):
        _wait(process, lambda n=answered: err.read_text().lower().count("canceling") >= n)
        if process.poll() is None:
            process.send_signal(ctrl_c)
    code = process.wait(_GUARD_S)
    return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")


def _wait(process: subprocess.Popen[bytes], is_so: Callable[[], bool]) -> None:
    guard = time.monotonic() + _GUARD_S
    while not is_so() and process.poll() is None:
        assert time.monotonic() < guard, "nothing happened"
        time.sleep(0.02)
