"""`FrameRouter`: the one place that knows both the acquisition's order and the storage's.

It answers where a frame goes, by its index or by its number in the plan. It keeps no state
about frames and refuses every index outside the plan: nothing wraps, nothing is clipped.
`GrowingRouter` does the same for a store whose images are made as they are needed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pymmcore_ome.errors import OutsidePlanError, PlanFullError, SchemaError
from pymmcore_ome.schema import (
    Camera,
    Channel,
    Dimension,
    ImageSchema,
    Position,
    StorageSchema,
    safe_name,
)

from .array_spec import ArraySpec, AxisStride, FrameAddress, ImageLayout, array_spec
from .layout import ImageMaker, Layout, layout_of
from .naming import image_name, name_of

#: How far a stage may stand from where an even stack has its plane.
_STAGE_STEP_UM: Final = 0.05
_UNEVEN: Final = 0.05


class FoundPlace(NamedTuple):
    """Where the frame of an index goes.

    Attributes
    ----------
    at : dict
        The frame's acquisition index.
    address : FrameAddress | None
        None: in an image that is made when the place is taken.
    spec : ArraySpec
        The array of that image.
    index : tuple of int
        In a store that grows: in storage order, without y and x.
    selected : mapping
        In a store that grows: the part of the acquisition index that selects the image.
    """

    at: dict[str, int]
    address: FrameAddress | None
    spec: ArraySpec
    index: tuple[int, ...] = ()  # type: ignore[assignment]  # hides tuple.index, as FrameAddress
    selected: Mapping[str, int] = {}


class FrameRouter:
    """Maps frames to their places in storage.

    Parameters
    ----------
    schema : StorageSchema or Layout
        What is stored.

    Examples
    --------
    >>> import pymmcore_ome as po
    >>> schema = po.StorageSchema(
    ...     dimensions=[
    ...         po.Dimension(name="t", size=2),
    ...         po.Dimension(name="p", coords=["left", "right"]),
    ...         po.Dimension(name="y", size=4),
    ...         po.Dimension(name="x", size=4),
    ...     ],
    ...     dtype="uint8",
    ... )
    >>> [tuple(address)[:2] for address in po.FrameRouter(schema)]
    [('0', (0,)), ('1', (0,)), ('0', (1,)), ('1', (1,))]
    """

    def __init__(self, schema: StorageSchema | Layout) -> None:
        if not isinstance(schema, (StorageSchema, Layout)):
            raise SchemaError(f"FrameRouter needs a StorageSchema, got {schema!r:.80}.")
        self.layout = schema if isinstance(schema, Layout) else layout_of(schema)
        layout = self.layout
        self._order = layout.order
        self._numbers = layout.numbers
        self._selectors = tuple(
            zip(
                layout.selectors,
                layout.selector_sizes,
                layout.strides or (0,) * len(layout.selectors),
                strict=True,
            )
        )
        self._images = layout.images
        # what `by_index` needs of each image: it is called once a frame
        self._targets = [(i.path, i.spec.rank, i.spec.axis_strides) for i in layout.images]
        self._has_repeats = any(spec.repeats > 1 for spec in layout.specs)

    @property
    def has_repeats(self) -> bool:
        """Whether an index may have several places."""
        return self._has_repeats

    def __len__(self) -> int:
        """Number of planned frames; TypeError for an unbounded plan, as for any iterator."""
        count = self.layout.frame_count
        if count is None:
            raise TypeError("an unbounded plan has no length")
        return count

    def __iter__(self) -> Iterator[FrameAddress]:
        """Yield the address of every frame, in acquisition order; endless when unbounded."""
        return (address for _, address in self.frames())

    def frames(self) -> Iterator[tuple[dict[str, int], FrameAddress]]:
        """Yield the acquisition index and the address of every frame, in acquisition order.

        Raises
        ------
        PlanFullError
            When the schema has no order of frames.
        """
        if self._order is None:
            raise PlanFullError("The schema has no order of frames; place them with at=.")
        if not self._has_repeats:
            yield from ((index, self.by_index(index)) for index in self._order)
            return
        seen: dict[FrameAddress, int] = {}
        for index in self._order:
            address = self.by_index(index)
            if self.repeats(address) > 1:
                repeat = seen[address] = seen.get(address, -1) + 1
                address = self.repeated(address, repeat)
            yield index, address

    def find(self, at: dict[str, int]) -> FoundPlace:
        """Return where the frame of an index goes.

        Raises
        ------
        OutsidePlanError
        """
        address = self.by_index(at)
        return FoundPlace(at, address, self._images[address.image_number].spec)

    def take(self, found: FoundPlace, about: Mapping[str, Any]) -> FrameAddress:
        """Return the address of a place that was found."""
        assert found.address is not None
        return found.address

    def places(self, at: Mapping[str, int]) -> list[FrameAddress]:
        """Return the places of an index: one, or several where the plan repeats it.

        Raises
        ------
        OutsidePlanError
        """
        address = self.by_index(at)
        return [self.repeated(address, number) for number in range(self.repeats(address))]

    def by_index(self, at: Mapping[str, int]) -> FrameAddress:
        """Return the place of an index such as `event.index`; missing axes are 0.

        The first place where the plan repeats the index.

        Raises
        ------
        OutsidePlanError
            When a value is negative, no whole number, or beyond its axis.
        """
        matched = number = 0
        values = []
        for name, size, stride in self._selectors:
            value = 0
            if name in at:
                matched += 1
                value = at[name]
                if type(value) is not int or not 0 <= value < size:
                    value = _checked_index(at, name, size, self._plan)
            number += value * stride
            values.append(value)
        if self._numbers is not None:
            try:
                number = self._numbers[tuple(values)]
            except KeyError:
                raise _outside(at, "no image of the plan has this position", self._plan) from None
        path, rank, strides = self._targets[number]
        index = [0] * rank
        for name, steps, axis, step in strides:
            if name in at:
                matched += 1
                value = at[name]
                if type(value) is not int or value < 0 or (steps is not None and value >= steps):
                    value = _checked_index(at, name, steps, self._plan)
                index[axis] += value * step
        if matched != len(at):
            self._check_unknown(at, strides)
        return FrameAddress(path, tuple(index), number)

    def by_number(self, number: int) -> FrameAddress:
        """Return the place of the frame with this number in the plan, counted from 0.

        The first place where the plan repeats the index; iterate for all.

        Raises
        ------
        PlanFullError
            When the plan has fewer frames.
        """
        return self.by_index(self.index_of(number))

    def index_of(self, number: int) -> dict[str, int]:
        """Return the acquisition index of the frame with this number in the plan."""
        count = self.layout.frame_count
        if self._order is None or number < 0 or (count is not None and number >= count):
            raise PlanFullError(
                f"Frame {number}: the plan has {count} frames in order, counted from 0. Check "
                "the sizes of the schema's dimensions, or place frames with at=."
            )
        return self._order.index_of(number)

    def repeats(self, address: FrameAddress) -> int:
        """Return how many frames may have the index of this place."""
        return self._images[address.image_number].spec.repeats

    def repeated(self, address: FrameAddress, repeat: int) -> FrameAddress:
        """Return the place of a repeat of the index, 0 being the first.

        Raises
        ------
        OutsidePlanError
            When the plan has fewer frames of this index.
        """
        if repeat == 0:
            return address
        if repeat >= self.repeats(address):
            raise OutsidePlanError(
                f"The plan has {self.repeats(address)} frames at {self.layout.name_of(address)}; "
                f"repeat {repeat} is outside of it."
            )
        spec = self._images[address.image_number].spec
        index = list(address.index)
        index[spec.repeat_axis] += repeat * spec.repeat_step
        return address._replace(index=tuple(index))

    def _check_unknown(self, at: Mapping[str, int], strides: Sequence[AxisStride]) -> None:
        """Refuse an axis that the plan does not have, unless its value is 0."""
        names = {name for name, *_ in (*self._selectors, *strides)}
        for key, value in at.items():
            if str(key) not in names and _whole(value) != 0:
                why = f"the plan has no axis {str(key)!r} here, or the value is no whole number"
                raise _outside(at, why, self._plan)
            if str(key) in names and key not in names:
                raise OutsidePlanError(f"Axis names must be text, got {key!r} in {dict(at)}.")

    def _plan(self) -> str:
        if self._numbers is not None:
            return f"{len(self._images)} images of their own sizes"
        strides = self._images[0].spec.axis_strides
        loops = [*((n, s) for n, s, _ in self._selectors), *((n, s) for n, s, *_ in strides)]
        return "{" + ", ".join(f"{n}: {'unbounded' if s is None else s}" for n, s in loops) + "}"


def _whole(value: Any) -> int:
    """Return a whole number as int; anything else as -1, which no axis has."""
    try:
        return operator.index(value)
    except TypeError:
        return -1


def _checked_index(
    at: Mapping[str, int], name: str, size: int | None, plan: Callable[[], str]
) -> int:
    """Return the value of an axis, a whole number from 0 to its size (None: without end).

    Raises
    ------
    OutsidePlanError
    """
    value = _whole(at[name])
    if value < 0:
        raise _outside(at, f"{name} is {at[name]!r}, not a whole number from 0", plan)
    if size is not None and value >= size:
        raise _outside(at, f"{name} runs from 0 to {size - 1}", plan)
    return value


def _outside(at: Mapping[str, int], why: str, plan: Callable[[], str]) -> OutsidePlanError:
    shown = ", ".join(f"{key!s}: {value}" for key, value in at.items())
    return OutsidePlanError(
        f"Frame at {{{shown}}}: {why}. The plan is {plan()}; check event.index, or the schema's "
        "dimensions."
    )


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
        self._cameras, self._loops = _cameras_and_loops(self._schema)
        self._specs = [
            self._spec(number, camera) for number, camera in enumerate(self._cameras)
        ] or [array_spec(self._schema, self._loops)]
        self._images = layout.images
        self._maker = ImageMaker(self._schema, layout.images, layout.named)
        self._numbers: dict[tuple[tuple[str, int], ...], int] = {}
        self._channels: list[dict[int, str]] = []
        self._heights: list[dict[int, float]] = []

    @property
    def has_repeats(self) -> bool:
        """Whether an index may have several places: never, where the store grows."""
        return False

    @property
    def specs(self) -> list[ArraySpec]:
        """The array of an image, one for each camera that differs."""
        return self._specs

    def add_variant(self, camera: Camera) -> int:
        """Know one more camera, or setting of one; return its value of ``cam`` in an index.

        `layout` then has a schema that lists it, and the same images.
        """
        self._schema = self._schema.replace(variants=(*self._schema.variants, camera))
        self.layout = replace(self.layout, schema=self._schema)
        self._cameras, _ = _cameras_and_loops(self._schema)
        number = len(self._cameras) - 1
        self._specs.append(self._spec(number, camera))
        return number

    def _spec(self, number: int, camera: Camera | None) -> ArraySpec:
        own = None if camera is None else number
        return array_spec(self._schema, self._loops, camera=camera, camera_number=own)

    def frames(self) -> Iterator[tuple[dict[str, int], FrameAddress]]:
        """Raise: a store that grows has no plan.

        Raises
        ------
        PlanFullError
        """
        raise PlanFullError("The schema grows and has no order of frames; place them with at=.")

    def find(self, at: dict[str, int]) -> FoundPlace:
        """Return where the frame of an index goes; nothing is made yet.

        Raises
        ------
        OutsidePlanError
            When a value is negative or no whole number, or beyond the number of cameras.
        """
        spec = self._specs[self._camera(at)]
        index = [0] * spec.rank
        selected = dict(at)
        for name, size, axis, step in spec.axis_strides:
            if name in at:
                index[axis] += _checked_index(at, name, size, self._plan) * step
                del selected[name]
        for name in selected:
            selected[name] = _checked_index(at, name, None, self._plan)
        place = tuple(index)
        number = self._numbers.get(_selector(selected))
        address = None
        if number is not None:
            address = FrameAddress(self._images[number].path, place, number)
        return FoundPlace(at, address, spec, place, selected)

    def take(self, found: FoundPlace, about: Mapping[str, Any]) -> FrameAddress:
        """Return the address of a place that was found; its image is made if there is none.

        Parameters
        ----------
        found : FoundPlace
        about : mapping
            The frame's metadata; ``pos_name``, ``x_um``, ``y_um``, ``z_um`` describe a new
            image, ``channel`` an index of the channel axis, ``z_um`` one of the z axis.
        """
        address = found.address
        if address is None:
            image = self._add(found, about)
            address = FrameAddress(image.path, found.index, image.number)
        if about.get("channel"):
            number = int(found.at.get("c", 0))
            self._channels[address.image_number].setdefault(number, str(about["channel"]))
        if about.get("z_um") is not None:
            heights = self._heights[address.image_number]
            heights.setdefault(int(found.at.get("z", 0)), float(about["z_um"]))
        return address

    def places(self, at: Mapping[str, int]) -> list[FrameAddress]:
        """Return nothing: no place is planned."""
        return []

    def final_schema(self, shapes: list[tuple[int, ...]]) -> StorageSchema:
        """Return the schema with every image as it has become, for the store to keep."""
        plans = [
            self._grown(image, shape)
            # an image whose first frame could not be written has no array, and no plan
            for image, shape in zip(self._images, shapes, strict=False)
        ]
        return self._schema.replace(images=tuple(plans))

    def _grown(self, image: ImageLayout, shape: tuple[int, ...]) -> ImageSchema:
        number = image.number
        return grown_plan(
            self._schema,
            at=dict(next(key for key, value in self._numbers.items() if value == number)),
            position=image.position,
            sizes=dict(zip(image.axis_names, shape, strict=True)),
            channels=self._channels[number],
            heights=self._heights[number],
            camera=image.spec.camera,
        )

    def _camera(self, at: Mapping[str, int]) -> int:
        """Return the number of the camera that delivered a frame, where cameras differ."""
        if not self._cameras:
            return 0
        return _checked_index({"cam": 0, **at}, "cam", len(self._cameras), self._plan)

    def _add(self, found: FoundPlace, about: Mapping[str, Any]) -> ImageLayout:
        """Make the image of a place that was found."""
        selected, camera = found.selected, found.spec.camera
        text = about.get("pos_name")
        parts = [("p", selected.get("p", 0), Position(name=safe_name(text) if text else None))]
        parts += [(k, v, Position()) for k, v in sorted(selected.items()) if k not in ("p", "cam")]
        name = stage_name = image_name(parts)[0]
        if camera is not None:
            own = self._cameras[camera]
            assert own is not None
            parts = [("p", 0, Position(name=stage_name)), ("cam", 0, name_of(own))]
            name = image_name(parts)[0]
        name = self._maker.claim(name)
        position = new_position(name if camera is None else stage_name, about)
        image = self._maker.add(found.spec, name, position.label or name, position)
        self._numbers[_selector(selected)] = image.number
        self._channels.append({})
        self._heights.append({})
        return image

    def _plan(self) -> str:
        sizes = dict.fromkeys((n, s) for spec in self._specs for n, s, *_ in spec.axis_strides)
        loops = [("cam", len(self._cameras))] if self._cameras else []
        shown = [f"{n}: {'unbounded' if s is None else s}" for n, s in (*loops, *sizes)]
        return "{" + ", ".join(shown) + "}, and grows with its images"


def all_specs(layout: Layout) -> list[ArraySpec]:
    """Return the arrays of a layout, those of images that are yet to be made included."""
    return GrowingRouter(layout).specs if layout.schema.grows else layout.specs


def grown_plan(
    schema: StorageSchema,
    *,
    at: Mapping[str, int],
    position: Position,
    sizes: Mapping[str, int],
    channels: Mapping[int, str],
    heights: Mapping[int, float] = MappingProxyType({}),
    camera: int | None,
) -> ImageSchema:
    """Return an image of a growing schema as it has become.

    Parameters
    ----------
    schema : StorageSchema
    at, position : of the plan
    sizes : mapping of str to int
        Of its array, by axis.
    channels : mapping of int to str
        Names by number, as far as they are known; cameras and samples left out.
    heights : mapping of int to float
        The z of the planes, in micrometers, by number, as far as they are known.
    camera : int or None
        Number of its camera, where cameras have images of their own.
    """
    cameras, loops = _cameras_and_loops(schema)
    own = None if camera is None else cameras[camera]
    spec = array_spec(schema, loops, camera=own)
    steps = {stride.name: stride.step for stride in spec.axis_strides}
    dims = []
    for dim in loops:
        size = dim.size
        if size is None:
            size = max(1, -(-sizes[dim.name] // steps[dim.name]))
        if dim.name == "z" and dim.scale is None and (step := _step_of(heights, size)):
            dim = dim.replace(scale=step, origin=heights[0] or None, unit="micrometer")
        named = channels if dim.kind == "channel" else {}
        if not named:  # an axis may have millions of places
            dims.append(dim.replace(size=size))
            continue
        coords = [Channel(name=named.get(n, f"Channel {n}")) for n in range(size)]
        dims.append(Dimension(name=dim.name, coords=coords))
    plan = ImageSchema(at=dict(at), position=position, dimensions=dims)
    return plan if own is None else plan.replace(at={**plan.at, "cam": camera}, camera=own)


def _step_of(heights: Mapping[int, float], size: int) -> float | None:
    """Return the distance of the planes of a stack, to the nanometer; None where it is uneven."""
    if size < 2 or any(n not in heights for n in range(size)):
        return None
    step = (heights[size - 1] - heights[0]) / (size - 1)
    slack = max(_STAGE_STEP_UM, abs(step) * _UNEVEN)  # stages are read back, not quite as set
    if any(abs(heights[n] - heights[0] - n * step) > slack for n in range(size)):
        return None
    return round(step, 3) or None


def new_position(name: str, about: Mapping[str, Any]) -> Position:
    """Return the position of a new image, from the metadata of its first frame."""
    text = about.get("pos_name")
    return Position(
        name=name,
        label=text if text and text != name else None,
        **{k: float(about[k]) for k in ("x_um", "y_um") if about.get(k) is not None},
    )


def _cameras_and_loops(
    schema: StorageSchema,
) -> tuple[tuple[Camera | None, ...], list[Dimension]]:
    """Return the cameras that have images of their own, and the loops within an image.

    None: the camera that the schema itself describes, where others were added.
    """
    dims = schema.frame_dimensions
    split = next((d for d in dims if d.kind == "camera" and d.makes_images), None)
    declared: tuple[Camera | None, ...] = () if split is None else split.cameras
    if schema.variants:
        declared = (*(declared or (None,)), *schema.variants)
    return declared, [d for d in dims if d is not split]


def _selector(selected: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((key, value) for key, value in selected.items() if value))
