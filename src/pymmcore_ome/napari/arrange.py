"""How images lie beside each other: as tiles where the stage was, or in rows. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, prod, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.dataset import Image
from pymmcore_ome.schema.units import MICROMETERS

#: Tiles adjoin if they fill at least this part of the rectangle around them.
_LEAST_FILLED: Final = 0.25

#: Row and column of a first pixel.
Offset = tuple[int, int]


def pixel_matrix(image: Image, acquisition: Mapping[str, Any]) -> NDArray[Any] | None:
    """Return micrometres of stage, (x, y), a pixel to the right and down; None if not known.

    That is the microscope's pixel size affine where it was calibrated, which knows of mirrored
    and turned cameras; else the pixel size, with the stage's axes along the image's.
    """
    axes = {axis.name: axis for axis in image.layout.axes}
    steps = [
        (axes[name].scale or 0.0) * MICROMETERS[axes[name].unit or "micrometer"] for name in "xy"
    ]
    infos: Any = (acquisition.get("summary") or {}).get("image_infos") or ({},)
    affine = infos[0].get("pixel_size_affine")
    if affine is not None and len(affine) == 6:
        calibrated = np.array(affine, float).reshape(2, 3)[:, :2]
        area = abs(np.linalg.det(calibrated))
        if area > 0 and (not all(steps) or np.isclose(area, abs(prod(steps)), rtol=0.1)):
            return calibrated  # else it is that of another camera
    return np.diag(steps) if all(steps) else None


def stage_offsets(images: Sequence[Image], matrix: NDArray[Any] | None) -> list[Offset] | None:
    """Return where each tile lies in their common picture, by its stage position.

    None where that makes no picture: a place is not known, tiles lie upon each other by
    more than half, or so far apart that most of the picture is empty.
    """
    if matrix is None:
        return None
    height, width = images[0].shape[-2:]
    stage = [(image.position.x_um, image.position.y_um) for image in images]
    if any(x is None or y is None for x, y in stage):
        return None
    pixels = np.linalg.solve(matrix, np.array(stage, float).T).T[:, ::-1]  # rows, columns
    pixels = np.rint(pixels - pixels.min(axis=0)).astype(int)
    if _overlap(pixels, height, width):
        return None
    around = (pixels.max(axis=0) + np.array([height, width])).prod()
    if len(images) * height * width < _LEAST_FILLED * around:
        return None
    return [(int(y), int(x)) for y, x in pixels]


def row_offsets(count: int, height: int, width: int) -> list[Offset]:
    """Return where each of some images lies when they are laid in rows, nearly a square."""
    columns = ceil(sqrt(count))
    return [(number // columns * height, number % columns * width) for number in range(count)]


def plane_of(offsets: Sequence[Offset], height: int, width: int) -> tuple[int, int]:
    """Return the height and width of the picture that tiles make."""
    return max(y for y, _ in offsets) + height, max(x for _, x in offsets) + width


def _overlap(pixels: NDArray[Any], height: int, width: int) -> bool:
    """Whether any two tiles lie upon each other by more than half, both ways."""
    seen: dict[tuple[int, int], list[NDArray[Any]]] = {}
    for place in pixels:  # only neighbours can: look in cells of half a tile
        cell = (int(place[0]) // max(1, height // 2), int(place[1]) // max(1, width // 2))
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                for other in seen.get((cell[0] + dy, cell[1] + dx), ()):
                    apart = np.abs(place - other)
                    if apart[0] < height / 2 and apart[1] < width / 2:
                        return True
        seen.setdefault(cell, []).append(place)
    return False
