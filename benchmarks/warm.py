"""`warm_up`: has the system find memory for a measurement before its clock starts.

A virtual machine gives freed memory back to its host within a second, and a write that has to
get it again is ten times slower than the write itself: 0.35 against 4.5 GB/s where the results
were made. Without this the figures are those of the host, not of any contender.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psutil

_PIECE: Final = bytes(4 << 20)
_MORE: Final = 1.5  # of it the host takes some back meanwhile


def warm_up(folder: Path, nbytes: int) -> None:
    """Write so many bytes and some more into a folder, and free them.

    At most half of what the system has free, and of what the disk has.
    """
    free = min(psutil.virtual_memory().available, psutil.disk_usage(str(folder)).free)
    left = int(min(nbytes * _MORE, free / 2))
    path = folder / "warm-up"
    with path.open("wb", buffering=0) as file:
        while left > 0:
            left -= file.write(_PIECE)
        file.truncate(0)  # not deleted: see `rooms`
