"""How a stream ends: the writer has ended, and the store is told how it went.

It never reports a loss as success, and never loses the first error.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from pymmcore_ome.errors import WriteError
from pymmcore_ome.layout import Placer
from pymmcore_ome.metadata import Status

from .buffer import FrameBuffer
from .failures import finish_error
from .progress import Summary
from .store import Store
from .writer import Writer

logger = logging.getLogger("pymmcore-ome")


def finish(
    store: Store,
    buffer: FrameBuffer,
    writer: Writer,
    placer: Placer,
    status: Status,
    reason: str | None,
    duration_s: float,
) -> Summary:
    """Finish the store; keep what goes wrong as the buffer's error.

    Parameters
    ----------
    store, buffer, writer, placer
        Of the stream.
    status, reason
        How it went, as far as the caller knows.
    duration_s : float
    """
    placed, written = placer.placed, writer.frames_written
    if status != "failed" and written < placed:
        status, reason = "failed", f"{placed - written} of {placed} frames were not written"
        buffer.fail(WriteError(f"{store.path}: {reason}."))
    planned = store.layout.frame_count
    if status == "complete" and planned is not None and placed < planned:
        missing = f"{planned - placed} of {planned} planned frames did not come"
        logger.warning("%s: %s; their places read as 0", store.path, missing)
        reason = f"{missing}; {reason}" if reason else missing
    summary = Summary(
        path=store.path,
        status=status,
        reason=reason,
        frames_planned=planned,
        frames_written=written,
        frames_skipped=placer.skipped,
        bytes_written=writer.bytes_written,
        duration_s=duration_s,
    )
    try:
        store.finish(summary, writer.shapes, placer.growing)
    except Exception as error:  # whatever a backend raises: the one place it is latched
        failure = finish_error(store.path, store.left_behind, error)
        buffer.fail(failure)
        summary = replace(summary, status="failed", reason=str(failure))
    return summary
