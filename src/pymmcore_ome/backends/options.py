"""`BackendOptions`: how pixels are to be stored, beside what the layout says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Files = Literal["one", "per-position"]
FILES: Final[tuple[Files, ...]] = ("one", "per-position")


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What a backend is asked to do.

    Attributes
    ----------
    compression : str | None
        Name, or ``"name:level"``.
    files : ``"one"`` | ``"per-position"``
        One file for all images, or one each. OME-TIFF only.
    bigtiff : bool
        False: classic TIFF, which ends at 4 GiB. OME-TIFF only.
    outlasts_power : bool
        Pixels must outlast a power cut, not only the process.
    """

    compression: str | None = None
    files: Files = "one"
    bigtiff: bool = True
    outlasts_power: bool = False
