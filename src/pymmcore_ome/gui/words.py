"""Numbers as people at a microscope read them: sizes, rates, durations. Pure text."""

from __future__ import annotations

from rich import filesize


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
