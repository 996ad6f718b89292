"""`StorePlan`: what a stream will make, after every check and before any file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

from pymmcore_ome.backends import (
    ArrayBackend,
    BackendOptions,
    default_backend,
    find_backend,
)
from pymmcore_ome.disk import StoreLocation, choose_format, local_path
from pymmcore_ome.errors import OptionError, SchemaError
from pymmcore_ome.layout import (
    ArraySpec,
    FrameRouter,
    Layout,
    LevelPlan,
    all_specs,
    layout_of,
    schema_with_default_shards,
    with_chunks,
    with_default_shards,
)
from pymmcore_ome.metadata import documents_of
from pymmcore_ome.schema import Dimension, StorageSchema

from .options import SaveOptions


@dataclass(frozen=True)
class StorePlan:
    """Where a store goes, what it holds, and who writes it. Made by `plan_store`."""

    place: StoreLocation
    layout: Layout
    backend: type[ArrayBackend]
    options: BackendOptions
    #: Whether there is a store to go on with.
    resumes: bool = False
    #: Whether what is there may be replaced.
    replaces: bool = False

    @cached_property
    def frame_bytes(self) -> tuple[int, ...]:
        """Bytes of one frame in memory; several numbers where cameras differ."""
        return tuple(sorted({image.spec.nbytes for image in self.layout.images}))

    @cached_property
    def pixel_bytes(self) -> int | None:
        """Bytes of all planned frames, before compression; None when unbounded."""
        frames, images = self.layout.frame_count, self.layout.images
        if frames is None or not images:
            return None
        if len(self.frame_bytes) == 1:
            return frames * self.frame_bytes[0]
        places = [prod(image.spec.plane_shape()) for image in images]
        if sum(places) == frames:
            return sum(n * image.spec.nbytes for n, image in zip(places, images, strict=True))
        numbers = Counter(address.image_number for address in FrameRouter(self.layout))
        return sum(count * images[number].spec.nbytes for number, count in numbers.items())

    @cached_property
    def level_bytes(self) -> int | None:
        """Bytes of all resolution levels but the full one, before compression, or None."""
        levels, nbytes = self.options.levels, self.pixel_bytes
        if levels is None or nbytes is None:
            return None if nbytes is None else 0
        full = smaller = 0
        for image in self.layout.images:
            planes, spec = prod(image.spec.plane_shape()), image.spec
            full += planes * spec.nbytes
            for level in range(1, levels.count_of(spec)):
                smaller += planes * levels.level_spec(spec, level).nbytes
        return round(nbytes * smaller / full) if full else 0

    @cached_property
    def level_files(self) -> int:
        """Files that hold the pixels of all resolution levels but the full one."""
        levels, loops = self.options.levels, self.layout.loops
        if levels is None or self.layout.frame_count is None or self.place.format == "ome-tiff":
            return 0
        of_spec = {
            spec: sum(
                _files(levels.level_spec(spec, level, loops))
                for level in range(1, levels.count_of(spec))
            )
            for spec in self.layout.specs
        }
        return sum(of_spec[image.spec] for image in self.layout.images)

    @property
    def pixel_files(self) -> int | None:
        """Files that hold pixels of the full resolution; None when unbounded."""
        if self.layout.frame_count is None:
            return None
        if self.place.format == "ome-tiff":
            return len(self.layout.images) if self.place.is_folder else 1
        return sum(_files(image.spec) for image in self.layout.images)


def _files(spec: ArraySpec) -> int:
    """Return how many chunks or shards an array has, when every frame arrives."""
    return prod(
        ceil(size / piece) for size, piece in zip(spec.shape, spec.write_shape, strict=True)
    )


def _without_hints(schema: StorageSchema) -> StorageSchema:
    """Return a schema without the chunks and shards that it would like to have in OME-Zarr."""

    def plain(dims: Iterable[Dimension]) -> list[Dimension]:
        return [dim.replace(chunk_size=None, shard_size=None) for dim in dims]

    images = schema.images or ()
    dims = (*schema.dimensions, *(dim for image in images for dim in image.dimensions))
    if not any(dim.chunk_size or dim.shard_size for dim in dims):
        return schema
    own = [image.replace(dimensions=plain(image.dimensions)) for image in images]
    return schema.replace(dimensions=plain(schema.dimensions), images=own or None)


def _level_refusals(
    layout: Layout, backend: type[ArrayBackend], levels: LevelPlan | None
) -> list[str]:
    """Return every reason why a backend cannot write the levels of a layout."""
    if levels is None:
        return []
    if not backend.makes_levels:
        return [f"{backend.name} cannot write resolution levels: {backend.why_no_levels}"]
    problems = (levels.problem(spec) for spec in all_specs(layout))
    return list(dict.fromkeys(problem for problem in problems if problem is not None))


def plan_store(
    path: str | os.PathLike[str],
    schema: StorageSchema,
    options: SaveOptions,
    shard_bytes: int | None = None,
) -> StorePlan:
    """Return what `open_stream` would make of a schema; refuse what it would refuse.

    Parameters
    ----------
    path, schema
        As `open_stream`.
    options : SaveOptions
    shard_bytes : int, optional
        Of a shard, at most, where none are chosen.

    Raises
    ------
    OptionError, SchemaError
        Options or a schema that cannot be written, all reasons at once.
    StorePathError
        A path that cannot be used; StoreExistsError when something is there.
    """
    target = local_path(path)
    format_ = choose_format(target, options.format)
    backend_class = find_backend(options.backend, format_)
    if not isinstance(schema, StorageSchema):
        raise SchemaError(f"schema must be a StorageSchema, got {schema!r:.80}.")
    if options.compression is not None:
        schema = schema.replace(compression=options.compression)
    place = StoreLocation.of_new(target, format_, options.files)
    is_tiff = format_ == "ome-tiff"
    if is_tiff:
        schema = _without_hints(schema)
    # a page is a frame
    chunks = None if is_tiff and options.chunks == "auto" else options.chunks
    layout = with_chunks(layout_of(schema, is_tiff), chunks, options.shards)
    if options.backend is None:
        backend_class = default_backend(format_, layout)
    if backend_class.shards_by_default and options.shards is None:
        if schema.grows and schema.images is None:
            layout = layout_of(schema_with_default_shards(schema))
        else:
            layout = with_default_shards(layout, shard_bytes)
    for_backend = BackendOptions(
        schema.compression,
        options.files,
        options.bigtiff,
        options.durability == "power",
        options.level_plan,
    )
    reasons = [
        *documents_of(place).refusals(layout),
        *backend_class.refusals(layout, for_backend),
        *_level_refusals(layout, backend_class, for_backend.levels),
    ]
    if reasons:
        raise OptionError("This cannot be written: " + "; ".join(reasons) + ".")
    replaces = options.overwrite or may_replace(place, options)
    if has_store(place, options):
        return StorePlan(place, layout, backend_class, for_backend, resumes=True)
    if not (options.resume and place.is_empty):
        place.check_free(replaces)
    return StorePlan(place, layout, backend_class, for_backend, replaces=replaces)


def has_store(place: StoreLocation, options: SaveOptions) -> bool:
    """Whether these options go on with a store that is at the path."""
    return (
        bool(options.resume)
        and StoreLocation.of_existing(place.path) is not None
        and not (place.is_half_made)
    )


def may_replace(place: StoreLocation, options: SaveOptions) -> bool:
    """Whether the path has the remains of a process that ended before there was a store."""
    return bool(options.resume) and place.is_half_made
