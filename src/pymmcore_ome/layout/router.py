"""`FrameRouter`: the one place that knows both the acquisition's order and the storage's.

It answers where a frame goes, by its index or by its number of arrival. It keeps no state
about frames and refuses every index outside the plan: nothing wraps, nothing is clipped.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

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

from .array_spec import ArraySpec, FrameAddress, ImageLayout, array_spec
from .layout import Layout, layout_of
from .naming import UniqueNames, image_name, name_of


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
            raise SchemaError(f"FrameRouter takes a StorageSchema, got {schema!r:.80}.")
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
        self._has_repeats = any(spec.repeats > 1 for spec in layout.specs)

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
            When the schema says what exists, but not in which order it comes.
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

    def by_index(self, at: Mapping[str, int]) -> FrameAddress:
        """Return the place of an index such as `event.index`; missing axes are 0.

        For an index that comes several times, the place of the first.

        Raises
        ------
        OutsidePlanError
            When a value is negative, no whole number, or beyond its axis.
        """
        matched = image = 0
        values = []
        for name, size, stride in self._selectors:
            value = 0
            if name in at:
                matched += 1
                value = at[name]
                if type(value) is not int:
                    value = _whole(value)
                if not 0 <= value < size:
                    raise self._outside(at, name, size)
            image += value * stride
            values.append(value)
        if self._numbers is not None:
            try:
                image = self._numbers[tuple(values)]
            except KeyError:
                raise self._outside(at, None, None) from None
        target = self._images[image]
        spec = target.spec
        index = [0] * (len(spec.axes) - 2)
        for name, loop_size, axis, step in spec.axis_strides:
            if name in at:
                matched += 1
                value = at[name]
                if type(value) is not int:
                    value = _whole(value)
                if value < 0 or (loop_size is not None and value >= loop_size):
                    raise self._outside(at, name, loop_size)
                index[axis] += value * step
        if matched != len(at):
            self._check_unknown(at, image)
        return FrameAddress(target.path, tuple(index), image)

    def by_arrival(self, number: int) -> FrameAddress:
        """Return the place of the frame that arrives as `number`, counted from 0.

        For an index that comes several times, the place of the first; iterate for all.

        Raises
        ------
        PlanFullError
            When the plan has fewer frames.
        """
        return self.by_index(self.index_of(number))

    def index_of(self, number: int) -> dict[str, int]:
        """Return the acquisition index of the frame that arrives as `number`."""
        count = self.layout.frame_count
        if self._order is None or number < 0 or (count is not None and number >= count):
            raise PlanFullError(
                f"Frame {number}: the plan has {count} frames in order, counted from 0. Check "
                "the sizes of the schema's dimensions, or place frames with at=."
            )
        return self._order.index_of(number)

    def repeats(self, address: FrameAddress) -> int:
        """How often the index of this place may come."""
        return self._images[address.image_number].spec.repeats

    def repeated(self, address: FrameAddress, repeat: int) -> FrameAddress:
        """Return the place of a repeat of the index, 0 being the first.

        Raises
        ------
        OutsidePlanError
            When the index comes less often.
        """
        if repeat == 0:
            return address
        if repeat >= self.repeats(address):
            raise OutsidePlanError(
                f"The frame at {self.layout.name_of(address)} comes {self.repeats(address)} times "
                "in the plan; this is one more."
            )
        spec = self._images[address.image_number].spec
        index = list(address.index)
        index[spec.repeat_axis] += repeat * spec.repeat_step
        return address._replace(index=tuple(index))

    def _check_unknown(self, at: Mapping[str, int], image: int) -> None:
        names = {name for name, *_ in (*self._selectors, *self._images[image].spec.axis_strides)}
        for key, value in at.items():
            if str(key) not in names and _whole(value) != 0:
                raise self._outside(at, str(key), None)
            if str(key) in names and key not in names:
                raise OutsidePlanError(f"Axis names must be text, got {key!r} in {dict(at)}.")

    def _outside(
        self, at: Mapping[str, int], axis: str | None, size: int | None
    ) -> OutsidePlanError:
        shown = ", ".join(f"{key!s}: {value}" for key, value in at.items())
        if axis is None:
            why = "no image of the plan has this position"
        elif size is None and not isinstance(at.get(axis), int):
            why = f"{axis} is {at.get(axis)!r}, not a whole number"
        elif size is None:
            why = f"the plan has no axis {axis!r} here, or the value is negative"
        else:
            why = f"{axis} runs from 0 to {size - 1}"
        return OutsidePlanError(
            f"Frame at {{{shown}}}: {why}. The plan is {self._plan()}. Check event.index, or "
            "the schema's dimensions."
        )

    def _plan(self) -> str:
        if self._numbers is not None:
            return f"{len(self._images)} images of their own sizes"
        loops = [
            *((n, s) for n, s, _ in self._selectors),
            *((n, s) for n, s, *_ in self._images[0].spec.axis_strides),
        ]
        return "{" + ", ".join(f"{n}: {'unbounded' if s is None else s}" for n, s in loops) + "}"


def _whole(value: Any) -> int:
    """Return a whole number as int; anything else as -1, which no axis has."""
    try:
        return operator.index(value)
    except TypeError:
        return -1


class Growth(NamedTuple):
    """A place that was found, in an image that there is (`number`) or has yet to be made."""

    number: int | None
    selected: dict[str, int]
    place: tuple[int, ...]
    channel: int
    spec: ArraySpec


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
        self._specs = [
            array_spec(self._schema, loops, camera=camera, camera_number=number)
            for number, camera in enumerate(self._cameras)
        ] or [array_spec(self._schema, loops)]
        self._strides = [
            {stride.name: stride for stride in spec.axis_strides} for spec in self._specs
        ]
        self._images = layout.images
        self._keys: dict[tuple[tuple[str, int], ...], int] = {}
        self._positions: list[Position] = []
        self._channels: list[dict[int, str]] = []
        self._names = UniqueNames()

    @property
    def specs(self) -> list[ArraySpec]:
        """The array of an image, one for each camera that differs."""
        return self._specs

    def find(self, at: Mapping[str, int]) -> Growth:
        """Return where the frame of an index goes; nothing is made yet.

        Raises
        ------
        OutsidePlanError
            When a value is negative or no whole number, or beyond the number of cameras.
        """
        camera = self._camera(at)
        spec, strides = self._specs[camera], self._strides[camera]
        index = [0] * (len(spec.axes) - 2)
        selected = {}
        for name, given in at.items():
            value, key = _checked(at, name, given), str(name)
            stride = strides.get(key)
            if stride is None:
                selected[key] = value
            elif stride.size is not None and value >= stride.size:
                raise OutsidePlanError(
                    f"Frame at {dict(at)}: {key} runs from 0 to {stride.size - 1}."
                )
            else:
                index[stride.axis] += value * stride.step
        number = self._keys.get(_selector(selected))
        return Growth(number, selected, tuple(index), int(at.get("c", 0)), spec)

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

    def _plan(self, image: ImageLayout, shape: tuple[int, ...]) -> ImageSchema:
        number = image.number
        return grown_plan(
            self._schema,
            at=dict(next(key for key, value in self._keys.items() if value == number)),
            position=self._positions[number],
            sizes=dict(zip(image.axis_names, shape, strict=True)),
            channels=self._channels[number],
            camera=image.spec.camera,
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
        path = name if self.layout.named else str(number)
        spec = self._specs[camera or 0]
        self._images.append(ImageLayout(spec, number, path, name, position.label or name, position))
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
) -> ImageSchema:
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
    spec = array_spec(schema, loops, camera=own)
    steps = {stride.name: stride.step for stride in spec.axis_strides}
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
    plan = ImageSchema(at=dict(at), position=position, dimensions=dims)
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
