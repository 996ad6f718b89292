"""What is still in memory when a program ends without closing its streams is written down.

It closes streams that nobody closed, as ``"canceled"``; it never hides an error.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401  # registers its own end first, ours goes before it
import logging
import threading
import weakref
from typing import Any

from pymmcore_ome.errors import WriteError

logger = logging.getLogger("pymmcore-ome")
_open_streams: weakref.WeakSet[Any] = weakref.WeakSet()


def close_at_exit(stream: Any) -> None:
    """Close the stream when the program ends, unless it was closed before."""
    _open_streams.add(stream)


def forget(stream: Any) -> None:
    """The stream was closed."""
    _open_streams.discard(stream)


def _close_all() -> None:
    for stream in list(_open_streams):
        try:
            stream.close(status="canceled", reason="the program ended without closing the stream")
        except WriteError as error:
            logger.error("%s", error)


# Earlier than atexit, where it is possible: by then the thread pools of zarr-python and of ours
# take no more work. concurrent.futures itself ends by this way, and those that come later go first.
getattr(threading, "_register_atexit", atexit.register)(_close_all)
