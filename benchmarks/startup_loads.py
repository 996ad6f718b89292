"""A process that has just begun: what the first store, or the command, costs it.

The CPU time is that of the measured process, from its very beginning, as it reports itself:
until the store is open, or until the command has ended.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

from .figures import Figures
from .loads import Load

_SAY: Final = "import time; print('CPU', time.process_time(), flush=True)"
_SCHEMA: Final = """
import pymmcore_ome as po
dims = [po.Dimension(name="t", size=10), *(po.Dimension(name=n, size=64) for n in "yx")]
schema = po.StorageSchema(dimensions=dims, dtype="uint16")
stream = po.open_stream({path!r}, schema)
"""
_FRAME: Final = """
import numpy as np
stream.append(np.zeros((64, 64), "uint16"))
stream.close()
"""
_INFO: Final = """
import atexit, runpy, sys, time
atexit.register(lambda: print("CPU", time.process_time(), flush=True))
sys.argv = ["pymmcore-ome", "info", {path!r}]
runpy.run_module("pymmcore_ome", run_name="__main__", alter_sys=True)
"""
_OME_WRITERS: Final = """
import ome_writers as ow
dims = ow.dims_from_standard_axes({{"t": 10, "y": 64, "x": 64}})
settings = ow.AcquisitionSettings(
    root_path={path!r}, dimensions=dims, dtype="uint16", format="ome-{kind}", overwrite=True
)
stream = ow.create_stream(settings)
"""


def run(load: Load, contender: str, folder: Path) -> Figures:
    """Start processes, one after the other; the first only fills the caches."""
    what, _, kind = contender.partition("-")
    if what == "info":
        _python((_SCHEMA + _FRAME).format(path=str(folder / f"a.ome.{kind}")) + _SAY)
    found = [_python(_code(what, kind, folder, number)) for number in range(load.frames + 1)][1:]
    cpu_s, wall_s = zip(*found, strict=True)
    return Figures(frames=1, cpu_s=median(cpu_s), write_s=median(wall_s))


def _code(what: str, kind: str, folder: Path, number: int) -> str:
    new = str(folder / f"{number}.ome.{kind}")
    if what == "python":
        return _SAY
    if what == "import":
        return f"import pymmcore_ome\n{_SAY}"
    if what == "open":
        return f"{_SCHEMA.format(path=new)}{_SAY}\nstream.close()"
    if what == "closed":
        return f"{_SCHEMA.format(path=new)}{_FRAME}{_SAY}"
    if what == "info":
        return _INFO.format(path=str(folder / f"a.ome.{kind}"))
    return f"{_OME_WRITERS.format(path=new, kind=kind)}{_SAY}\nstream.close()"


def _python(code: str) -> tuple[float, float]:
    """Run a program; return its CPU and wall seconds until it reports them."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        cpu_s = None
        for line in process.stdout:
            if line.startswith("CPU "):
                cpu_s, wall_s = float(line[4:]), time.perf_counter() - began
        error = process.stderr.read()
    if cpu_s is None:
        raise ValueError((error.strip().splitlines() or ["it died"])[-1])
    return cpu_s, wall_s
