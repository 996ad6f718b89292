"""Whether frames arrive in the order in which they are stored, for backends that need it.

`arrival_of` answers it of a plan, before a file is made; `InOrder` of every frame, as it
comes. They move no frame and reorder none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from pymmcore_ome.errors import OutOfOrderError

from .array_spec import ArraySpec, FrameAddress, index_name
from .layout import Layout
from .order import ReplayOrder
from .router import FrameRouter

_USE: Final = "use the backend tensorstore"


class Arrival(NamedTuple):
    """What a plan says of the order in which frames arrive.

    Attributes
    ----------
    reasons : list of str
        Why the frames of an image do not arrive in storage order; empty when they do.
    open_at_once : int
        Images that are begun and not yet full, at most.
    """

    reasons: list[str]
    open_at_once: int


def arrival_of(layout: Layout) -> Arrival:
    """Tell how the frames of a plan arrive, with every reason why that is not in order.

    A loop nest is judged by arithmetic, an event order by walking it once. Frames that are
    left out (sparse channels) are only holes.
    """
    if layout.schema.grows:
        why = "it takes no plan that grows with its frames: declare the sizes, or " + _USE
        return Arrival([why], 1)
    reasons = list(dict.fromkeys(_axis_reasons(layout)))
    if layout.order is None:
        reasons.append(f"it needs to know when frames come: give the schema an order, or {_USE}")
        return Arrival(reasons, len(layout.images))
    if isinstance(layout.order, ReplayOrder):
        late, open_at_once = _walk(layout)
        return Arrival(reasons + late, open_at_once)
    return Arrival(reasons + _loop_reasons(layout.images[0].spec), _open_at_once(layout))


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
                f"{', '.join(inner)} lies between them: {_USE}"
            )


def _loop_reasons(spec: ArraySpec) -> list[str]:
    within = 0  # how far all faster loops together move
    in_order = True
    for stride in reversed(spec.axis_strides):
        step = stride.step * spec.slice_steps[stride.axis]
        in_order &= stride.size == 1 or step > within
        within += step * ((stride.size or 1) - 1)
    if in_order:
        return []
    come = ", ".join(stride.name for stride in spec.axis_strides if stride.size != 1)
    stored = ", ".join(axis.name for axis in spec.axes[:-2] if axis.size != 1)
    return [
        f"it needs frames in the order in which they are stored, but they come as ({come}) and "
        f"are stored as ({stored}): acquire in the order of storage, or {_USE}"
    ]


def _walk(layout: Layout) -> tuple[list[str], int]:
    in_order = InOrder(layout)
    begun: set[int] = set()
    late: dict[int, str] = {}
    most = 0
    for address in FrameRouter(layout):
        number = address.image_number
        last = in_order.last(number)
        if last is not None and address.index <= last:
            image = layout.images[number]
            late.setdefault(number, f"{layout.name_of(address)} after {index_name(image, last)}")
            continue
        in_order.take(address)
        begun.add(number)
        most = max(most, len(begun))
        if in_order.is_full(number):
            begun.discard(number)
    if not late:
        return [], most
    _, why = min(late.items())
    return [
        "it needs frames in the order in which they are stored, but those of "
        f"{len(late)} of {len(layout.images)} images do not come so, {why} for one: acquire "
        f"in the order of storage, or {_USE}"
    ], most


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


class InOrder:
    """Remembers the last place of every image, and refuses a place at or before it."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._images = layout.images
        self._last: dict[int, tuple[int, ...]] = {}

    def last(self, image: int) -> tuple[int, ...] | None:
        """Return the index that was taken last in an image; None before the first."""
        return self._last.get(image)

    def take(self, address: FrameAddress) -> None:
        """Note that a frame has this place."""
        self._last[address.image_number] = address.index

    def is_full(self, image: int) -> bool:
        """Whether the last place of an image is taken."""
        spec, last = self._images[image].spec, self._last.get(image)
        if last is None or spec.unbounded_axes:
            return False
        ends = zip(last, spec.frame_step, spec.shape, strict=False)
        return all(at + size == end for at, size, end in ends)

    def check(self, address: FrameAddress, shown: str) -> None:
        """Refuse a place that does not come after all places of its image so far.

        Parameters
        ----------
        address : FrameAddress
        shown : str
            What the message calls the frame.

        Raises
        ------
        OutOfOrderError
        """
        last = self._last.get(address.image_number)
        # indices have the length of their image's axes, so that tuples compare as storage does
        if last is not None and address.index <= last:
            raise OutOfOrderError(
                f"{shown}: its place, {self._layout.name_of(address)}, does not come after "
                f"{index_name(self._images[address.image_number], last)}, which is already "
                "written; this backend takes the frames of an image only in the order of "
                "storage. It was not taken, and "
                f"nothing is lost. Acquire in the order of storage, or {_USE}."
            )
