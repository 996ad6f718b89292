"""Whether the pixels on disk match the checksums in the frame table. It only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from numpy.typing import NDArray

from pymmcore_ome.frames import frame_checksum, read_table

from .dataset import Dataset
from .image import Image

_SHOWN: Final = 10


def pixel_problems(dataset: Dataset, end: int | None = None) -> Iterator[str]:
    """Yield every frame of the frame table whose pixels do not match its checksum.

    `end`: the bytes of the table to read.
    """
    images = {image.path: image for image in dataset.images}
    wrong = unchecked = 0
    for row in read_table(dataset.location.table, end=end):
        image = images.get(row["image"])
        if image is None or "checksum" not in row:
            unchecked += 1
            continue
        problem = frame_problem(image, row)
        if problem is not None:
            wrong += 1
            if wrong <= _SHOWN:
                name = dataset.layout.frame_name(image.layout, row["index"])
                yield f"the frame at {name}: {problem}"
    if wrong > _SHOWN:
        yield f"{wrong - _SHOWN} more frames do not match their checksums"
    if unchecked:
        yield f"{unchecked} frames have no checksum, so their pixels cannot be checked"


def frame_problem(image: Image, row: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the pixels of a frame, or None when they match its checksum."""
    try:
        found = frame_checksum(stored_frame(image, row["index"]))
    except Exception as error:  # whatever a damaged chunk or strip makes a library raise
        return f"cannot be read: {error}"
    if found != row["checksum"]:
        return f"checksum mismatch, found {found}, expected {row['checksum']}"
    return None


def stored_frame(image: Image, index: tuple[int, ...]) -> NDArray[Any]:
    """Return a frame as it was appended: (height, width), or (height, width, 3) for RGB."""
    spec = image.layout.spec
    return spec.block_to_frame(image[spec.block_key(index)])
