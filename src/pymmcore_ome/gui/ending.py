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
    if summary.status == "canceled":
        of = f", of {planned:,} planned frames" if planned is not None else ""
        return Ending("warning", "Canceled: what came is saved", f"{facts}{of}.")
    if missing:
        return Ending(
            "warning",
            f"Saved, but {count_text(missing, 'frame')} of {planned:,} did not come",
            f"{facts}. Their places are empty, all others are where they belong. Look into the "
            "log for why the camera or the stage failed.",
        )
    return Ending("success", "Saved", f"{facts}.")
