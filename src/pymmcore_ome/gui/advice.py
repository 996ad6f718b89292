"""`Advice`: an error in words, with what to do at the microscope. Pure text."""

from __future__ import annotations

from typing import Final, NamedTuple

from pymmcore_ome.disk import advice_on_write, is_disk_full
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


class Advice(NamedTuple):
    """A short title and the full text."""

    title: str
    text: str


_TITLES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (StalledError, "The disk has stopped accepting data: the acquisition was stopped"),
    (WriteError, "Frames could not be written: the acquisition was stopped"),
    (StorePathError, "The acquisition cannot be saved there"),
    (SchemaError, "This sequence cannot be saved"),
    (OptionError, "The acquisition cannot be saved with these settings"),
    (PlacementError, "A frame has no place in the plan: the acquisition was stopped"),
    (AcquisitionError, "The acquisition cannot be run like this"),
    (PymmcoreOmeError, "The acquisition was stopped"),
    (MemoryError, "Memory is full: the acquisition was stopped"),
)
_FULL: Final = "The disk is full. Free some space or choose another folder, and run again."


def advice_on(error: BaseException) -> Advice:
    """Return the advice on an error of any origin."""
    text = str(error) or repr(error)
    title = next((t for kind, t in _TITLES if isinstance(error, kind)), "")
    if isinstance(error, PymmcoreOmeError):
        if is_disk_full(error):  # whose text already states what to do
            text = f"{_FULL} {text.removesuffix(f' {advice_on_write(error)}.')}"
        return Advice(title, text)
    if isinstance(error, MemoryError):
        return Advice(
            title,
            f"{text}. The camera delivers frames faster than they are stored. Use a faster disk, "
            "longer exposures, a smaller ROI, or a larger sequence buffer.",
        )
    if isinstance(error, RuntimeError):
        return Advice(
            "The microscope reported an error",
            f"{text}. Check that the device is switched on and connected, and that a single "
            "image can be snapped; then run again. The frames acquired before are saved.",
        )
    return Advice(
        "An unexpected error occurred",
        f"{type(error).__name__}: {text}. The frames acquired before are saved. Please report this "
        "error with the text from the log.",
    )
