"""Readers of the browser, which run in node: a process for each script, for all tests."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

MODULES = "PYMMCORE_OME_NODE"
HOW = (
    "apt-get install nodejs npm; npm install --prefix DIR zarrita@0.7 @zarrita/storage@0.2; "
    f"export {MODULES}=DIR"
)


def is_here(package: str) -> bool:
    """Whether there is a node, and the package."""
    folder = os.environ.get(MODULES)
    return (
        shutil.which("node") is not None
        and folder is not None
        and Path(folder, "node_modules", package).is_dir()
    )


@cache
def started(script: str) -> subprocess.Popen[str]:
    """Return the process of a script next to this file; it ends with this one."""
    copy = Path(os.environ[MODULES], script)
    shutil.copyfile(Path(__file__).with_name(script), copy)
    process = subprocess.Popen(
        ["node", str(copy)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    atexit.register(lambda: process.communicate(timeout=60))
    return process


def ask(script: str, question: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a script."""
    process = started(script)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    assert "error" not in answer, answer
    return answer
