"""`GrowingRouter`: places for frames whose number, images and sizes nobody knows before.

For event-driven acquisition. Every pair of position and tile (and every other axis that is
none of time, channel, z; cameras where they differ) becomes an image when its first frame
comes; its axes grow as far as indices reach. It makes images in order of first visit and
never changes one.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

from pymmcore_ome.errors import OutsidePlanError
from pymmcore_ome.schema import Camera, Channel, Dimension, ImagePlan, Position, StorageSchema
from pymmcore_ome.schema.names import safe_name

from .address import FrameAddress
from .frame_kind import FrameKind
from .image import ImageLayout
from .lanes import ImageAxes, image_axes
from .layout import Layout
from .naming import UniqueNames, image_name, name_of


class Growth(NamedTuple):
    """A place that was found, in an image that there is (`number`) or has yet to be made."""

    number: int | None
    selected: dict[str, int]
    place: tuple[int, ...]
    channel: int
    kind: FrameKind


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
        self._cameras, loops = _cameras_and_loops(self._schema)
        self._axes = [
            image_axes(self._schema, loops, camera=camera) for camera in self._cameras or (None,)
        ]
        self._lanes = [{lane.name: lane for lane in axes.lanes} for axes in self._axes]
        self._images = layout.images
        self._keys: dict[tuple[tuple[str, int], ...], int] = {}
        self._positions: list[Position] = []
        self._channels: list[dict[int, str]] = []
        self._names = UniqueNames()

    @property
    def axes(self) -> list[ImageAxes]:
        """The axes of an image, one for each camera that differs."""
        return self._axes

    def find(self, at: Mapping[str, int]) -> Growth:
        """Return where the frame of an index goes; nothing is made yet.

        Raises
        ------
        OutsidePlanError
            When a value is negative or no whole number, or beyond the number of cameras.
        """
        camera = self._camera(at)
        axes, lanes = self._axes[camera], self._lanes[camera]
        index = [0] * (len(axes.axes) - 2)
        selected = {}
        for name, given in at.items():
            value, key = _checked(at, name, given), str(name)
            lane = lanes.get(key)
            if lane is None:
                selected[key] = value
            elif lane.size is not None and value >= lane.size:
                raise OutsidePlanError(
                    f"Frame at {dict(at)}: {key} runs from 0 to {lane.size - 1}."
                )
            else:
                index[lane.axis] += value * lane.step
        number = self._keys.get(_selector(selected))
        return Growth(number, selected, tuple(index), int(at.get("c", 0)), axes.kind)

    def address(self, found: Growth) -> FrameAddress | None:
        """Return the address of a place that was found; None: its image has yet to be made."""
        if found.number is None:
            return None
        return FrameAddress(self._images[found.number].path, found.place, found.number)

    def take(self, found: Growth, about: Mapping[str, Any]) -> FrameAddress:
        """Return the address of a place that was found; its image is made if there is none.

        Parameters
        ----------
        found : Growth
        about : mapping
            The frame's metadata; ``pos_name``, ``x_um``, ``y_um``, ``z_um`` describe a new
            image, ``channel`` an index of the channel axis.
        """
        number = found.number
        if number is None:
            number = self._add(found.selected, about)
            self._keys[_selector(found.selected)] = number
        if about.get("channel"):
            self._channels[number].setdefault(found.channel, str(about["channel"]))
        return FrameAddress(self._images[number].path, found.place, number)

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
        return grown_plan(
            self._schema,
            at=dict(next(key for key, value in self._keys.items() if value == number)),
            position=self._positions[number],
            sizes=dict(zip(image.axis_names, shape, strict=True)),
            channels=self._channels[number],
            camera=image.camera,
        )

    def _camera(self, at: Mapping[str, int]) -> int:
        """Return the number of the camera that delivered a frame, where cameras differ."""
        if not self._cameras:
            return 0
        camera = _checked(at, "cam", at.get("cam", 0))
        if camera >= len(self._cameras):
            raise OutsidePlanError(
                f"Frame at {dict(at)}: cam runs from 0 to {len(self._cameras) - 1}."
            )
        return camera

    def _add(self, selected: dict[str, int], about: Mapping[str, Any]) -> int:
        number = len(self._images)
        text = about.get("pos_name")
        parts = [("p", selected.get("p", 0), Position(name=safe_name(text) if text else None))]
        parts += [(k, v, Position()) for k, v in sorted(selected.items()) if k not in ("p", "cam")]
        place = image_name(parts)[0]
        camera = self._camera(selected) if self._cameras else None
        if camera is not None:
            parts = [("p", 0, Position(name=place)), ("cam", 0, name_of(self._cameras[camera]))]
        name = self._names.claim(image_name(parts)[0])
        position = new_position(name if camera is None else place, about)
        axes = self._axes[camera or 0]
        self._images.append(
            ImageLayout(
                number=number,
                path=name if self.layout.named else str(number),
                name=name,
                label=position.label or name,
                axes=axes.axes,
                dtype=axes.kind.dtype,
                position=position,
                lanes=axes.lanes,
                camera=camera,
                significant_bits=axes.kind.significant_bits,
                samples=axes.kind.samples,
            )
        )
        self._positions.append(position)
        self._channels.append({})
        return number


def grown_plan(
    schema: StorageSchema,
    *,
    at: Mapping[str, int],
    position: Position,
    sizes: Mapping[str, int],
    channels: Mapping[int, str],
    camera: int | None,
) -> ImagePlan:
    """Return an image of a growing schema as it came to be.

    Parameters
    ----------
    schema : StorageSchema
    at, position : of the plan
    sizes : mapping of str to int
        Of its array, by axis.
    channels : mapping of int to str
        Names by number, as far as they are known; cameras and samples left out.
    camera : int or None
        Number of its camera, where cameras have images of their own.
    """
    cameras, loops = _cameras_and_loops(schema)
    own = None if camera is None else cameras[camera]
    steps = {lane.name: lane.step for lane in image_axes(schema, loops, camera=own).lanes}
    dims = []
    for dim in loops:
        size = dim.size
        if size is None:
            size = max(1, -(-sizes[dim.name] // steps[dim.name]))
        named = channels if dim.kind == "channel" else {}
        if not named:  # an axis may have millions of places
            dims.append(dim.replace(size=size))
            continue
        coords = [Channel(name=named.get(n, f"Channel {n}")) for n in range(size)]
        dims.append(Dimension(name=dim.name, coords=coords))
    plan = ImagePlan(at=dict(at), position=position, dimensions=dims)
    return plan if own is None else plan.replace(at={**plan.at, "cam": camera}, camera=own)


def new_position(name: str, about: Mapping[str, Any]) -> Position:
    """Return the position of a new image, from the metadata of its first frame."""
    text = about.get("pos_name")
    return Position(
        name=name,
        label=text if text and text != name else None,
        **{k: float(about[k]) for k in ("x_um", "y_um") if about.get(k) is not None},
    )


def _cameras_and_loops(schema: StorageSchema) -> tuple[tuple[Camera, ...], list[Dimension]]:
    """Return the cameras that have images of their own, and the loops within an image."""
    dims = schema.frame_dimensions
    split = next((d for d in dims if d.kind == "camera" and d.makes_images), None)
    return () if split is None else split.cameras, [d for d in dims if d is not split]


def _selector(selected: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((key, value) for key, value in selected.items() if value))


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
