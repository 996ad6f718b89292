"""How fast a disk takes data: measured by writing a file, for a second at most.

The file is removed again. It measures one stream of large blocks, the best case.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

_BLOCK_BYTES: Final = 4 << 20
_MOST_BYTES: Final = 128 << 20
_MOST_S: Final = 1.0


def measure_disk(folder: Path, most_bytes: int = _MOST_BYTES, most_s: float = _MOST_S) -> float:
    """Return the bytes a second that a folder's disk took.

    Writes until a number of bytes or seconds is reached, and waits until that is down
    (fsync), so that memory is not taken for a disk. Uses a tenth of what is free at most.

    Parameters
    ----------
    folder : Path
        Must exist.
    most_bytes : int
    most_s : float

    Raises
    ------
    OSError
        When the folder cannot be written to.
    """
    most_bytes = min(most_bytes, shutil.disk_usage(folder).free // 10)
    block = os.urandom(_BLOCK_BYTES)  # a file system that compresses gains nothing by it
    written = 0
    with tempfile.TemporaryFile(dir=folder, prefix=".pymmcore-ome-", buffering=0) as file:
        began = time.monotonic()
        while written < most_bytes and time.monotonic() - began < most_s:
            written += file.write(block)
        os.fsync(file.fileno())
        elapsed_s = time.monotonic() - began
    return written / max(elapsed_s, 1e-6)


class DiskRates:
    """What was measured of which disk, so that each is measured once. Safe in any thread."""

    def __init__(self) -> None:
        self._rates: dict[int, float] = {}
        self._lock = threading.Lock()

    def known(self, folder: Path) -> float | None:
        """Return the bytes a second of a folder's disk, or None when it was not measured."""
        try:
            disk = folder.expanduser().stat().st_dev
        except OSError:
            return None
        with self._lock:
            return self._rates.get(disk)

    def measure(self, folder: Path) -> float:
        """Measure a folder's disk, and remember it.

        Raises
        ------
        OSError
            As `measure_disk`.
        """
        rate = measure_disk(folder)
        with self._lock:
            self._rates[folder.stat().st_dev] = rate
        return rate
