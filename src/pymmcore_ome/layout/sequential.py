"""Whether the frames of a plan are acquired in storage order, for backends that need it.

It is answered before a file is made. No frame is moved or reordered; `Placement` checks each
frame as it arrives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from .acquisition_order import ReplayOrder
from .array_spec import ArraySpec, index_name
from .layout import Layout
from .router import FrameRouter

_USE: Final = "use the backend tensorstore"


class OrderProblems(NamedTuple):
    """What keeps a sequential backend from writing a plan.

    Attributes
    ----------
    reasons : list of str
        Why the frames of an image are not acquired in storage order; empty when they are.
    open_at_once : int
        Images that are begun and not yet full, at most.
    """

    reasons: list[str]
    open_at_once: int


def arrival_order(layout: Layout, spec: ArraySpec) -> tuple[int, ...]:
    """Return the axes of an array (y and x left out) in the order of the loops, slowest first.

    It is the order of storage where the loops are in no order of their own, and where the
    slowest axis in storage is not the slowest loop, which no backend can reorder.
    """
    stored = tuple(range(spec.rank))
    if layout.schema.grows or layout.order is None or isinstance(layout.order, ReplayOrder):
        return stored
    if spec.samples > 1:  # the samples of a pixel must be stored next to each other
        return stored
    loops = [stride.axis for stride in spec.axis_strides if stride.size != 1]
    fixed = [axis for axis in stored if axis not in loops]  # of one element: anywhere
    looped = [axis for axis, _ in groupby(loops)]
    if len(set(looped)) < len(looped):  # another loop is between channels and cameras
        return stored
    # an axis of one element stays where it is in storage, before the looped one that follows it
    arrival: list[int] = []
    for axis in looped:
        arrival += [one for one in fixed if one < axis and one not in arrival]
        arrival.append(axis)
    arrival += [one for one in fixed if one not in arrival]
    return tuple(arrival) if arrival[:1] == [0] else stored


def order_problems(layout: Layout, *, reorders: bool = False) -> OrderProblems:
    """Return every reason why the frames of a plan are not acquired in storage order.

    A loop nest is judged by arithmetic, an event order by walking it once. Frames that are
    left out (sparse channels) are only holes.

    Parameters
    ----------
    layout : Layout
    reorders : bool
        The order of the loops (`arrival_order`) is as good as that of storage.
    """
    if layout.schema.grows:
        why = "a plan that grows with its frames has no order: declare the sizes, or " + _USE
        return OrderProblems([why], 1)
    reasons = list(dict.fromkeys(_axis_reasons(layout)))
    if layout.order is None:
        reasons.append(f"the order of frames must be known: give the schema an order, or {_USE}")
        return OrderProblems(reasons, len(layout.images))
    if isinstance(layout.order, ReplayOrder):
        late, open_at_once = _walk(layout)
        return OrderProblems(reasons + late, open_at_once)
    spec = layout.images[0].spec
    order = arrival_order(layout, spec) if reorders else tuple(range(spec.rank))
    return OrderProblems(reasons + _loop_reasons(spec, order), _open_at_once(layout))


def _axis_reasons(layout: Layout) -> Iterator[str]:
    for spec in layout.specs:
        if any(number > 0 for number in spec.unbounded_axes):
            grows = spec.axis_names[spec.unbounded_axes[0]]
            yield (
                f"only the slowest stored axis can be unbounded, which is "
                f"{spec.axis_names[0]!r}, not {grows!r}: give {grows!r} a size, or {_USE}"
            )
        channel = spec.channel_axis
        if spec.samples > 1 and channel is not None and spec.slice_steps[channel] > 1:
            inner = [axis.name for axis in spec.axes[channel + 1 : -2] if axis.size != 1]
            yield (
                f"the red, green and blue of a frame must be stored next to each other, but "
                f"{', '.join(inner)} is between them: {_USE}"
            )


def _loop_reasons(spec: ArraySpec, order: Sequence[int]) -> list[str]:
    steps = slice_steps(spec, order)
    within = 0  # how far all faster loops together move
    in_order = True
    for stride in reversed(spec.axis_strides):
        step = stride.step * steps[stride.axis]
        in_order &= stride.size == 1 or step > within
        within += step * ((stride.size or 1) - 1)
    if in_order:
        return []
    acquired = ", ".join(stride.name for stride in spec.axis_strides if stride.size != 1)
    stored = ", ".join(axis.name for axis in spec.axes[:-2] if axis.size != 1)
    return [
        f"frames must be acquired in the order in which they are stored, but they are acquired as "
        f"({acquired}) and stored as ({stored}): acquire in storage order, or {_USE}"
    ]


def slice_steps(spec: ArraySpec, order: Sequence[int]) -> tuple[int, ...]:
    """Return how many slices one step along each axis moves, the axes being in this order.

    Parameters
    ----------
    spec : ArraySpec
    order : sequence of int
        Numbers of its axes, y and x left out, slowest first.
    """
    steps, step = [0] * spec.rank, 1
    for axis in reversed(order):
        steps[axis] = step
        step *= spec.axes[axis].size or 1
    return tuple(steps)


def _walk(layout: Layout) -> tuple[list[str], int]:
    last: dict[int, tuple[int, ...]] = {}  # index of the last frame of each image
    begun: set[int] = set()
    late: dict[int, str] = {}
    most = 0
    for address in FrameRouter(layout):
        number, image = address.image_number, layout.images[address.image_number]
        # indices have the length of their image's axes, so that tuples compare as storage does
        if number in last and address.index <= last[number]:
            before = index_name(image, last[number])
            late.setdefault(number, f"{layout.name_of(address)} after {before}")
            continue
        last[number] = address.index
        begun.add(number)
        most = max(most, len(begun))
        if _is_last(image.spec, address.index):
            begun.discard(number)
    if not late:
        return [], most
    _, why = min(late.items())
    return [
        "frames must be acquired in the order in which they are stored, but those of "
        f"{len(late)} of {len(layout.images)} images are not, {why} for one: acquire in storage "
        f"order, or {_USE}"
    ], most


def _is_last(spec: ArraySpec, index: tuple[int, ...]) -> bool:
    """Whether no frame of an image is stored behind this one."""
    if spec.unbounded_axes:
        return False
    ends = zip(index, spec.frame_step, spec.shape, strict=False)
    return all(first + step == size for first, step, size in ends)


def _open_at_once(layout: Layout) -> int:
    dims = layout.schema.frame_dimensions
    if any(c.every > 1 or c.plane is not None for d in dims for c in d.channels):
        return len(layout.images)  # holes at its end keep an image from being full
    count, returns = 1, False
    for dim in dims:
        if dim.makes_images:
            count *= (dim.size or 1) if returns else 1
        else:
            returns = returns or dim.size != 1
    return count
