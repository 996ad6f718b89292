"""The command as a process, the way a shell or a script runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from conftest import HANG_S
from helpers import wait_until

PROGRAM: Final = ("-m", "pymmcore_ome")


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
        encoding="utf-8", timeout=HANG_S, check=False,
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

    def answers() -> int:
        return err.read_text(encoding="utf-8", errors="replace").lower().count("canceling")

    with process:
        try:
            wait_until(lambda: after.exists() and after.stat().st_size > 0, process)
            for answered in range(times):
                wait_until(lambda n=answered: answers() >= n or process.poll() is not None)
                process.send_signal(ctrl_c)  # to none, if it has ended
            code = process.wait(HANG_S)
        finally:
            process.kill()
    return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
