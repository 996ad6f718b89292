"""What the system and the bare libraries do with the same frames: no metadata, no checks."""

# ruff: noqa: PTH103, PTH104

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from .figures import Figures
from .loads import Load, wells_of
from .measure import measure

_IN_FLIGHT: Final = 64


def _raw(load: Load, folder: Path) -> Figures:
    """Plain writes of the same bytes into one file."""

    def append(file: int, frame: np.ndarray, index: object, metadata: object) -> None:
        if load.disk_bytes_per_s:
            time.sleep(frame.nbytes / load.disk_bytes_per_s)
        left = memoryview(frame).cast("B")
        while left.nbytes:
            left = left[os.write(file, left) :]

    flags = os.O_CREAT | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    return measure(
        load, folder, lambda: os.open(folder / "raw.bin", flags), append, lambda _: None,
        os.close,
    )  # fmt: skip


def _files(load: Load, folder: Path) -> Figures:
    """Return the figures of the system alone: the folders and files of a plate, by plain calls."""
    document = bytes(1_000)
    numbers = iter(range(load.frame_count))
    flags = os.O_CREAT | os.O_WRONLY | getattr(os, "O_BINARY", 0)

    def write(path: str, content: Any) -> None:
        file = os.open(path, flags)
        os.write(file, content)
        os.close(file)

    def opened() -> None:
        for row, column in wells_of(load):
            os.makedirs(f"{folder}/{row}/{column}")
            write(f"{folder}/{row}/{column}/zarr.json", document)
            for field in range(load.positions):
                os.makedirs(f"{folder}/{row}/{column}/{field}/0")
                write(f"{folder}/{row}/{column}/{field}/zarr.json", document)
                write(f"{folder}/{row}/{column}/{field}/0/zarr.json", document)

    wells = wells_of(load)

    def append(_: object, frame: np.ndarray, index: object, metadata: object) -> None:
        image, time_ = divmod(next(numbers), load.frames)
        row, column = wells[image // load.positions]
        place = f"{folder}/{row}/{column}/{image % load.positions}/0/c/{time_}/0"
        os.makedirs(place)
        write(f"{place}/part", frame)
        os.rename(f"{place}/part", f"{place}/0")

    return measure(load, folder, opened, append, lambda _: None, lambda _: None)


def _tensorstore(load: Load, folder: Path) -> Figures:
    """Return the figures of tensorstore alone, a chunk a frame."""
    import tensorstore as ts

    waiting: list[Any] = []
    numbers = iter(range(load.frame_count))
    shape = [load.frame_count, load.side, load.side]
    compression = dict(load.options).get("compression")
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": f"{(folder / 'a.zarr').as_posix()}/"},
        "metadata": {
            "shape": shape,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, *shape[1:]]}},
            "data_type": "uint16",
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                *([{"name": "zstd", "configuration": {"level": 3}}] if compression else []),
            ],
        },
        "create": True,
    }

    def append(store: Any, frame: np.ndarray, index: object, metadata: object) -> None:
        commit = store[next(numbers)].write(
            frame, can_reference_source_data_indefinitely=True
        ).commit  # fmt: skip
        commit.force()
        waiting.append(commit)
        if len(waiting) >= _IN_FLIGHT:
            waiting.pop(0).result()

    def drain(store: Any) -> None:
        for commit in waiting:
            commit.result()

    context = ts.Context({"file_io_sync": False})  # as ours, and as plain writes
    opened = lambda: ts.open(spec, context=context).result()  # noqa: E731
    return measure(load, folder, opened, append, drain, lambda _: None)


def _tifffile(load: Load, folder: Path) -> Figures:
    """Return the figures of tifffile alone, a page a frame."""
    import tifffile

    def append(writer: Any, frame: np.ndarray, index: object, metadata: object) -> None:
        writer.write(frame, contiguous=False, photometric="minisblack", metadata=None)

    return measure(
        load,
        folder,
        lambda: tifffile.TiffWriter(folder / "a.tiff", bigtiff=True),
        append,
        lambda _: None,
        lambda writer: writer.close(),
    )


def _acquire_zarr(load: Load, folder: Path) -> Figures:
    """Return the figures of acquire-zarr alone, a chunk a frame."""
    import acquire_zarr as az

    if load.images > 1:
        raise NotImplementedError("the bare acquire-zarr writes one array here")
    space = az.DimensionType.SPACE
    axes = (
        ("t", az.DimensionType.TIME, load.frames, 1),
        *((n, space, load.side, load.side) for n in "yx"),
    )
    dimensions = [
        az.Dimension(name=name, kind=kind, array_size_px=size, chunk_size_px=chunk,
                     shard_size_chunks=1)
        for name, kind, size, chunk in axes
    ]  # fmt: skip
    arrays = [az.ArraySettings(dimensions=dimensions, data_type=az.DataType.UINT16)]

    def opened() -> Any:
        return az.ZarrStream(
            az.StreamSettings(store_path=str(folder / "a.zarr"), arrays=arrays, overwrite=True)
        )

    def append(stream: Any, frame: np.ndarray, index: object, metadata: object) -> None:
        stream.append(frame)

    return measure(load, folder, opened, append, lambda _: None, lambda stream: stream.close())


BARE: Final[dict[str, Callable[[Load, Path], Figures]]] = {
    "raw": _raw, "files": _files, "tensorstore": _tensorstore, "tifffile": _tifffile,
    "acquire-zarr": _acquire_zarr,
}  # fmt: skip
