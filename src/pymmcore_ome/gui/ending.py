"""How a saved run ended, in words: a loss is never told as a success. Pure text."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pymmcore_ome.stream import Summary

from .words import count_text, duration_text, size_text


class Ending(NamedTuple):
    """What to tell at the end of a run."""

    level: Literal["success", "warning"]
    title: str
    text: str


def ending_of(summary: Summary) -> Ending:
    """Return what to tell of a run that was closed without an error."""
    facts = (
        f"{count_text(summary.frames_written, 'frame')}, {size_text(summary.bytes_written)}, "
        f"in {duration_text(summary.duration_s)}: {summary.path}"
    )
    planned, missing = summary.frames_planned, summary.frames_missing
    also = _also(summary)
    if summary.status == "canceled":
        of = f", of {planned:,} planned frames" if planned is not None else ""
        return Ending("warning", "Canceled: what came is saved", f"{facts}{of}.{also}")
    if missing:
        return Ending(
            "warning",
            f"Saved, but {count_text(missing, 'frame')} of {planned:,} did not come",
            f"{facts}. Their places are empty, all others are where they belong. Look into the "
            f"log for why the camera or the stage failed.{also}",
        )
    if also:
        return Ending("warning", "Saved, but not all as it was asked for", f"{facts}.{also}")
    return Ending("success", "Saved", f"{facts}.")


def _also(summary: Summary) -> str:
    """Return what the store says besides how many frames came, as a sentence."""
    reason = summary.reason or ""
    if summary.status == "canceled" or summary.frames_missing:
        reason = reason.partition("; ")[2]  # the first part is told in other words
    return f" {reason[0].upper()}{reason[1:]}." if reason else ""
