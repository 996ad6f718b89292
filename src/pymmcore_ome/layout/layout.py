"""`Layout`: from a schema to images, arrays and axes, and what index leads where.

Pure arithmetic over the schema. It writes nothing, and knows no format beyond the order of
axes; what a format cannot hold is refused by that format's own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from pymmcore_ome.schema import ImagePlan, Plate, Position, StorageSchema

from .image import ImageLayout
from .lanes import ImageAxes, image_axes
from .naming import GroupPaths, UniqueNames, combine, image_name
from .order import FrameOrder, GridOrder, Loop, ReplayOrder


@dataclass(frozen=True)
class Layout:
    """Where everything of a schema is stored.

    Attributes
    ----------
    schema : StorageSchema
    images : list of ImageLayout
        In order of first visit. It is appended to where the schema grows, and never else.
    selectors : tuple of str
        The axes of an acquisition index that select an image.
    strides : tuple of int | None
        For a loop nest: images that one step of each selector moves on.
    numbers : mapping | None
        Otherwise: from the selectors' values to the image's number.
    order : FrameOrder | None
        When frames come; None: only by index.
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

    @property
    def frame_count(self) -> int | None:
        """Number of planned frames; None when unbounded."""
        if self.schema.grows:
            return None
        if self.order is not None:
            return self.order.count
        return sum(prod(image.shape[:-2]) // image.samples for image in self.images)

    @property
    def is_single(self) -> bool:
        """Whether the store itself is the one image."""
        return not self.schema.grows and self.plate is None and len(self.images) == 1

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of a frame as it comes: height and width in pixels, and 3 for RGB."""
        plane = self.schema.height, self.schema.width
        return (*plane, 3) if self.schema.rgb else plane


def layout_of(schema: StorageSchema, named: bool = False) -> Layout:
    """Lay a schema out: images in order of first visit, each with its axes."""
    if schema.grows and not schema.images:
        return Layout(schema, [], (), (), None, {}, None, named)
    lay = _layout_of_loops if schema.images is None else _layout_of_plans
    return lay(schema, named)


def _layout_of_loops(schema: StorageSchema, named: bool) -> Layout:
    dims = schema.frame_dimensions
    axes = image_axes(schema, dims)
    positions = [d for d in dims if d.kind == "position"]
    # names read "position_tile" whichever of the two the acquisition visits first
    naming_order = sorted(range(len(positions)), key=lambda n: positions[n].name != "p")
    sizes = [d.size or 0 for d in positions]
    maker = _ImageMaker(schema, prod(sizes), named)
    for parts in product(*(enumerate(d.positions) for d in positions)):
        name, label = image_name(
            [(positions[n].name, parts[n][0], parts[n][1]) for n in naming_order]
        )
        maker.add(axes, name, label, combine([part for _, part in parts]))
    return Layout(
        schema=schema,
        images=maker.images,
        selectors=tuple(d.name for d in positions),
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
    known: dict[tuple[object, ...], ImageAxes] = {}
    numbers: dict[tuple[int, ...], int] = {}
    maker = _ImageMaker(schema, len(plans), named)
    for number, plan in enumerate(plans):
        key = (plan.dimensions, plan.repeats)
        if key not in known:
            known[key] = image_axes(schema, plan.dimensions, plan.repeats)
        numbers[tuple(plan.at.get(name, 0) for name in selectors)] = number
        maker.add(known[key], *_plan_name(plan), plan.position)
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


def _plan_name(plan: ImagePlan) -> tuple[str, str]:
    name = plan.position.name or image_name([(k, v, Position()) for k, v in plan.at.items()])[0]
    return name, plan.position.label or name


class _ImageMaker:
    """Makes images in order of first visit, with unique names and the right paths."""

    def __init__(self, schema: StorageSchema, count: int, named: bool) -> None:
        self.images: list[ImageLayout] = []
        self._dtype, self._samples = schema.dtype, schema.samples
        self._names = UniqueNames()
        single = count == 1 and not schema.grows
        self._paths = GroupPaths(single=single, plate=schema.plate is not None, named=named)

    def add(self, axes: ImageAxes, name: str, label: str, position: Position) -> None:
        unique = self._names.claim(name)
        path, well, field = self._paths.claim(unique, position)
        self.images.append(
            ImageLayout(
                number=len(self.images),
                path=path,
                name=unique,
                label=label,
                axes=axes.axes,
                dtype=self._dtype,
                position=position,
                plane_channels=axes.channels,
                well=well,
                field=field,
                lanes=axes.lanes,
                samples=self._samples,
                repeat_axis=axes.repeat_axis,
                repeat_step=axes.repeat_step,
            )
        )
