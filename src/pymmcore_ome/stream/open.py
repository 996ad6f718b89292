"""`open_stream`: every check first, then the store, then the stream."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pymmcore_ome.backends import ArrayBackend, Files
from pymmcore_ome.disk import default_buffer_bytes
from pymmcore_ome.errors import OptionError, StorePathError
from pymmcore_ome.layout import Chunks
from pymmcore_ome.schema import StorageSchema

from .options import CHECKPOINT_S, STALL_S, Durability, StreamOptions, WhenFull
from .plan import plan_store
from .store import Store
from .stream import Stream


def open_stream(
    path: str | os.PathLike[str],
    schema: StorageSchema,
    *,
    format: str | None = None,  # noqa: A002  # the contract's word
    backend: str | type[ArrayBackend] | None = None,
    overwrite: bool = False,
    compression: str | None = None,
    chunks: Chunks = None,
    shards: Mapping[str, int] | None = None,
    files: Files = "one",
    bigtiff: bool = True,
    buffer_bytes: int | None = None,
    when_full: WhenFull = "block",
    durability: Durability = "process",
    checkpoint_s: float = CHECKPOINT_S,
    stall_s: float = STALL_S,
    checksums: bool = True,
    acquisition: Mapping[str, Any] | None = None,
) -> Stream:
    """Make a store and return the stream that fills it.

    Everything that can be known to be wrong is refused before a file is made, all reasons
    at once.

    Parameters
    ----------
    path : path-like
        A local path; parents are made.
    schema : StorageSchema
    format : ``"ome-zarr"`` | ``"ome-tiff"``, optional
        From the suffix when None.
    backend : str or ArrayBackend subclass, optional
        One of `available_backends`. None: the format's default.
    overwrite : bool
        Replace a store that is there. A folder that is no store is never replaced.
    compression : str, optional
        ``"name"`` or ``"name:level"``; overrides the schema's. OME-Zarr: zstd, gzip, blosc;
        OME-TIFF: zstd, deflate, lzw.
    chunks, shards : mapping of axis name to elements, optional
        Override the schema's, OME-Zarr only. Frames are gathered until a chunk, or a shard,
        is full, and written at once. Not named: the schema's size, else one frame and no
        shards. With shards, a shard must be a whole multiple of a chunk.
    chunks : ``"auto"``
        Whole frames; small ones gathered along the axes that the acquisition runs through
        fastest, until a chunk has at least 4 MiB; frames of 2 MiB are chunks of their own.
        Sizes that the schema declares stay. One frame a chunk where positions change faster,
        or the order of frames is not a loop nest.
    files : ``"one"`` | ``"per-position"``
        OME-TIFF: all images in one file, or a folder with one file each.
    bigtiff : bool
        OME-TIFF: False writes a classic TIFF, which ends at 4 GiB.
    buffer_bytes : int, optional
        Frames held in memory at most. None: a quarter of the free memory, at most 1 GiB.
    when_full : ``"block"`` | ``"raise"``
        What `append` does when there is no room: wait, or raise BufferFullError. Nothing is
        ever dropped.
    durability : ``"process"`` | ``"power"``
        What a stored frame outlasts: the death of this process, or a power cut too, which is
        slower.
    checkpoint_s : float
        Seconds after which what came before is down and listed, at most.
    stall_s : float
        Seconds that `append` waits for a disk that takes nothing, at most.
    checksums : bool
        Put a checksum of each frame's pixels into the frame table, for
        ``validate(pixels=True)``.
    acquisition : mapping, optional
        Kept as it is at the root of the store (the sequence, the summary metadata).

    Returns
    -------
    Stream

    Raises
    ------
    OptionError, SchemaError
        Options or a schema that cannot be written.
    StorePathError
        A path that cannot be used; StoreExistsError when something is there.
    """
    if acquisition is not None and not isinstance(acquisition, Mapping):
        raise OptionError(f"acquisition must be a mapping, got {acquisition!r:.80}.")
    stream_options = StreamOptions(
        default_buffer_bytes() if buffer_bytes is None else buffer_bytes,
        when_full, durability, checkpoint_s, stall_s, checksums,
    )  # fmt: skip
    plan = plan_store(
        path, schema, format=format, backend=backend, overwrite=overwrite,
        compression=compression, chunks=chunks, shards=shards, files=files, bigtiff=bigtiff,
        outlasts_power=durability == "power",
    )  # fmt: skip
    try:
        store = Store.create(
            plan.place,
            plan.layout,
            plan.backend(),
            plan.options,
            overwrite=overwrite,
            acquisition=acquisition or {},
        )
    except StorePathError:
        raise
    except Exception as error:  # whatever a backend raises: nothing is left behind
        raise StorePathError(
            f"{plan.place.path} could not be made: {error}. Nothing was left behind."
        ) from error
    return Stream(store, stream_options)
