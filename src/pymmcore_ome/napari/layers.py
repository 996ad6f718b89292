"""A dataset as napari layers: data, keyword arguments, and the kind. It does not import napari.

The channels of a picture are layers in their colors; pictures of one kind are a stack with a
slider ``p``. Only a few planes, for the contrast, are read before napari requests pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from pymmcore_ome.dataset import Dataset, Image
from pymmcore_ome.disk import split_suffix
from pymmcore_ome.layout import Axis
from pymmcore_ome.metadata import (
    KEY,
    axis_origin,
    channel_colors,
    physical_unit,
    pixel_range,
    window_of,
)

from .arrays import LazyArray, Stack
from .pictures import Picture, pictures_of

#: What napari's readers return: data, keyword arguments of the layer, and its kind.
LayerData = tuple[Any, dict[str, Any], str]

_WIDE: Final = 4096  # wider mosaics have smaller levels, so that they are displayed fast
_SCREEN: Final = 2048
_SAMPLES: Final = 3  # pictures that determine the contrast
_TRIES: Final = 4


def layers_of(dataset: Dataset) -> list[LayerData]:
    """Return the layers that show a dataset.

    The arrays are read when napari slices them, in any thread. The first group of pictures is
    visible; others (images with other sizes or axes) are hidden, because all of them start at the
    same corner.
    """
    layers: list[LayerData] = []
    groups = pictures_of(dataset)
    for number, pictures in enumerate(groups):
        name = _store_name(dataset)
        if len(groups) > 1:
            name += f" {pictures[0].name}" + (" …" if len(pictures) > 1 else "")
        for data, how, kind in _group_layers(dataset, pictures, name):
            layers.append((data, {**how, "visible": number == 0}, kind))
    return layers


def _group_layers(dataset: Dataset, pictures: Sequence[Picture], name: str) -> list[LayerData]:
    image = pictures[0].images[0]
    samples = image.layout.spec.samples
    axes = [axis for axis in image.layout.axes if axis.name != "c"]
    z = next((axis for axis in axes if axis.name == "z"), None)
    upward = z is not None and (z.scale or 0) < 0
    stacked = ["p"] if len(pictures) > 1 else []
    how: dict[str, Any] = {
        "axis_labels": (*stacked, *(axis.name for axis in axes)),
        "scale": (*(1.0 for _ in stacked), *(_step(axis) for axis in axes)),
        "units": (*("pixel" for _ in stacked), *(physical_unit(axis) or "pixel" for axis in axes)),
        "translate": (*(0.0 for _ in stacked), *(_start(axis, pictures) for axis in axes)),
        "metadata": {KEY: _notes(dataset, pictures)},
    }
    count = max(1, len(image.channels) // samples)
    colors = channel_colors(image.channels) if image.channels else ["FFFFFF"]
    layers: list[LayerData] = []
    for number in range(count):
        channel = number * samples
        levels = [
            _array([picture.array(channel, samples, upward, step) for picture in pictures])
            for step in _steps(pictures)
        ]
        own = dict(how)
        if image.layout.spec.plane_channels:
            own["name"] = f"{name}: {image.layout.spec.plane_channels[number].name}"
        else:
            own["name"] = name
        own["multiscale"] = len(levels) > 1
        if samples > 1:
            own |= {"rgb": True}
        else:
            own |= {
                "rgb": False,
                "colormap": "gray" if colors[number] == "FFFFFF" else f"#{colors[number]}",
                "contrast_limits": _contrast(dataset, pictures, channel),
                "blending": "additive" if count > 1 else "translucent_no_depth",
            }
        layers.append((levels if len(levels) > 1 else levels[0], own, "image"))
    if any(picture.labels for picture in pictures):
        layers.append(_well_names(pictures[0], name, how))
    return layers


def _array(parts: Sequence[LazyArray]) -> LazyArray:
    return parts[0] if len(parts) == 1 else Stack(parts)


def _steps(pictures: Sequence[Picture]) -> list[int]:
    """Return the reduction of each level: those of the images, and of wide mosaics more."""
    longest = max(max(picture.plane) for picture in pictures)
    steps = [1 << level for level in range(min(picture.level_count for picture in pictures))]
    if longest > _WIDE and any(picture.is_mosaic for picture in pictures):
        while longest / steps[-1] > _SCREEN:
            steps.append(steps[-1] * 2)
    return steps


def _step(axis: Axis) -> float:
    """Return the scale of an axis; z always increases."""
    scale = 1.0 if axis.scale is None else axis.scale
    return abs(scale) if axis.name == "z" else scale


def _start(axis: Axis, pictures: Sequence[Picture]) -> float:
    """Return the start of an axis, on the stage for pictures with one position.

    A stack of several positions, and a plate, have no common position in x and y.
    """
    images = [image for picture in pictures for image in picture.images]
    starts = [_axis_start(image, axis.name) for image in images]
    if len(set(starts)) == 1:
        return starts[0]
    is_place = len(pictures) == 1 and not pictures[0].labels
    if axis.name in ("x", "y"):
        return min(starts) if is_place else 0.0
    return (axis.origin or 0.0) + _lowest(images[0], axis)


def _axis_start(image: Image, name: str) -> float:
    axis = next(axis for axis in image.layout.axes if axis.name == name)
    return axis_origin(image.layout, axis) + _lowest(image, axis)


def _lowest(image: Image, axis: Axis) -> float:
    """Return how far the first displayed plane is below the first plane of the store."""
    if axis.name != "z" or axis.scale is None or axis.scale > 0:
        return 0.0
    return axis.scale * (image.sizes["z"] - 1)


def _contrast(dataset: Dataset, pictures: Sequence[Picture], channel: int) -> tuple[float, float]:
    """Return the range that the store has; else that of a few planes, or of the camera."""
    images = [image for picture in pictures for image in picture.images]
    known = window_of(dataset.record.contrast, images[0].layout.spec, channel)
    if known is not None:
        return known
    chosen = images[:: max(1, len(images) // _SAMPLES)][:_SAMPLES]
    chosen = [image.levels[-1] for image in chosen]
    lows, highs = [], []
    for image in chosen:
        plane = _some_plane(image, channel)
        if plane is not None:
            low, high = np.percentile(plane, (0.1, 99.9))
            lows.append(float(low))
            highs.append(float(high))
    if highs and max(highs) > min(lows):
        return min(lows), max(highs)
    return pixel_range(image.dtype.name, dataset.schema.significant_bits)


def _some_plane(image: Image, channel: int) -> Any:
    """Return a plane near the middle of z that is not blank, or None."""
    sizes = image.sizes
    tries = [(0, 0.5), (0.5, 0.5), (0, 0), (1, 1)][:_TRIES]
    for time, depth in tries:
        where = {"t": time, "z": depth}
        index = tuple(
            channel if axis == "c" else int(where.get(axis, 0) * (sizes[axis] - 1))
            for axis in image.axes[:-2]
        )
        if 0 in image.shape:
            return None
        plane = image[index]
        if plane.any():
            return plane
    return None


def _well_names(picture: Picture, name: str, how: dict[str, Any]) -> LayerData:
    """Return a layer that shows the name of each well at its first pixel."""
    texts = [text for text, _ in picture.labels]
    kept = {key: how[key][-2:] for key in ("scale", "units", "translate", "axis_labels")}
    own = {
        **kept,
        "name": f"{name}: wells",
        "metadata": how["metadata"],
        "features": {"well": texts},
        "text": {"string": "{well}", "anchor": "lower_left", "color": "white", "size": 10},
        "size": 1,
        "face_color": "transparent",
        "border_color": "transparent",
    }
    return np.array([at for _, at in picture.labels], float), own, "points"


def _notes(dataset: Dataset, pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return information for scripts, for ``layer.metadata``."""
    return {
        "path": str(dataset.path),
        "status": dataset.status,
        "names": [picture.name for picture in pictures],
        "positions": [
            [{"path": i.path, **i.position.model_dump(exclude_none=True)} for i in picture.images]
            for picture in pictures
        ],
    }


def _store_name(dataset: Dataset) -> str:
    return split_suffix(dataset.path.name)[0]
