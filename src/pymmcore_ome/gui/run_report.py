"""How a saved run ended, in words: a loss is never told as a success. Pure text."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rich import filesize

from pymmcore_ome.stream import Summary


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


def size_text(nbytes: float) -> str:
    """Return bytes in decimal units, such as ``"1.5 GB"``."""
    return filesize.decimal(round(nbytes))


def rate_text(bytes_per_s: float) -> str:
    """Return a rate, such as ``"210.0 MB/s"``."""
    return f"{size_text(bytes_per_s)}/s"


def count_text(count: int, noun: str) -> str:
    """Return a number and its noun, such as ``"1 image"`` or ``"1,200 frames"``.

    Examples
    --------
    >>> count_text(1, "image"), count_text(1200, "frame")
    ('1 image', '1,200 frames')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration_text(seconds: float) -> str:
    """Return a duration with its two largest units.

    Examples
    --------
    >>> [duration_text(s) for s in (0.4, 61, 3700, 90000)]
    ['less than 1 s', '1 min 1 s', '1 h 1 min', '1 d 1 h']
    """
    if seconds < 1:
        return "less than 1 s"
    rest, parts = round(seconds), list[str]()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)
