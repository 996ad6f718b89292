"""How much memory a buffer may take by default."""

from __future__ import annotations

from typing import Final

import psutil

_MAX_BUFFER_BYTES: Final = 1 << 30


def default_buffer_bytes() -> int:
    """Return a quarter of the memory that is free now, at most 1 GiB, in bytes."""
    return int(min(psutil.virtual_memory().available // 4, _MAX_BUFFER_BYTES))
