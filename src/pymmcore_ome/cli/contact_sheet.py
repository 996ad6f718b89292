"""`write_contact_sheet`: one small picture of a store, positions by channels, as a PNG file.

It shows one frame of each position and channel: the plane nearest to the middle, at the last time
point that was acquired. It writes nothing into the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.dataset import Dataset, Image
from pymmcore_ome.disk import write_whole
from pymmcore_ome.metadata import channel_colors

TILE: Final = 256
GAP: Final = 4
MOST_IMAGES: Final = 8
_BACKGROUND: Final = 40
_RGB: Final = "RGB"


class ContactSheet(NamedTuple):
    """A picture, and what its rows and columns show.

    Attributes
    ----------
    rows : list of str
        Labels of the images, from top to bottom.
    columns : list of str
        Names of the channels, from left to right.
    images : int
        Number of images in the store; only the first `MOST_IMAGES` are shown.
    """

    path: Path
    rows: list[str]
    columns: list[str]
    images: int


def write_contact_sheet(dataset: Dataset, target: Path) -> ContactSheet:
    """Write a contact sheet of a store; replaces an existing file.

    Parameters
    ----------
    dataset : Dataset
        Finished or not. What was not acquired stays dark.
    target : Path
        Of the PNG file.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    shown = dataset.images[:MOST_IMAGES]
    pictures, colors = _pictures(shown, dataset.frames())
    columns = list(colors)
    limits = {name: _limits(pictures, name) for name in columns}
    size = TILE + GAP
    sheet = np.full(
        (len(shown) * size + GAP, len(columns) * size + GAP, 3), _BACKGROUND, dtype=np.uint8
    )
    for (row, name), pixels in pictures.items():
        tile = _colored(pixels, limits[name], colors[name])
        top = row * size + GAP + (TILE - tile.shape[0]) // 2
        left = columns.index(name) * size + GAP + (TILE - tile.shape[1]) // 2
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    write_whole(target, _png(sheet))
    return ContactSheet(target, [i.label or i.name for i in shown], columns, len(dataset.images))


def _pictures(
    images: Sequence[Image], frames: Sequence[Mapping[str, Any]]
) -> tuple[dict[tuple[int, str], NDArray[np.float64]], dict[str, str]]:
    """Return small pictures by row and channel, and each channel's color in order."""
    rows = {image.path: row for row, image in enumerate(images)}
    chosen: dict[tuple[int, str], tuple[int, ...]] = {}
    for frame in frames:
        row = rows.get(frame["image"])
        if row is None:
            continue
        index = tuple(frame["index"])
        key = row, _channel_name(images[row], index)
        if key not in chosen or _rank(images[row], index) > _rank(images[row], chosen[key]):
            chosen[key] = index
    colors: dict[str, str] = {}
    for image in images:
        if image.layout.spec.samples > 1 or not image.channels:
            colors.setdefault(_channel_name(image, ()), "FFFFFF")
            continue
        for channel, color in zip(image.channels, channel_colors(image.channels), strict=True):
            colors.setdefault(channel.name, color)
    small = {key: _small(_frame(images[key[0]], index)) for key, index in chosen.items()}
    return small, colors


def _channel_name(image: Image, index: tuple[int, ...]) -> str:
    if image.layout.spec.samples > 1:
        return _RGB
    if not image.channels:
        return "frames"
    axis = image.layout.spec.channel_axis
    return image.channels[0 if axis is None else index[axis]].name


def _rank(image: Image, index: tuple[int, ...]) -> tuple[float, ...]:
    """Return a key that is largest for the last time point and the plane nearest the middle."""
    sizes = dict(zip(image.axes, image.shape, strict=True))
    at = dict(zip(image.axes, index, strict=False))
    return at.get("t", 0), -abs(at.get("z", 0) - (sizes.get("z", 1) - 1) / 2)


def _frame(image: Image, index: tuple[int, ...]) -> NDArray[Any]:
    """Return a frame: (height, width), or (height, width, 3)."""
    spec = image.layout.spec
    if spec.samples == 1:
        return image[index]
    axis = spec.channel_axis
    assert axis is not None
    samples = [
        image[(*index[:axis], index[axis] + sample, *index[axis + 1 :])]
        for sample in range(spec.samples)
    ]
    return np.stack(samples, axis=-1)


def _small(frame: NDArray[Any]) -> NDArray[np.float64]:
    """Return a frame reduced by a whole number, by means, so that it fits a tile."""
    height, width = frame.shape[:2]
    step = max(1, -(-max(height, width) // TILE))
    height, width = max(height // step, 1), max(width // step, 1)
    cut = frame[: height * step, : width * step].astype(np.float64)
    if step == 1 or cut.shape[0] < step or cut.shape[1] < step:
        return cut[:TILE, :TILE]
    blocks = cut.reshape(height, step, width, step, *cut.shape[2:])
    return blocks.mean(axis=(1, 3))  # type: ignore[no-any-return]


def _limits(
    pictures: Mapping[tuple[int, str], NDArray[np.float64]], name: str
) -> tuple[float, float]:
    """Return the contrast limits of a channel, the same for all positions."""
    values = [pixels.ravel() for (_, channel), pixels in pictures.items() if channel == name]
    if not values:
        return 0.0, 1.0
    low, high = np.nanpercentile(np.concatenate(values), (0.2, 99.8))
    return float(low), float(high) if high > low else float(low) + 1


def _colored(
    pixels: NDArray[np.float64], limits: tuple[float, float], color: str
) -> NDArray[np.uint8]:
    low, high = limits
    scaled = np.nan_to_num(np.clip((pixels - low) / (high - low), 0, 1))
    if scaled.ndim == 2:
        scaled = scaled[..., np.newaxis] * (np.frombuffer(bytes.fromhex(color), np.uint8) / 255)
    return np.rint(scaled * 255).astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from imagecodecs import png_encode  # it takes a while to import

    return bytes(png_encode(pixels))
