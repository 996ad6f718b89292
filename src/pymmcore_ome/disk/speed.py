"""How fast a disk writes: `measure_disk` writes a file for a second at most and removes it.

It measures one stream of large blocks, the best case. Memory is made ready first: a virtual
machine returns freed memory to its host, and the write that gets it again is ten times slower.
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
_SYNC_BYTES: Final = 64 << 20
_MAX_BYTES: Final = 512 << 20
_MAX_S: Final = 1.0
_WARM_UP_S: Final = 0.3
_WARM_UP_MARGIN: Final = 1.5  # the host takes some of the memory back in the meantime


def measure_disk(folder: Path, max_s: float = _MAX_S) -> float:
    """Return the bytes a second that a folder's disk writes.

    Writes for some time, up to half a gigabyte or a tenth of the free space, and waits until
    the disk has all of it (fsync): memory is not mistaken for a disk.

    Parameters
    ----------
    folder : Path
        Must exist.
    max_s : float

    Raises
    ------
    OSError
        When the folder cannot be written to, or its disk has less than 40 MiB left.
    """
    max_bytes = min(_MAX_BYTES, shutil.disk_usage(folder).free // 10)
    if max_bytes < _BLOCK_BYTES:
        raise OSError(f"{folder} has less than {10 * _BLOCK_BYTES >> 20} MiB left. Free some space")
    block = os.urandom(_BLOCK_BYTES)  # a file system that compresses gains nothing by it
    warm_up(folder, min(max_bytes, _SYNC_BYTES))
    written = unsynced = 0
    with tempfile.TemporaryFile(dir=folder, prefix=".pymmcore-ome-", buffering=0) as file:
        started = time.perf_counter()
        while written < max_bytes and time.perf_counter() - started < max_s:
            count = file.write(block)
            written += count
            unsynced += count
            if unsynced >= _SYNC_BYTES:  # so that no more is held back than the time allows
                os.fsync(file.fileno())
                unsynced = 0
        os.fsync(file.fileno())
        elapsed_s = time.perf_counter() - started
    return written / max(elapsed_s, 1e-6)


def warm_up(folder: Path, nbytes: int, max_s: float = _WARM_UP_S) -> None:
    """Make the system find memory for so many bytes, by a file that is removed again."""
    import psutil

    free = min(psutil.virtual_memory().available, shutil.disk_usage(folder).free) // 2
    left = min(int(nbytes * _WARM_UP_MARGIN), free)
    piece = bytes(_BLOCK_BYTES)
    until = time.perf_counter() + max_s
    with tempfile.TemporaryFile(dir=folder, prefix=".pymmcore-ome-", buffering=0) as file:
        while left > 0 and time.perf_counter() < until:
            left -= file.write(piece)


class DiskRates:
    """The measured rates, by disk, so that each disk is measured once. Safe in any thread."""

    def __init__(self) -> None:
        self._rates: dict[int, float] = {}
        self._lock = threading.Lock()

    def cached(self, folder: Path) -> float | None:
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
