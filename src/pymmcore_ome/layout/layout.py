"""`Layout`: from a schema to images, arrays and axes, and what index leads where.

Pure arithmetic over the schema. It writes nothing, and knows no format beyond the order of
axes; what a format cannot hold is refused by that format's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod
from typing import Final

from pymmcore_ome.schema import (
    Dimension,
    EventOrder,
    ImageSchema,
    Plate,
    Position,
    StorageSchema,
)

from .acquisition_order import FrameOrder, GridOrder, Loop, ReplayOrder
from .array_spec import ArraySpec, FrameAddress, ImageLayout, array_spec, index_name
from .naming import GroupPaths, UniqueNames, combine, image_name, name_of

_NAMING: Final = ("p", "g", "cam")


@dataclass(frozen=True)
class Layout:
    """Where everything of a schema is stored.

    Attributes
    ----------
    schema : StorageSchema
    images : list of ImageLayout
        In order of first visit. It is appended to only where the schema grows.
    selectors : tuple of str
        The axes of an acquisition index that select an image.
    strides : tuple of int | None
        For a loop nest: images that one step of each selector moves on.
    numbers : mapping | None
        Otherwise: from the selectors' values to the image's number.
    order : FrameOrder | None
        The order of acquisition; None: frames are placed by index only.
    named : bool
        An image's path is its name (OME-TIFF), not its group (OME-Zarr).
    """

    schema: StorageSchema
    images: list[ImageLayout]
    selectors: tuple[str, ...]
    selector_sizes: tuple[int, ...]
    strides: tuple[int, ...] | None
    numbers: Mapping[tuple[int, ...], int] | None
    order: FrameOrder | None
    named: bool = False

    @property
    def plate(self) -> Plate | None:
        """The plate, where the images are its fields."""
        return self.schema.plate

    @cached_property
    def frame_count(self) -> int | None:
        """Number of planned frames; None when unbounded."""
        if self.schema.grows:
            return None
        if self.order is not None:
            return self.order.count
        return sum(prod(image.spec.plane_shape()) for image in self.images)

    @property
    def loops(self) -> tuple[Dimension, ...]:
        """The loops of the acquisition, slowest first; empty where it is not a loop nest."""
        if not isinstance(self.order, GridOrder):
            return ()
        return tuple(self.schema.frame_dimensions)

    @property
    def is_single(self) -> bool:
        """Whether the store itself is the one image."""
        return not self.schema.grows and self.plate is None and len(self.images) == 1

    @property
    def specs(self) -> list[ArraySpec]:
        """The arrays that the images share, each once, in order of first visit."""
        return list(dict.fromkeys(image.spec for image in self.images))

    def with_specs(self, change: Callable[[ArraySpec], ArraySpec]) -> Layout:
        """Return a layout of changed arrays; images that share one still do."""
        changed = {spec: change(spec) for spec in self.specs}
        if all(new is old for old, new in changed.items()):
            return self
        return replace(self, images=[image.with_spec(changed[image.spec]) for image in self.images])

    def name_of(self, address: FrameAddress) -> str:
        """Return `frame_name` of an address."""
        return self.frame_name(self.images[address.image_number], address.index)

    def frame_name(self, image: ImageLayout, index: Sequence[int]) -> str:
        """Return what every message calls a frame: ``image 1 (left) t 3 c 0``.

        Its image, where there are several, and its index by axis, in storage order.
        """
        place = index_name(image, index)
        if self.is_single:
            return place or "the only frame"
        return f"image {image.shown_name} {place}".rstrip()


def layout_of(schema: StorageSchema, named: bool = False) -> Layout:
    """Lay a schema out: images in order of first visit, each with its axes."""
    if schema.grows and not schema.images:
        return Layout(schema, [], (), (), None, {}, None, named)
    lay = _layout_of_loops if schema.images is None else _layout_of_plans
    return lay(schema, named)


def _layout_of_loops(schema: StorageSchema, named: bool) -> Layout:
    dims = schema.frame_dimensions
    selecting = [d for d in dims if d.makes_images]
    camera_at = next((n for n, d in enumerate(selecting) if d.kind == "camera"), None)
    cameras = [None] if camera_at is None else selecting[camera_at].cameras
    specs = [
        array_spec(schema, dims, camera=camera, camera_number=None if camera is None else number)
        for number, camera in enumerate(cameras)
    ]
    # names read "position_tile_camera" whichever of them the acquisition visits first
    naming_order = sorted(range(len(selecting)), key=lambda n: _NAMING.index(selecting[n].name))
    places = [n for n in range(len(selecting)) if n != camera_at]
    sizes = [d.size or 0 for d in selecting]
    maker = ImageMaker(schema, [], named, is_single=prod(sizes) == 1)
    for parts in product(*(enumerate(_parts(d)) for d in selecting)):
        name, label = image_name(
            [(selecting[n].name, parts[n][0], parts[n][1]) for n in naming_order]
        )
        spec = specs[0 if camera_at is None else parts[camera_at][0]]
        maker.add(spec, maker.claim(name), label, combine([parts[n][1] for n in places]))
    return Layout(
        schema=schema,
        images=maker.images,
        selectors=tuple(d.name for d in selecting),
        selector_sizes=tuple(sizes),
        strides=tuple(prod(sizes[n + 1 :]) for n in range(len(sizes))),
        numbers=None,
        order=GridOrder(
            [Loop(d.name, d.size) for d in dims],
            next((d.channels for d in dims if d.kind == "channel"), ()),
        ),
        named=named,
    )


def _layout_of_plans(schema: StorageSchema, named: bool) -> Layout:
    plans = schema.images or ()
    selectors = tuple(dict.fromkeys(name for plan in plans for name in plan.at))
    specs: dict[tuple[object, ...], ArraySpec] = {}
    numbers: dict[tuple[int, ...], int] = {}
    maker = ImageMaker(schema, [], named, is_single=len(plans) == 1)
    for number, plan in enumerate(plans):
        camera_number = None if plan.camera is None else plan.at.get("cam")
        array = (plan.dimensions, plan.repeats, plan.camera, camera_number)
        if array not in specs:
            specs[array] = array_spec(schema, *array)
        numbers[tuple(plan.at.get(name, 0) for name in selectors)] = number
        name, label = _plan_name(plan)
        maker.add(specs[array], maker.claim(name), label, plan.position)
    return Layout(
        schema=schema,
        images=maker.images,
        selectors=selectors,
        selector_sizes=tuple(max(p.at.get(name, 0) for p in plans) + 1 for name in selectors),
        strides=None,
        numbers=numbers,
        order=None if schema.order is None else ReplayOrder(schema.order),
        named=named,
    )


def _parts(dim: Dimension) -> Sequence[Position]:
    """Return the positions along a dimension that selects images; of a camera its name alone."""
    return [name_of(camera) for camera in dim.cameras] or dim.positions


def _plan_name(plan: ImageSchema) -> tuple[str, str]:
    parts = [(axis, value, Position()) for axis, value in plan.at.items() if axis != "cam"]
    if plan.position.name:
        parts = [("p", 0, plan.position)]
    if plan.camera is not None and "cam" in plan.at:
        parts.append(("cam", plan.at["cam"], name_of(plan.camera)))
    return image_name(parts)


def chosen_schema(layout: Layout, numbers: Sequence[int]) -> StorageSchema:
    """Return the schema of a store with some of the images of another, each as it was.

    Parameters
    ----------
    layout : Layout
        Of the other store.
    numbers : sequence of int
        Of the images, in rising order.
    """
    schema = layout.schema
    if len(numbers) == len(layout.images):
        return schema
    images = [layout.images[number] for number in numbers]
    if schema.images is not None:
        plans = [schema.images[number] for number in numbers]
        return schema.replace(
            images=[_named(plan, image) for plan, image in zip(plans, images, strict=True)],
            order=_order_of(layout, numbers),
        )
    loops = [dim for dim in schema.frame_dimensions if not dim.makes_images]
    selecting = [dim for dim in schema.frame_dimensions if dim.makes_images]
    plans = []
    for image in images:
        rest, at = image.number, {}
        for name, stride in zip(layout.selectors, layout.strides or (), strict=True):
            at[name], rest = divmod(rest, stride)
        cameras = next((dim.cameras for dim in selecting if dim.kind == "camera"), ())
        plan = ImageSchema(
            at=at,
            position=image.position,
            dimensions=loops,
            camera=cameras[at["cam"]] if cameras else None,
        )
        plans.append(_named(plan, image))
    return schema.replace(dimensions=schema.dimensions[-2:], images=plans)


def _named(plan: ImageSchema, image: ImageLayout) -> ImageSchema:
    """Return the plan of an image whose name does not depend on the other images."""
    name: str | None = image.name
    label: str | None = image.label
    if plan.camera is not None and "cam" in plan.at:
        own = name_of(plan.camera)
        if name == own.name:  # there is one position, without a name
            name = label = None
        else:
            name = image.name.removesuffix(f"_{own.name}")
            label = image.label.removesuffix(f"_{own.label}")
    return plan.replace(position=plan.position.replace(name=name, label=label))


def _order_of(layout: Layout, numbers: Sequence[int]) -> EventOrder | None:
    """Return the part of an order of arrival that goes to some of the images."""
    order = layout.schema.order
    if order is None or layout.numbers is None:
        return None
    at = [order.axes.index(name) if name in order.axes else None for name in layout.selectors]
    wanted = set(numbers)

    def number(row: Sequence[int]) -> int | None:
        key = tuple(0 if n is None else max(0, row[n]) for n in at)
        return layout.numbers.get(key) if layout.numbers is not None else None

    return order.replace(rows=[row for row in order.rows if number(row) in wanted])


class ImageMaker:
    """Makes images in order of first visit, with unique names and the right paths.

    Parameters
    ----------
    schema : StorageSchema
    images : list of ImageLayout
        It is appended to.
    named, is_single : bool
        An image's path is its name; there is one image only, which is the store itself.
    """

    def __init__(
        self,
        schema: StorageSchema,
        images: list[ImageLayout],
        named: bool,
        is_single: bool = False,
    ) -> None:
        self.images = images
        self._names = UniqueNames()
        self._paths = GroupPaths(
            single=is_single and not schema.grows,
            plate=schema.plate is not None and not schema.grows,
            named=named,
        )

    def claim(self, name: str) -> str:
        """Return the name, with a number behind it where another image has it."""
        return self._names.claim(name)

    def add(self, spec: ArraySpec, name: str, label: str, position: Position) -> ImageLayout:
        """Make an image; its name was claimed."""
        path, well, field = self._paths.claim(name, position)
        image = ImageLayout(spec, len(self.images), path, name, label, position, well, field)
        self.images.append(image)
        return image
