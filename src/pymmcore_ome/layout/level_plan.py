"""`LevelPlan`: how many resolution levels an image has, and the array of each. Pure arithmetic.

Level 0 is the full resolution. Each further level halves y and x of the one before: ``ceil(n / 2)``
pixels, so that an odd edge repeats its last row or column. t, c and z are never halved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self, get_args

from pymmcore_ome.schema import Dimension

from .array_spec import ArraySpec, Axis, ImageLayout
from .chunking import default_shard_shape

Downsample = Literal["mean", "nearest"]
LevelCount = int | Literal["auto"]

#: Levels at most, the full resolution included.
MOST_LEVELS: Final = 8
#: ``"auto"`` halves until the longer side has at most so many pixels.
SMALLEST_SIDE: Final = 256


@dataclass(frozen=True)
class LevelPlan:
    """The resolution levels of a store, as requested.

    Attributes
    ----------
    count : int or ``"auto"``
        Levels of every image, the full resolution included. ``"auto"``: of each image as many as
        reduce its longer side to 256 pixels, at most 8.
    downsample : ``"mean"`` | ``"nearest"``
        A pixel of a level is the mean of 2 x 2 pixels of the level before, halves rounded up, or
        the first of them.
    has_shards : bool
        Small levels are written into shards also where the full resolution has none.
    """

    count: LevelCount
    downsample: Downsample = "mean"
    has_shards: bool = True

    def count_of(self, spec: ArraySpec) -> int:
        """Return the levels of an image, the full resolution included."""
        if self.count != "auto":
            return self.count
        longer, count = max(spec.shape[-2:]), 1
        while longer > SMALLEST_SIDE and count < MOST_LEVELS:
            longer, count = halved(longer), count + 1
        return count

    def problem(self, spec: ArraySpec) -> str | None:
        """Return why an image cannot have so many levels, or None when it can."""
        longer = max(spec.shape[-2:])
        if longer >= 2 ** (self.count_of(spec) - 1):
            return None
        height, width = spec.shape[-2:]
        return (
            f"{self.count} levels would halve images of {width} x {height} pixels below one pixel; "
            f"they can have {longer.bit_length()}, or levels='auto'"
        )

    def level(self, image: ImageLayout, level: int, loops: Sequence[Dimension] = ()) -> ImageLayout:
        """Return a level of an image as an image; see `level_spec`."""
        return image.with_spec(self.level_spec(image.spec, level, loops)) if level else image

    def level_spec(self, spec: ArraySpec, level: int, loops: Sequence[Dimension] = ()) -> ArraySpec:
        """Return the array of a level.

        Its pixels are 2**level times as large. Where they are means, the center of the first one
        is half a pixel of the level, less half a pixel of the image, from the origin. Chunks
        of y and x keep their size, a chunk has one frame, and a shard has as many frames as one
        of the full resolution.

        Parameters
        ----------
        spec : ArraySpec
            Of the full resolution.
        level : int
        loops : sequence of Dimension
            As `default_shard_shape`, for an image without shards.
        """
        chunks = spec.chunk_shape
        axes = []
        for number, (axis, chunk) in enumerate(zip(spec.axes, chunks, strict=True)):
            if number >= spec.rank:
                axes.append(self._level_axis(axis, chunk, level))
            elif spec.frame_step[number] % chunk:
                axes.append(replace(axis, chunk_size=None))
            else:
                axes.append(axis)
        smaller = replace(spec, axes=tuple(axes))
        if smaller.shard_shape is None and self.has_shards:
            shards = default_shard_shape(smaller, loops)
            if shards is not None:
                with_shards = zip(axes, shards, strict=True)
                axes = [replace(axis, shard_size=shard) for axis, shard in with_shards]
                smaller = replace(spec, axes=tuple(axes))
        return smaller

    def _level_axis(self, axis: Axis, chunk: int, level: int) -> Axis:
        """Return y or x of a level."""
        pixel = 1.0 if axis.scale is None else axis.scale
        shift = (2**level - 1) / 2 * pixel if self.downsample == "mean" else 0.0
        size = halved(axis.size or 1, level)
        smaller_chunk = min(chunk, size)
        shard = axis.shard_size
        if shard is not None:
            shard = min(shard, -(-size // smaller_chunk) * smaller_chunk)
        return replace(
            axis,
            size=size,
            scale=pixel * 2**level,
            origin=(axis.origin or 0.0) + shift,
            chunk_size=smaller_chunk if axis.chunk_size else None,
            shard_size=shard,
        )

    def to_record(self, *, is_complete: bool) -> dict[str, Any]:
        """Return the plan as the store record has it."""
        return {
            "count": self.count,
            "downsample": self.downsample,
            "shards": self.has_shards,
            "state": "complete" if is_complete else "planned",
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any] | None) -> Self | None:
        """Read back what `to_record` returned; None when there are no levels, or it is damaged."""
        if record is None:
            return None
        count: Any = record.get("count")
        downsample: Any = record.get("downsample")
        if not is_level_count(count) or count == 1 or downsample not in get_args(Downsample):
            return None
        return cls(count, downsample, bool(record.get("shards", True)))


def halved(size: int, level: int = 1) -> int:
    """Return the pixels of an axis at a level: ``ceil(n / 2)``, so many times."""
    return -(-size >> level)


def level_shape(shape: Sequence[int], level: int) -> tuple[int, ...]:
    """Return the shape of a level of an array of this shape, which ends in y and x."""
    return (*shape[:-2], *(halved(size, level) for size in shape[-2:]))


def is_level_count(value: Any) -> bool:
    """Whether a value is a number of levels that can be asked for, or ``"auto"``."""
    if type(value) is int:
        return 1 <= value <= MOST_LEVELS
    return isinstance(value, str) and value == "auto"
