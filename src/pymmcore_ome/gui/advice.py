"""`Advice`: an error in words that tell a person at a microscope what to do. Pure text."""

from __future__ import annotations

import errno
from typing import Final, NamedTuple

from pymmcore_ome.errors import (
    AcquisitionError,
    OptionError,
    PlacementError,
    PymmcoreOmeError,
    SchemaError,
    StalledError,
    StorePathError,
    WriteError,
)
from pymmcore_ome.stream import what_to_do

_FULL: Final = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # no quota on Windows


class Advice(NamedTuple):
    """What happened, in a few words, and all there is to say."""

    title: str
    text: str


_TITLES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (StalledError, "The disk takes nothing any more: the acquisition was stopped"),
    (WriteError, "Frames could not be written: the acquisition was stopped"),
    (StorePathError, "It cannot be saved there"),
    (SchemaError, "This sequence cannot be saved"),
    (OptionError, "It cannot be saved with these settings"),
    (PlacementError, "A frame came that has no place: the acquisition was stopped"),
    (AcquisitionError, "The acquisition cannot be run like this"),
    (PymmcoreOmeError, "The acquisition was stopped"),
    (MemoryError, "Memory is full: the acquisition was stopped"),
)


def advice_on(error: BaseException) -> Advice:
    """Return what to tell of an error, wherever it came from."""
    text = str(error) or repr(error)
    title = next((t for kind, t in _TITLES if isinstance(error, kind)), "")
    if isinstance(error, PymmcoreOmeError):
        if full := _is_disk_full(error):  # says already what to do
            text = f"{full} {text.removesuffix(f' {what_to_do(error)}.')}"
        return Advice(title, text)
    if isinstance(error, MemoryError):
        return Advice(
            title,
            f"{text}. Frames come faster than they are taken from the camera's buffer: use a "
            "faster disk, longer exposures or a smaller ROI, or a larger sequence buffer.",
        )
    if isinstance(error, RuntimeError):
        return Advice(
            "The microscope reported an error",
            f"{text}. Check that the device is switched on and connected, and that a single "
            "image can be snapped; then run again. What was acquired until then is saved.",
        )
    return Advice(
        "Something went wrong that nobody foresaw",
        f"{type(error).__name__}: {text}. What was acquired is saved as far as it came. Please "
        "report this, with the text from the log.",
    )


def _is_disk_full(error: BaseException) -> str:
    """Say that the disk is full, where that is what is behind an error."""
    seen: BaseException | None = error
    while seen is not None:
        is_full = isinstance(seen, OSError) and seen.errno in _FULL
        if is_full or "No space left" in str(seen):
            return "The disk is full: make room, or choose another folder, and run again."
        seen = seen.__cause__ or seen.__context__
    return ""
