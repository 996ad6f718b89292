"""`Picture`: one or more images of a store that are displayed as one plane.

A grid is one picture, and so is a plate; any other image is a picture of its own. Pictures of one
kind are stacked, with a slider. It reads no pixels.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, prod, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.dataset import Dataset, Image
from pymmcore_ome.layout import Layout, halved
from pymmcore_ome.schema import MICROMETERS

from .arrays import ChannelView, LazyArray, Mosaic, Tile

#: A picture with more bytes in one plane of its smallest level is split into its images.
MOST_PLANE_BYTES: Final = 2**30


@dataclass(frozen=True)
class Picture:
    """Images that are displayed as one plane.

    Attributes
    ----------
    name : str
        The user's name of the position, the grid's position, the well, or the plate.
    images : tuple of Image
    offsets : tuple of (row, column)
        The position of the first pixel of each image.
    labels : tuple of (text, (row, column))
        The names of a plate's wells, and where to show them.
    """

    name: str
    images: tuple[Image, ...]
    offsets: tuple[Offset, ...] = ((0, 0),)
    labels: tuple[tuple[str, Offset], ...] = field(default=())

    @property
    def plane(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return plane_of(self.offsets, *self.images[0].shape[-2:])

    @property
    def level_count(self) -> int:
        """Resolution levels that all images have."""
        return min(len(image.levels) for image in self.images)

    @property
    def is_mosaic(self) -> bool:
        """Whether it consists of several images."""
        return len(self.images) > 1

    def array(self, channel: int, samples: int, upward: bool, step: int = 1) -> LazyArray:
        """Return one channel, or three samples, as an array without a channel axis.

        `step` is a power of 2: the level of that size, as far as the images have levels, and
        beyond them every n-th pixel of the smallest.
        """
        level = min(step.bit_length(), self.level_count) - 1
        smaller = [image.levels[level] for image in self.images]
        views = [ChannelView(image, channel, samples, upward) for image in smaller]
        if not self.is_mosaic and step == 1 << level:
            return views[0]
        offsets = [(y >> level, x >> level) for y, x in self.offsets]
        tiles = [Tile(*at, view) for at, view in zip(offsets, views, strict=True)]
        height, width = self.plane
        plane = (halved(height, level), halved(width, level))
        return Mosaic(tiles, plane, step >> level, samples)


def pictures_of(dataset: Dataset) -> list[list[Picture]]:
    """Return the pictures of a dataset, grouped by kind."""
    pictures = [
        picture
        for images in _alike(dataset.images)
        for picture in _pictures_of_alike(dataset, images)
    ]
    groups: dict[Hashable, list[Picture]] = {}
    for picture in pictures:
        plane = None if picture.is_mosaic else picture.plane
        groups.setdefault((_kind(picture.images[0]), plane), []).append(picture)
    return list(groups.values())


def _pictures_of_alike(dataset: Dataset, images: Sequence[Image]) -> list[Picture]:
    if dataset.layout.plate is not None and all(image.layout.well for image in images):
        return _plate_pictures(dataset, images)
    parents: dict[Hashable, list[Image]] = {}
    for image in images:
        parents.setdefault(_parent(dataset.layout, image), []).append(image)
    return [p for tiles in parents.values() for p in _grid_pictures(dataset, tiles)]


def _grid_pictures(dataset: Dataset, tiles: Sequence[Image]) -> list[Picture]:
    """Return one picture of the tiles of a grid, or one for each if they do not form one."""
    offsets = stage_offsets(tiles, pixel_matrix(tiles[0], dataset.acquisition))
    if len(tiles) > 1 and offsets is not None:
        picture = Picture(_common_name(tiles), tuple(tiles), tuple(offsets))
        if _fits(picture):
            return [picture]
    return [Picture(tile.label, (tile,)) for tile in tiles]


def _plate_pictures(dataset: Dataset, images: Sequence[Image]) -> list[Picture]:
    """Return one picture of the plate, or one for each well if that is too large."""
    plate = dataset.schema.plate
    assert plate is not None
    wells: dict[tuple[str, str], list[Image]] = {}
    for image in images:
        wells.setdefault(image.layout.well or ("", ""), []).append(image)
    height, width = images[0].shape[-2:]
    fields = {well: _field_offsets(dataset, found) for well, found in wells.items()}
    planes = [plane_of(offsets, height, width) for offsets in fields.values()]
    gap = max(4, max(height, width) // 16)
    cell = max(h for h, _ in planes) + gap, max(w for _, w in planes) + gap
    rows = [plate.rows.index(row) for row, _ in wells]
    columns = [plate.columns.index(column) for _, column in wells]
    first_row, first_column = min(rows), min(columns)
    shown: list[Image] = []
    offsets: list[Offset] = []
    labels: list[tuple[str, Offset]] = []
    for (well, found), row, column in zip(wells.items(), rows, columns, strict=True):
        y, x = (row - first_row) * cell[0], (column - first_column) * cell[1]
        shown += found
        offsets += [(y + dy, x + dx) for dy, dx in fields[well]]
        labels.append(("".join(well), (y, x)))
    whole = Picture(plate.name or "plate", tuple(shown), tuple(offsets), tuple(labels))
    if _fits(whole):
        return [whole]
    return [
        Picture("".join(well), tuple(found), tuple(fields[well])) for well, found in wells.items()
    ]


def _field_offsets(dataset: Dataset, images: Sequence[Image]) -> list[Offset]:
    """Return the offsets of the fields of a well: as acquired if they adjoin, else in rows."""
    offsets = stage_offsets(images, pixel_matrix(images[0], dataset.acquisition))
    return offsets or row_offsets(len(images), *images[0].shape[-2:])


def _alike(images: Sequence[Image]) -> list[list[Image]]:
    found: dict[Hashable, list[Image]] = {}
    for image in images:
        found.setdefault((_kind(image), image.shape[-2:]), []).append(image)
    return list(found.values())


def _kind(image: Image) -> Hashable:
    """What two images have in common that one array can hold; they may differ in time points."""
    axes = tuple(
        (axis.name, axis.scale, axis.unit, axis.origin, None if axis.name == "t" else size)
        for axis, size in zip(image.layout.axes[:-2], image.shape, strict=False)
    )
    return (
        axes,
        image.layout.axes[-2:],
        tuple(c.name for c in image.channels),
        (
            image.dtype,
            image.layout.spec.samples,
        ),
    )


def _parent(layout: Layout, image: Image) -> Hashable:
    """Which position a tile belongs to; an image that is no tile belongs to itself."""
    number = image.layout.number
    if "g" not in layout.selectors:
        is_tile = image.position.grid_row is not None
        return None if is_tile else number
    if layout.strides is not None:
        index = tuple(
            number // stride % size
            for stride, size in zip(layout.strides, layout.selector_sizes, strict=True)
        )
    else:
        index = next(key for key, value in (layout.numbers or {}).items() if value == number)
    return tuple(value for name, value in zip(layout.selectors, index, strict=True) if name != "g")


def _common_name(tiles: Sequence[Image]) -> str:
    """Return a grid's name from its tiles' ("tissue_0000", "tissue_0001")."""
    name = tiles[0].label.rpartition("_")[0]
    same = name and all(tile.label.rpartition("_")[0] == name for tile in tiles)
    return name if same else tiles[0].label


def _fits(picture: Picture) -> bool:
    height, width = picture.plane
    itemsize = picture.images[0].dtype.itemsize * picture.images[0].layout.spec.samples
    reduced: int = 4 ** (picture.level_count - 1)  # of the smallest level, which is shown first
    return height * width * itemsize <= MOST_PLANE_BYTES * reduced


#: Tiles adjoin if they fill at least this part of the rectangle around them.
_LEAST_FILLED: Final = 0.25

#: Row and column of a first pixel.
Offset = tuple[int, int]


def pixel_matrix(image: Image, acquisition: Mapping[str, Any]) -> NDArray[Any] | None:
    """Return the stage movement, (x, y) in micrometers, of a pixel right and down; None: unknown.

    This is the calibrated pixel size affine of the microscope, which includes mirrored and rotated
    cameras, or else the pixel size, with the axes of the stage parallel to those of the image.
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
            return calibrated  # otherwise, it belongs to another camera
    return np.diag(steps) if all(steps) else None


def stage_offsets(images: Sequence[Image], matrix: NDArray[Any] | None) -> list[Offset] | None:
    """Return the offset of each tile in the picture, from its stage position.

    None if the tiles do not form a picture: a position is unknown, tiles overlap by more than
    half, or are so far apart that most of the picture is empty.
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
    """Return the offsets of images that are arranged in rows, nearly in a square."""
    columns = ceil(sqrt(count))
    return [(number // columns * height, number % columns * width) for number in range(count)]


def plane_of(offsets: Sequence[Offset], height: int, width: int) -> tuple[int, int]:
    """Return the height and width of the picture of some tiles."""
    return max(y for y, _ in offsets) + height, max(x for _, x in offsets) + width


def _overlap(pixels: NDArray[Any], height: int, width: int) -> bool:
    """Whether any two tiles overlap by more than half in both directions."""
    seen: dict[tuple[int, int], list[NDArray[Any]]] = {}
    for place in pixels:  # only neighbors can: compare within cells of half a tile
        cell = (int(place[0]) // max(1, height // 2), int(place[1]) // max(1, width // 2))
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                for other in seen.get((cell[0] + dy, cell[1] + dx), ()):
                    apart = np.abs(place - other)
                    if apart[0] < height / 2 and apart[1] < width / 2:
                        return True
        seen.setdefault(cell, []).append(place)
    return False
