"""`GrowingRouter`: places for frames whose number, images and sizes nobody knows before.

For event-driven acquisition. Every pair of position and tile (and every other axis that is
none of time, channel, z, camera) becomes an image when its first frame comes; its axes grow
as far as indices reach. It makes images in order of first visit and never changes one.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from pymmcore_ome.errors import OutsidePlanError
from pymmcore_ome.schema import Channel, Dimension, ImagePlan, Position, StorageSchema
from pymmcore_ome.schema.names import safe_name

from .address import FrameAddress
from .image import ImageLayout
from .lanes import image_axes
from .layout import Layout
from .naming import UniqueNames, image_name


class GrowingRouter:
    """Maps frames to places, making images as they are needed.

    Parameters
    ----------
    layout : Layout
        Of a schema with ``grows=True``. Its list of images is appended to; one thread at a
        time.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._schema = layout.schema
        self._axes = image_axes(self._schema, self._schema.frame_dimensions)
        self._lanes = {lane.name: lane for lane in self._axes.lanes}
        self._images = layout.images
        self._keys: dict[tuple[tuple[str, int], ...], int] = {}
        self._positions: list[Position] = []
        self._channels: list[dict[int, str]] = []
        self._names = UniqueNames()

    def place(self, at: Mapping[str, int], about: Mapping[str, Any]) -> FrameAddress:
        """Return the place of an index; its image is made when this is its first frame.

        Parameters
        ----------
        at : mapping of str to int
        about : mapping
            The frame's metadata; ``pos_name``, ``x_um``, ``y_um``, ``z_um`` describe a new
            image, ``channel`` an index of the channel axis.

        Raises
        ------
        OutsidePlanError
            When a value is negative or no whole number, or beyond the number of cameras.
        """
        index = [0] * (len(self._axes.axes) - 2)
        selected = []
        for name, given in at.items():
            value, key = _checked(at, name, given), str(name)
            lane = self._lanes.get(key)
            if lane is None:
                selected.append((key, value))
            elif lane.size is not None and value >= lane.size:
                raise OutsidePlanError(
                    f"Frame at {dict(at)}: {key} runs from 0 to {lane.size - 1}."
                )
            else:
                index[lane.axis] += value * lane.step
        selector = tuple(sorted((key, value) for key, value in selected if value))
        number = self._keys.get(selector)
        if number is None:
            number = self._add(dict(selected), about)
            self._keys[selector] = number
        if about.get("channel"):
            self._channels[number].setdefault(int(at.get("c", 0)), str(about["channel"]))
        return FrameAddress(self._images[number].path, tuple(index), number)

    def final_schema(self, shapes: list[tuple[int, ...]]) -> StorageSchema:
        """Return the schema with every image as it came to be, for the store to keep."""
        plans = [
            self._plan(image, shape)
            # an image whose first frame could not be written has no array, and no plan
            for image, shape in zip(self._images, shapes, strict=False)
        ]
        return self._schema.replace(images=tuple(plans))

    def _plan(self, image: ImageLayout, shape: tuple[int, ...]) -> ImagePlan:
        number = image.number
        sizes = dict(zip(image.axis_names, shape, strict=True))
        dims = []
        for dim in self._schema.frame_dimensions:
            size = dim.size
            if size is None:
                size = max(1, -(-sizes[dim.name] // self._lanes[dim.name].step))
            named = self._channels[number] if dim.kind == "channel" else {}
            coords = [Channel(name=named.get(n, f"Channel {n}")) for n in range(size)]
            dims.append(
                Dimension(name=dim.name, coords=coords) if named else dim.replace(size=size)
            )
        selector = next(key for key, value in self._keys.items() if value == number)
        return ImagePlan(at=dict(selector), position=self._positions[number], dimensions=dims)

    def _add(self, selected: dict[str, int], about: Mapping[str, Any]) -> int:
        number = len(self._images)
        text = about.get("pos_name")
        parts = [("p", selected.get("p", 0), Position(name=safe_name(text) if text else None))]
        parts += [(k, v, Position()) for k, v in sorted(selected.items()) if k != "p"]
        name = self._names.claim(image_name(parts)[0])
        position = Position(
            name=name,
            label=text if text and text != name else None,
            **{k: float(about[k]) for k in ("x_um", "y_um") if about.get(k) is not None},
        )
        self._images.append(
            ImageLayout(
                number=number,
                path=name if self.layout.named else str(number),
                name=name,
                label=position.label or name,
                axes=self._axes.axes,
                dtype=self._schema.dtype,
                position=position,
                lanes=self._axes.lanes,
                samples=self._schema.samples,
            )
        )
        self._positions.append(position)
        self._channels.append({})
        return number


def _checked(at: Mapping[str, int], name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if number < 0:
        raise OutsidePlanError(
            f"Frame at {dict(at)}: {name} is {value!r}; an index is a whole number from 0."
        )
    return number
