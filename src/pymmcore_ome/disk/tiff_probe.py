"""The description of a TIFF file (its first page's ImageDescription), and nothing else of it.

Enough to distinguish an OME-TIFF from a photograph, without a TIFF library. TIFF 6.0, section 2;
BigTIFF has wider numbers.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, Final

_STARTS: Final = {
    b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True),
}  # fmt: skip
_IMAGE_DESCRIPTION: Final = 270
_MAX_TAGS: Final = 4096


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does."""
    try:
        with path.open("rb") as file:
            return file.read(4) in _STARTS
    except OSError:
        return False


def read_description(path: Path) -> bytes | None:
    """Return the first page's ImageDescription, ``b""`` without one, None for a damaged TIFF."""
    try:
        with path.open("rb") as file:
            return _description(file)
    except (OSError, struct.error, OverflowError, ValueError):
        return None


def _description(file: BinaryIO) -> bytes | None:
    start = file.read(4)
    if start not in _STARTS:
        return None
    order, big = _STARTS[start]
    count_format, entry_format, offset_format = ("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")
    file.seek(8 if big else 4)
    file.seek(_read(file, order + offset_format)[0])
    (count,) = _read(file, order + count_format)
    for _ in range(min(count, _MAX_TAGS)):
        at = file.tell()
        code, _, size, offset = _read(file, order + entry_format)
        if code == _IMAGE_DESCRIPTION:
            room = struct.calcsize(offset_format)
            data_at = offset if size > room else at + struct.calcsize(entry_format) - room
            if data_at + size > file.seek(0, os.SEEK_END):
                return None  # it would be beyond the end
            file.seek(data_at)
            return file.read(size).rstrip(b"\0")
    return b""


def _read(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
