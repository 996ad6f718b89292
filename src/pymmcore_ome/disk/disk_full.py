"""A full disk: how to recognize it, and the advice for it."""

from __future__ import annotations

import errno
from typing import Final

#: What operating systems report; Windows has no quota of its own.
_FULL: Final = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def is_disk_full(error: BaseException) -> bool:
    """Whether a full disk or an exhausted quota caused an error, directly or not."""
    cause: BaseException | None = error
    while cause is not None:
        if (isinstance(cause, OSError) and cause.errno in _FULL) or "No space left" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def advice_on_write(error: BaseException) -> str:
    """Return what a user may do about a write that failed, as an imperative without a period."""
    if is_disk_full(error):
        return "Make room on the disk, or choose another, and run again"
    return "Check the disk"
