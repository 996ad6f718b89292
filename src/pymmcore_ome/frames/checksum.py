"""The checksum of a frame: xxh3, 64 bits, of its pixels as bytes. It proves, it never repairs.

Pixels in C order, (height, width) or (height, width, 3), little-endian, whatever the format,
the compression and the machine.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray


def frame_checksum(frame: NDArray[Any]) -> str:
    """Return the checksum of a frame, 16 hexadecimal digits."""
    if sys.byteorder == "big":
        frame = frame.astype(frame.dtype.newbyteorder("<"))
    return xxhash.xxh3_64_hexdigest(memoryview(np.ascontiguousarray(frame)))  # type: ignore[arg-type]
