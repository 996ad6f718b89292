"""Another ImageDescription for a TIFF that was written before. It touches no pixel."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from pymmcore_ome.disk import write_all

from .tiff_form import IMAGE_DESCRIPTION, TiffForm

_ALIGNMENT: Final = 16


def describe_existing(path: Path, pieces: Iterable[bytes]) -> None:
    """Write another ImageDescription into a TIFF that nobody is writing to.

    As in `TiffFile`, it goes to the end first; then the first page is pointed at it.

    Raises
    ------
    ValueError
        When the file is no TIFF whose first page has an ImageDescription.
    """
    with path.open("r+b", buffering=0) as file:
        form = TiffForm(big=file.read(4) == b"II+\0")
        file.seek(form.first_page_at)
        page_at = int.from_bytes(file.read(form.offset.itemsize), "little")
        file.seek(page_at)
        count = int.from_bytes(file.read(form.count.itemsize), "little")
        tags = np.frombuffer(file.read(count * form.entry.itemsize), form.entry)
        found = np.flatnonzero(tags["code"] == IMAGE_DESCRIPTION)
        if not len(found):
            raise ValueError(f"{path} has no ImageDescription")
        content = b"".join(pieces) + b"\0"
        end = file.seek(0, os.SEEK_END)
        at = file.seek(end + -end % _ALIGNMENT)
        if at + len(content) > form.limit:
            raise OSError("a classic TIFF ends at 4 GiB: there is no room for its description")
        write_all(file, content)
        tag = np.zeros(1, form.entry)
        tag[0] = (IMAGE_DESCRIPTION, 2, len(content), at)
        file.seek(page_at + form.count.itemsize + int(found[0]) * form.entry.itemsize)
        write_all(file, tag.tobytes())
