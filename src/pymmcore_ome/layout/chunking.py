"""Chunk and shard sizes: as the user names them, or ``"auto"``. Pure arithmetic.

It refuses sizes that cannot be. It chooses shards only for backends that write a frame into
its shard at once: elsewhere they cost memory while they are filled, which is for the user to
weigh.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil, prod
from typing import Final, Literal

import numpy as np

from pymmcore_ome.errors import OptionError
from pymmcore_ome.schema import Dimension, StorageSchema

from .array_spec import ArraySpec, AxisStride
from .layout import Layout

Chunks = Mapping[str, int] | Literal["auto"] | None
Shards = Mapping[str, int] | Literal[False] | None

#: What ``"auto"`` aims at: smaller chunks cost more in files and requests than in bytes.
LEAST_CHUNK_BYTES: Final = 4 << 20
_UNKNOWN_STEPS: Final = 4  # of an axis whose length nobody knows


#: What a shard has at most where nobody chose: more would save few files.
_SHARD_FRAMES: Final = 1024
_SHARD_BYTES: Final = 1 << 30
_SHARD_CHUNKS: Final = 1 << 14  # 256 KiB of index


def with_chunks(layout: Layout, chunks: Chunks, shards: Shards) -> Layout:
    """Return the layout with other chunk and shard sizes, in elements by axis name.

    Parameters
    ----------
    layout : Layout
    chunks : mapping of axis name to elements, ``"auto"``, or None
        Where an axis is not named, the schema's chunk size, else one frame. ``"auto"``: as
        `auto_chunk_shape`.
    shards : mapping of axis name to elements, False, or None
        Where an axis is not named, the schema's shard size. False: no shards.

    Raises
    ------
    OptionError
        On an axis that no image has, or a shard that is no multiple of its chunk.
    """
    if isinstance(chunks, str) and chunks != "auto":
        raise OptionError(f"chunks must be 'auto' or sizes by axis name, got {chunks!r:.80}.")
    sizes = _sizes("chunks", None if chunks == "auto" else chunks)
    has_shards = shards is not False
    shards = _sizes("shards", None if shards is False else shards)
    axis_names = dict.fromkeys(name for spec in layout.specs for name in spec.axis_names)
    if layout.schema.grows and layout.schema.images is None and (sizes or shards):
        raise OptionError(
            "chunks and shards cannot be chosen where the number of events is not known."
        )
    for name, size in (*sizes.items(), *shards.items()):
        if name not in axis_names:
            raise OptionError(
                f"chunks or shards name axis {name!r}; the axes are {', '.join(axis_names)}."
            )
        if size < 1:
            raise OptionError(f"Axis {name!r}: chunks and shards have at least 1 element.")
    loops = layout.loops

    def chunked(spec: ArraySpec) -> ArraySpec:
        chosen = _chosen(spec if has_shards else _without_shards(spec), sizes, shards)
        if chunks == "auto":
            shape = auto_chunk_shape(chosen, loops)[:-2]  # y and x stay as they are
            chosen = _chosen(chosen, dict(zip(spec.axis_names, shape, strict=False)), {})
        _check_shards(chosen)
        return spec if chosen.axes == spec.axes else chosen

    return layout.with_specs(chunked)


def with_default_shards(layout: Layout, most_bytes: int | None = None) -> Layout:
    """Return the layout with shards for every image that has none; see `default_shard_shape`.

    Images that are not known yet get theirs by `schema_with_default_shards`.
    """
    loops = layout.loops

    def sharded(spec: ArraySpec) -> ArraySpec:
        if spec.shard_shape is not None or spec.gathered_axes:
            return spec
        shape = default_shard_shape(spec, loops, most_bytes)
        if shape is None:
            return spec
        return _chosen(spec, {}, dict(zip(spec.axis_names, shape, strict=True)))

    return layout.with_specs(sharded)


def default_shard_shape(
    spec: ArraySpec, loops: Sequence[Dimension], most_bytes: int | None = None
) -> tuple[int, ...] | None:
    """Return the shape of shards of whole frames, along the fastest axes.

    At most 1,024 frames and 1 GiB (or `most_bytes`), and no more than the image has; an axis that
    is cut is cut into shards that are about alike. For a backend that writes frames into shards one
    by one.

    Parameters
    ----------
    spec : ArraySpec
    loops : sequence of Dimension
        The acquisition's loops, slowest first; empty where its order is not a loop nest.

    Returns
    -------
    tuple of int or None
        In storage order, y and x included; None where a shard would be a single chunk.
    """
    plane = [
        ceil(size / chunk) * chunk
        for size, chunk in zip(spec.shape[-2:], spec.chunk_shape[-2:], strict=True)
    ]
    frame_chunks = prod((*spec.frame_step, *plane)) // prod(spec.chunk_shape)
    room = min(
        _SHARD_FRAMES,
        (most_bytes or _SHARD_BYTES) // spec.nbytes,
        _SHARD_CHUNKS // frame_chunks,
    )
    counts = [1] * len(spec.frame_step)
    for axis in _fastest_axes(spec, loops):
        if spec.axes[axis].size is None:
            count = max(1, room)
        else:
            planes = spec.plane_shape()[axis]
            count = ceil(planes / ceil(planes / max(1, room)))
        counts[axis] = count
        room //= count
        if count < (spec.plane_shape()[axis] or count + 1):
            break
    if prod(counts) * frame_chunks == 1:
        return None
    leading = (count * step for count, step in zip(counts, spec.frame_step, strict=True))
    return (*leading, *plane)


def schema_with_default_shards(schema: StorageSchema) -> StorageSchema:
    """Return the schema of images that are not known yet, whose axes then have shards.

    The lengths of the axes are unknown: shards are long in time, and hold a few elements of the
    others. A place without a frame costs 32 bytes.
    """
    if any(dim.chunk_size or dim.shard_size for dim in schema.dimensions):
        return schema
    *loops, y, x = schema.dimensions
    growing = [dim.name for dim in loops if not dim.makes_images and dim.kind != "camera"]
    if not growing:
        return schema
    pixels = (y.size or 1) * (x.size or 1) * schema.samples
    nbytes = pixels * np.dtype(schema.dtype).itemsize
    room = max(1, min(_SHARD_FRAMES, _SHARD_BYTES // nbytes))
    sizes = dict.fromkeys(growing, _UNKNOWN_STEPS if room == _SHARD_FRAMES else 1)
    longest = "t" if "t" in sizes else growing[0]
    sizes[longest] = max(1, room // prod(n for name, n in sizes.items() if name != longest))
    dims = [
        dim.replace(shard_size=sizes[dim.name] * (schema.samples if dim.kind == "channel" else 1))
        if dim.name in sizes
        else dim
        for dim in loops
    ]
    return schema.replace(dimensions=(*dims, y, x))


def _fastest_axes(spec: ArraySpec, loops: Sequence[Dimension]) -> list[int]:
    """Return the axes but y and x, the one that the acquisition runs through fastest first."""
    strides = {stride.name: stride.axis for stride in spec.axis_strides}
    by_loop = [strides[loop.name] for loop in reversed(loops) if loop.name in strides]
    return list(dict.fromkeys((*by_loop, *reversed(range(len(spec.frame_step))))))


def auto_chunk_shape(
    spec: ArraySpec, loops: Sequence[Dimension], least_bytes: int = LEAST_CHUNK_BYTES
) -> tuple[int, ...]:
    """Return the shape of chunks of whole frames that are acquired directly after each other.

    Loops are added from the fastest outwards, each as a whole until a part of one is enough,
    as long as the frames of the chunk are a box of the array. A loop over positions ends it:
    frames of other images are acquired in between. A chunk size that the schema declares stays.
    A frame of at least half of `least_bytes` is a chunk of its own: to gather two would cost a
    copy, and save one file in two.

    Parameters
    ----------
    spec : ArraySpec
    loops : sequence of Dimension
        The acquisition's loops, slowest first; empty where its order is not a loop nest.
    least_bytes : int
        Chunks are the smallest that reach this, or the largest that these rules allow.

    Returns
    -------
    tuple of int
        In storage order, y and x included.
    """
    best = _one_frame(spec)
    unit_bytes = _nbytes(spec, best)
    if 2 * unit_bytes >= least_bytes:
        return best
    strides = {stride.name: stride for stride in spec.axis_strides if stride.size != 1}
    # loops that are added as a whole, whether they are a box already or not
    inner: tuple[AxisStride, ...] = ()
    for loop in reversed(loops):
        if loop.size == 1 or (loop.makes_images and loop.kind == "camera"):
            continue  # frames of another camera in between cost memory, but no second write
        inner_bytes = unit_bytes * prod(step.size or 1 for step in inner)
        if loop.kind == "position" or max(inner_bytes, _nbytes(spec, best)) >= least_bytes:
            break
        stride = strides[loop.name]
        if spec.axes[stride.axis].chunk_size:
            if not _is_held(stride, spec):
                break
            continue
        wanted = ceil(least_bytes / inner_bytes)
        for count in _counts(stride, wanted, spec.axes[stride.axis].shard_size):
            box = _box(spec, (*inner, stride._replace(size=count)))
            if box is not None:
                best = box
                if count != stride.size:
                    return best
                break
        if stride.size is None:
            break
        inner = (*inner, stride)
    return best


def _counts(stride: AxisStride, wanted: int, shard: int | None) -> Iterator[int]:
    """Yield how many steps of a loop to try: the least that is enough first, then fewer."""
    most = stride.size or max(2, wanted)
    if shard is not None:
        most = min(most, shard // stride.step)
    first = min(max(2, wanted), most)
    yield from range(first, most + 1)
    yield from range(first - 1, 1, -1)


def _box(spec: ArraySpec, strides: Sequence[AxisStride]) -> tuple[int, ...] | None:
    """Return the chunk that holds these loops and no others; None when there is none.

    Cameras and channels share an axis: their steps must be a run of it from 0, and so must
    every chunk after the first.
    """
    shape = list(_one_frame(spec))
    for axis in {stride.axis for stride in strides}:
        size = shape[axis]
        for stride in sorted(
            (stride for stride in strides if stride.axis == axis), key=lambda a: a.step
        ):
            if stride.step != size:
                return None
            size *= stride.size or 1
        names = {stride.name for stride in strides}
        others = (
            stride
            for stride in spec.axis_strides
            if stride.axis == axis and stride.name not in names
        )
        if any(stride.step % size for stride in others if stride.size != 1):
            return None
        if (spec.axes[axis].shard_size or size) % size:
            return None
        shape[axis] = size
    return tuple(shape)


def _is_held(stride: AxisStride, spec: ArraySpec) -> bool:
    """Whether the declared chunk of the stride's axis holds the whole loop, and that loop alone."""
    alone = all(
        o.size == 1 for o in spec.axis_strides if o.axis == stride.axis and o.name != stride.name
    )
    return alone and spec.chunk_shape[stride.axis] == spec.axes[stride.axis].size


def _one_frame(spec: ArraySpec) -> tuple[int, ...]:
    """Return the chunk of one frame, sizes that the schema declares left as they are."""
    return tuple(
        chunk if axis.chunk_size or (axis.shard_size or block) % block else block
        for axis, chunk, block in zip(spec.axes, spec.chunk_shape, spec.block_shape, strict=True)
    )


def _nbytes(spec: ArraySpec, shape: tuple[int, ...]) -> int:
    return prod(shape) * spec.frame_dtype.itemsize


def _chosen(spec: ArraySpec, chunks: Mapping[str, int], shards: Mapping[str, int]) -> ArraySpec:
    axes = (
        replace(
            axis,
            chunk_size=chunks.get(axis.name, axis.chunk_size),
            shard_size=shards.get(axis.name, axis.shard_size),
        )
        for axis in spec.axes
    )
    return replace(spec, axes=tuple(axes))


def _without_shards(spec: ArraySpec) -> ArraySpec:
    return replace(spec, axes=tuple(replace(axis, shard_size=None) for axis in spec.axes))


def _sizes(what: str, sizes: Mapping[str, int] | None) -> dict[str, int]:
    if sizes is None:
        return {}
    if not isinstance(sizes, Mapping) or any(type(n) is not int for n in sizes.values()):
        raise OptionError(f"{what} must map axis names to whole numbers, got {sizes!r:.80}.")
    return dict(sizes)


def _check_shards(spec: ArraySpec) -> None:
    for axis, chunk, shard in zip(spec.axes, spec.chunk_shape, spec.write_shape, strict=True):
        if shard % chunk:
            raise OptionError(
                f"Axis {axis.name!r}: the shard ({shard} elements) must be a whole multiple "
                f"of the chunk ({chunk} elements)."
            )
