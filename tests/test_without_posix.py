"""Every module can be imported, and both formats can be written, without what Windows lacks.

This does not replace tests on Windows: it finds names that exist on POSIX systems only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Standard modules and functions of `os` that Windows does not have.
MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
FUNCTIONS = (
    "chown", "fchmod", "fchown", "fork", "fstatvfs", "getloadavg", "killpg",
    "lchown", "mkfifo", "posix_fadvise", "posix_fallocate", "pread", "preadv", "pwrite", "pwritev",
    "readv", "sched_getaffinity", "sendfile", "setsid", "statvfs", "sync", "writev",
    "O_DIRECTORY", "O_DSYNC", "O_NOFOLLOW", "O_SYNC",
)  # fmt: skip
#: Hides the modules from this package alone: other packages choose by the platform's name.
HIDE = f"""
import builtins, os, shutil, sys
usage = shutil.disk_usage(os.curdir)
shutil.disk_usage = lambda path: usage  # on Windows it needs no os.statvfs
for name in {FUNCTIONS!r}:
    if hasattr(os, name):
        delattr(os, name)
plain = builtins.__import__
def hidden(name, globals=None, *rest, **options):
    importer = (globals or {{}}).get("__name__", "")
    if name in {MODULES!r} and importer.startswith("pymmcore_ome"):
        raise ModuleNotFoundError(f"{{importer}} imports {{name}}, which Windows does not have")
    return plain(name, globals, *rest, **options)
builtins.__import__ = hidden
"""
IMPORT = """
import importlib, pkgutil, pymmcore_ome
names = [info.name for info in pkgutil.walk_packages(pymmcore_ome.__path__, "pymmcore_ome.")]
for name in names:
    if name.endswith("__main__"):
        continue
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        extras = {"napari", "qtpy", "superqt", "ndv", "pymmcore_widgets"}
        if (error.name or "").partition(".")[0] not in extras:
            raise
    except ImportError as error:  # no Qt binding
        if not name.startswith("pymmcore_ome.gui."):
            raise
print(len(names))
"""
WRITE = """
import numpy as np, pymmcore_ome as po
schema = po.StorageSchema(
    dimensions=[po.Dimension(name="t", size=50), po.Dimension(name="p", coords=["a", "b"]),
                po.Dimension(name="y", size=16), po.Dimension(name="x", size=16)],
    dtype="uint16",
)
with po.open_stream(sys.argv[1], schema, **eval(sys.argv[2])) as stream:
    for number in range(100):
        stream.append(np.full((16, 16), number, "uint16"))
assert po.validate(sys.argv[1], pixels=True) == []
assert po.open_dataset(sys.argv[1]).images[1][49].min() == 99
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HIDE + code, *arguments],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_is_imported_without_posix() -> None:
    assert int(run(IMPORT)) > 100


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.ome.zarr", {}),
        ("a.ome.zarr", {"backend": "native", "shards": {"t": 10}}),
        ("a.ome.zarr", {"backend": "tensorstore", "chunks": "auto", "durability": "power"}),
        ("a.ome.zarr", {"backend": "zarr-python"}),
        ("a.ome.tiff", {}),
        ("a.ome.tiff", {"compression": "zstd", "files": "per-position"}),
    ],
)
def test_both_formats_are_written_without_posix(
    tmp_path: Path, name: str, options: dict[str, object]
) -> None:
    run(WRITE, str(tmp_path / name), repr(options))


def test_posix_module_would_be_found(tmp_path: Path) -> None:
    code = "exec('import fcntl', {'__name__': 'pymmcore_ome.disk.lock'})"
    with pytest.raises(AssertionError, match="imports fcntl"):
        run(code)
