"""`run_report`: how a run ended, in words, and the words for numbers. Pure text.

Every face uses it, so that the terminal, the panels, and napari report a run alike. A run that
lacks frames is never reported as a success.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from .progress import Summary


class RunReport(NamedTuple):
    """The end of a run, to be shown to a person."""

    level: Literal["success", "warning", "error"]
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.title}: {self.text}"


def run_report(summary: Summary) -> RunReport:
    """Return how a run ended.

    Parameters
    ----------
    summary : Summary
        Of a stream that is closed.
    """
    planned, missing = summary.frames_planned, summary.frames_missing
    number = count_text(summary.frames_written, "frame")
    if summary.frames_before and not summary.frames_added and not missing:
        return RunReport(
            "success",
            "Nothing to acquire",
            f"the store has all {number}, and none was missing: {summary.path}."
            + _other_reasons(summary),
        )
    if planned not in (None, summary.frames_written):
        number = f"{summary.frames_written:,} of {count_text(planned or 0, 'planned frame')}"
    size, duration = size_text(summary.bytes_written), duration_text(summary.duration_s)
    rate = summary.bytes_written / summary.duration_s if summary.duration_s else 0
    if summary.frames_before:
        added = summary.frames_added
        number = f"{added:,} added to the {summary.frames_before:,} from before, {number}"
    facts = f"{number}, {size} in {duration} ({rate_text(rate)}): {summary.path}"
    also = _other_reasons(summary)
    if summary.status == "failed":
        return RunReport("error", "Failed", f"{facts}. Only these frames were saved.{also}")
    if summary.status == "canceled":
        return RunReport(
            "warning", "Canceled; the frames acquired so far are saved", f"{facts}.{also}"
        )
    if missing:
        verb = "is" if missing == 1 else "are"
        return RunReport(
            "warning",
            f"Saved, but {count_text(missing, 'frame')} of {planned:,} {verb} missing",
            f"{facts}. Missing frames read as 0, and all other frames are in their places. Check "
            f"the log for errors of the camera or the stage.{also}",
        )
    if also:
        title = "Saved with warnings: some settings could not be applied"
        return RunReport("warning", title, f"{facts}.{also}")
    return RunReport("success", "Saved", f"{facts}.")


def _other_reasons(summary: Summary) -> str:
    """Return the reasons of a store that `run_report` has no words for, as a sentence."""
    reason = summary.reason or ""
    if summary.status == "canceled" or (summary.status == "complete" and summary.frames_missing):
        reason = reason.partition("; ")[2]  # the first part repeats the title
    return f" {reason[0].upper()}{reason[1:].rstrip('.')}." if reason else ""


def size_text(nbytes: float) -> str:
    """Return bytes in decimal units, such as ``"1.5 GB"``."""
    from rich import filesize

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
    """Return a duration with its two largest units, below 10 s with a decimal.

    Examples
    --------
    >>> [duration_text(s) for s in (0, 0.42, 61, 3700, 90000)]
    ['0 s', '0.4 s', '1 min 1 s', '1 h 1 min', '1 d 1 h']
    """
    if seconds < 9.95:
        return f"{round(seconds, 1):g} s"
    rest, parts = round(seconds), list[str]()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)
