"""`Layout`: from a schema to images, arrays and axes, and what index leads where.

Pure arithmetic over the schema. It writes nothing, and knows no format beyond the order of
axes; what a format cannot hold is refused by that format's own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Final, NamedTuple

from pymmcore_ome.errors import OptionError
from pymmcore_ome.schema import Channel, Dimension, Plate, StorageSchema

from .image import Axis, ImageLayout
from .naming import GroupPaths, UniqueNames, combine

_OME_RANK: Final = {"time": 0, "channel": 1, "other": 1, "space": 2}


class Loop(NamedTuple):
    """One loop of the acquisition, and how far a step of it moves in storage."""

    name: str
    size: int | None
    image_step: int  # images a step moves on; 0 for a loop along an axis
    axis: int  # number of the storage axis; -1 for a loop over images
    axis_step: int


@dataclass(frozen=True)
class Layout:
    """Where everything of a schema is stored.

    Attributes
    ----------
    schema : StorageSchema
    images : tuple of ImageLayout
        In order of first visit.
    loops : tuple of Loop
        Acquisition order, slowest first.
    plate : Plate | None
    """

    schema: StorageSchema
    images: tuple[ImageLayout, ...]
    loops: tuple[Loop, ...]

    @property
    def plate(self) -> Plate | None:
        """The plate, where the images are its fields."""
        return self.schema.plate

    @property
    def frame_count(self) -> int | None:
        """Number of planned frames; None when unbounded."""
        count = 1
        for loop in self.loops:
            if loop.size is None:
                return None
            count *= loop.size
        return count

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.schema.height, self.schema.width


def layout_of(schema: StorageSchema) -> Layout:
    """Lay a schema out: images in order of first visit, each with its axes."""
    dims = schema.frame_dimensions
    folded = [d for d in dims if d.kind == "camera"]
    stored = [d for d in dims if d.kind not in ("position", "camera")]
    if folded and not any(d.kind == "channel" for d in stored):
        stored.append(Dimension(name="c", size=1))
    ordered = _storage_order(schema, stored)
    axes, channels = _axes(schema, ordered, folded)
    images = _images(schema, axes, channels)
    return Layout(schema=schema, images=images, loops=_loops(dims, ordered, folded))


def with_chunks(
    layout: Layout, chunks: Mapping[str, int] | None, shards: Mapping[str, int] | None
) -> Layout:
    """Return the layout with other chunk and shard sizes, in elements by axis name.

    Raises
    ------
    OptionError
        On an axis that no image has, or a shard that is no multiple of its chunk.
    """
    chunks, shards = dict(chunks or {}), dict(shards or {})
    known = layout.images[0].axis_names
    for name, size in (*chunks.items(), *shards.items()):
        if name not in known:
            raise OptionError(f"chunks or shards name axis {name!r}; the axes are {list(known)}.")
        if size < 1:
            raise OptionError(f"Axis {name!r}: chunks and shards have at least 1 element.")
    made: dict[tuple[Axis, ...], tuple[Axis, ...]] = {}
    images = []
    for image in layout.images:
        if image.axes not in made:
            made[image.axes] = tuple(
                replace(
                    axis,
                    chunk_size=chunks.get(axis.name, axis.chunk_size),
                    shard_size=shards.get(axis.name, axis.shard_size),
                )
                for axis in image.axes
            )
        images.append(replace(image, axes=made[image.axes]))
    for image in images[:1]:
        for axis, chunk, shard in zip(
            image.axes,
            image.chunk_shape,
            image.shard_shape or image.chunk_shape,
            strict=True,
        ):
            if shard % chunk:
                raise OptionError(
                    f"Axis {axis.name!r}: the shard ({shard} elements) must be a whole multiple "
                    f"of the chunk ({chunk} elements)."
                )
    return replace(layout, images=tuple(images))


def _storage_order(schema: StorageSchema, stored: list[Dimension]) -> list[Dimension]:
    if schema.storage_order == "acquisition":
        return stored
    if schema.storage_order == "ome":
        return sorted(stored, key=lambda d: _OME_RANK[d.kind])
    rank = {name: n for n, name in enumerate(schema.storage_order)}
    return sorted(stored, key=lambda d: rank.get(d.name, len(rank)))


def _axes(
    schema: StorageSchema, ordered: list[Dimension], folded: list[Dimension]
) -> tuple[tuple[Axis, ...], tuple[Channel, ...]]:
    channels: tuple[Channel, ...] = ()
    axes = []
    for dim in (*ordered, *schema.dimensions[-2:]):
        size, coords = dim.size, dim.coords
        if dim.kind == "channel":
            channels = _fold_cameras(dim, folded)
            size, coords = (len(channels) or None), None
        axes.append(
            Axis(
                name=dim.name,
                kind=dim.kind,
                size=size,
                scale=dim.scale,
                origin=dim.origin,
                unit=dim.unit,
                coords=coords,  # type: ignore[arg-type]  # positions and channels are not axes
                chunk_size=dim.chunk_size,
                shard_size=dim.shard_size,
            )
        )
    return tuple(axes), channels


def _fold_cameras(dim: Dimension, folded: list[Dimension]) -> tuple[Channel, ...]:
    """Return one channel a camera and channel, cameras fastest."""
    channels = dim.channels
    for cameras in folded:
        names = cameras.coords or tuple(f"Camera {n}" for n in range(cameras.size or 0))
        bare = dim.coords is None
        channels = tuple(
            channel.replace(name=str(name) if bare else f"{channel.name} {name}", color=None)
            for channel in channels
            for name in names
        )
    return channels


def _images(
    schema: StorageSchema, axes: tuple[Axis, ...], channels: tuple[Channel, ...]
) -> tuple[ImageLayout, ...]:
    dims = [d for d in schema.frame_dimensions if d.kind == "position"]
    count = 1
    for dim in dims:
        count *= dim.size or 0
    # names read "position_tile" whichever of the two the acquisition visits first
    naming_order = sorted(range(len(dims)), key=lambda n: dims[n].name != "p")
    names, paths = UniqueNames(), GroupPaths(count, schema.plate is not None)
    images = []
    for number, parts in enumerate(product(*(enumerate(d.positions) for d in dims))):
        position = combine([part for _, part in parts])
        named = []
        for n in naming_order:
            index, part = parts[n]
            fallback = f"Pos{index}" if dims[n].name == "p" else f"{index:04d}"
            named.append((part.name or fallback, part.label or part.name or fallback))
        name = names.claim("_".join(safe for safe, _ in named) or "Pos0")
        label = "_".join(text for _, text in named) or name
        path, well, field = paths.claim(position)
        images.append(
            ImageLayout(
                number=number,
                path=path,
                name=name,
                label=label,
                axes=axes,
                dtype=schema.dtype,
                position=position,
                channels=channels,
                well=well,
                field=field,
            )
        )
    return tuple(images)


def _loops(
    dims: tuple[Dimension, ...], ordered: list[Dimension], folded: list[Dimension]
) -> tuple[Loop, ...]:
    cameras = 1
    for dim in folded:
        cameras *= dim.size or 1
    axis_of = {dim.name: n for n, dim in enumerate(ordered)}
    channel_axis = next((n for n, d in enumerate(ordered) if d.kind == "channel"), -1)
    image_step, camera_step = 1, 1
    loops = []
    for dim in reversed(dims):
        if dim.kind == "position":
            loops.append(Loop(dim.name, dim.size, image_step, -1, 0))
            image_step *= dim.size or 0
        elif dim.kind == "camera":
            loops.append(Loop(dim.name, dim.size, 0, channel_axis, camera_step))
            camera_step *= dim.size or 1
        else:
            step = cameras if dim.kind == "channel" else 1
            loops.append(Loop(dim.name, dim.size, 0, axis_of[dim.name], step))
    return tuple(reversed(loops))
