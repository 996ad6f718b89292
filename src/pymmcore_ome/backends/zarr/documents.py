"""The Zarr version 3 array document (`zarr.json`), shared by the Zarr backends.

Writing these documents ourselves makes thousands of arrays in a second: no array needs to
be opened before its first frame is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Final

from pymmcore_ome.backends.compression import zarr_codecs
from pymmcore_ome.disk import make_folder, write_plainly, write_whole
from pymmcore_ome.errors import MapErrors, NotAStoreError
from pymmcore_ome.frames import json_bytes
from pymmcore_ome.layout import ArraySpec, ImageLayout, Layout

from .shard import check_shard, end_existing

_SHARDING: Final = "sharding_indexed"


def array_document(
    image: ImageLayout,
    compression: str | None,
    shape: Sequence[int] | None = None,
    *,
    at_end: bool = True,
) -> dict[str, Any]:
    """Return the array document of an image's full-resolution array.

    Parameters
    ----------
    image : ImageLayout
    compression : str or None
    shape : sequence of int, optional
        What the array has now. None: what is planned.
    at_end : bool
        Where shards have their index: at the end with a checksum, or, while they are being
        written, at the start without one.
    """
    codecs = zarr_codecs(compression, image.dtype)
    stored = image.spec.write_shape
    if image.spec.shard_shape is not None:
        codecs = [
            {
                "name": _SHARDING,
                "configuration": {
                    "chunk_shape": list(image.spec.chunk_shape),
                    "codecs": codecs,
                    **_index_place(at_end),
                },
            }
        ]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(image.shape if shape is None else shape),
        "data_type": image.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(stored)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": codecs,
        "attributes": {},
        "dimension_names": list(image.axis_names),
    }


def stored_spec(folder: Path, spec: ArraySpec) -> ArraySpec:
    """Return the array of an image with the chunks and shards that it has on disk.

    Raises
    ------
    OSError, LookupError, TypeError, ValueError
        When its document cannot be read.
    """
    document = json.loads((folder / "zarr.json").read_bytes())
    chunks = shards = document["chunk_grid"]["configuration"]["chunk_shape"]
    if document["codecs"][0]["name"] == _SHARDING:
        chunks = document["codecs"][0]["configuration"]["chunk_shape"]
    else:
        shards = [None] * len(chunks)
    if len(chunks) != len(spec.axes):
        raise ValueError(f"its chunks are {chunks}")
    axes = [
        replace(axis, chunk_size=chunk, shard_size=shard)
        for axis, chunk, shard in zip(spec.axes, chunks, shards, strict=True)
    ]
    return replace(spec, axes=tuple(axes))


def array_differences(root: Path, layout: Layout, compression: str | None) -> list[str]:
    """Return in what the arrays on disk differ from those that a layout would be given.

    One image stands for all that are alike.

    Raises
    ------
    NotAStoreError
        When an array document is damaged.
    """
    found = []
    for image in {image.spec: image for image in layout.images}.values():
        folder, spec = array_folder(root, image), image.spec
        document, _ = _read_document(folder / "zarr.json")
        expected = array_document(image, compression)
        with MapErrors(lambda error: NotAStoreError(f"{root} is damaged: {error!r}."), ValueError):
            stored = stored_spec(folder, spec)
        for name, there, now in (
            ("shape", document.get("shape"), expected["shape"]),
            ("pixel type", document.get("data_type"), expected["data_type"]),
            ("chunks", stored.chunk_shape, spec.chunk_shape),
            ("shards", stored.shard_shape, spec.shard_shape),
            ("compression", _inner_codecs(document), _inner_codecs(expected)),
        ):
            if json.dumps(there) != json.dumps(now):
                found.append(
                    f"{name} of image {image.path!r}: {json.dumps(there)} there, "
                    f"{json.dumps(now)} now"
                )
    return found


def _inner_codecs(document: Mapping[str, Any]) -> Any:
    """Return how the bytes of a chunk are coded."""
    codec = document["codecs"][0]
    return codec["configuration"]["codecs"] if codec["name"] == _SHARDING else document["codecs"]


def _index_place(at_end: bool) -> dict[str, Any]:
    codecs: list[dict[str, Any]] = [{"name": "bytes", "configuration": {"endian": "little"}}]
    if at_end:
        return {"index_codecs": [*codecs, {"name": "crc32c"}], "index_location": "end"}
    return {"index_codecs": codecs, "index_location": "start"}


def array_content(
    image: ImageLayout,
    compression: str | None,
    shape: Sequence[int] | None = None,
    *,
    at_end: bool = True,
) -> bytes:
    """Return `array_document` as it stands in its file."""
    return json_bytes(array_document(image, compression, shape, at_end=at_end), indent=2)


def array_key(image: ImageLayout, level: int = 0) -> str:
    """Return the key of the array of an image in its store; level 0 is the full resolution."""
    return f"{image.path}/{level}" if image.path else str(level)


def array_folder(root: Path, image: ImageLayout, level: int = 0) -> Path:
    """Return the folder of the array of an image; level 0 is the full resolution."""
    return root / array_key(image, level)


def write_array_documents(
    root: Path,
    images: Sequence[ImageLayout],
    compression: str | None,
    *,
    at_end: bool = True,
    level: int = 0,
) -> None:
    """Make the folder and document of the array of every image; see `array_document`.

    The groups of levels above 0 exist: they are not made again after they were deleted.
    """
    contents: dict[ArraySpec, bytes] = {}
    made: set[str] = set()
    # thousands of images: pathlib would take longer than the system
    for image in images:
        if image.spec not in contents:
            contents[image.spec] = array_content(image, compression, at_end=at_end)
        folder = f"{root}/{array_key(image, level)}"
        if not level:
            group = folder.rpartition("/")[0]
            parent = group.rpartition("/")[0] if image.path else group
            if parent not in made:
                os.makedirs(parent, exist_ok=True)  # noqa: PTH103
                made.add(parent)
            make_folder(group)
        os.mkdir(folder)  # noqa: PTH102
        write_plainly(f"{folder}/zarr.json", contents[image.spec])


def say_shape(folder: Path, shape: Sequence[int], names: Sequence[str]) -> list[int]:
    """Write this shape and these axes into an array's document; return the shape it had.

    No pixel changes: what was not written reads as 0.
    """
    path = folder / "zarr.json"
    document: dict[str, Any] = json.loads(path.read_bytes())
    found: list[int] = document["shape"]
    said = {**document, "shape": list(shape), "dimension_names": list(names)}
    if said != document:
        write_whole(path, json_bytes(said, indent=2))
    return found


def _shard_count(document: Mapping[str, Any]) -> tuple[int, bool] | None:
    """Return the chunks of a shard, and whether its index is at the end; None without shards.

    Raises
    ------
    LookupError, TypeError
        When it is no array document.
    """
    codec = document["codecs"][0]
    if codec["name"] != _SHARDING:
        return None
    configuration = codec["configuration"]
    shard = document["chunk_grid"]["configuration"]["chunk_shape"]
    inner = configuration["chunk_shape"]
    count = prod(size // chunk for size, chunk in zip(shard, inner, strict=True))
    return count, configuration["index_location"] == "end"


def _read_document(path: Path) -> tuple[dict[str, Any], tuple[int, bool] | None]:
    damage = MapErrors(
        lambda error: NotAStoreError(f"{path} is not a Zarr array document: {error!r}."),
        ArithmeticError, FileNotFoundError, LookupError, RecursionError, TypeError, ValueError,
    )  # fmt: skip
    with damage:
        document = json.loads(path.read_bytes())
        return document, _shard_count(document)


def finish_array(folder: Path) -> None:
    """End the shards of an array whose writer died, and let its document name their end.

    Shards that have an index at the end stay as they are, so it can run twice. No pixel changes.

    Raises
    ------
    NotAStoreError
        When the array document is damaged.
    OSError
        When the disk refuses; the array reads as before.
    """
    for part in folder.rglob("*.part"):
        part.unlink()  # of a file that nobody came to see
    path = folder / "zarr.json"
    document, shards = _read_document(path)
    if shards is None or shards[1]:
        return
    for file in _chunk_files(folder):
        end_existing(file, shards[0])
    document["codecs"][0]["configuration"].update(_index_place(True))
    write_whole(path, json_bytes(document, indent=2))


def shard_problems(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the shards of an array that `Shard` wrote. It reads no pixel.

    Raises
    ------
    NotAStoreError
        When the array document is damaged.
    """
    _, shards = _read_document(folder / "zarr.json")
    if shards is None:
        return
    count, at_end = shards
    for file in _chunk_files(folder):
        name = file.relative_to(folder).as_posix()
        try:
            check = check_shard(file, count, is_ended=at_end)
        except OSError as error:
            yield f"shard {name} cannot be read: {error}"
            continue
        if check.beyond_end:
            yield f"shard {name} was cut short: {check.beyond_end} chunks are beyond its end"
        if check.differs:
            yield f"shard {name} has no index at its end, or one that differs from its start"


def _chunk_files(folder: Path) -> Iterator[Path]:
    for above, _, names in os.walk(folder / "c"):
        yield from (Path(above) / name for name in names)
