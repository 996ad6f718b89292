"""How many files a program may hold open here. It never changes that."""

from __future__ import annotations

from typing import Final

_WITHOUT_A_LIMIT: Final = 8192  # what the C library of Windows allows


def max_open_files() -> int:
    """Return the number of files that this process may hold open at once."""
    try:
        import resource
    except ImportError:  # Windows
        return _WITHOUT_A_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _WITHOUT_A_LIMIT if soft == resource.RLIM_INFINITY else soft
