"""Reading a Zarr array back, numpy-style and lazily, finished or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends.selection import Picks, split_selection
from pymmcore_ome.errors import MapErrors, NotAStoreError

_UNREADABLE: Final = (
    ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError,
)  # fmt: skip
_ENDLESS: Final = 1 << 40
_MAX_CHUNK_BYTES: Final = 2 << 30
_MAX_CHUNKS: Final = 1 << 22  # of a shard


class ZarrReader:
    """One Zarr version 3 array on disk. Opened at the first read; never writes.

    Parameters
    ----------
    folder : Path
        Of the array.
    document : mapping, optional
        Its array document, where it is known: the one on disk is then never opened, so that
        it may be replaced at any time. Axes of size 0 have no end that it knows.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy dtype
    dimension_names : tuple of str
    """

    def __init__(self, folder: Path, document: Mapping[str, Any] | None = None) -> None:
        path = folder / "zarr.json"
        try:
            found = json.loads(path.read_bytes()) if document is None else document
            self.shape = tuple(int(size) for size in found["shape"])
            self.dtype: np.dtype[Any] = np.dtype(found["data_type"])
            self.dimension_names = tuple(found.get("dimension_names") or ())
            if min(self.shape, default=0) < 0:
                raise ValueError(f"its shape is {self.shape}")
            if document is None:
                _check_chunks(found, self.shape, self.dtype.itemsize)
        except _UNREADABLE as error:
            raise NotAStoreError(f"{path} is not a Zarr array document: {error}.") from error
        self._folder = folder
        self._document = document
        self._array: Any = None

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read any numpy-style selection; only the chunks it touches are read.

        Raises
        ------
        IndexError
            As numpy.
        """
        picks, rows, columns, then = split_selection(key, self.shape)
        return np.asarray(self.read(picks, rows, columns)[then])

    def read(self, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a block; see `PlaneReader`."""
        near = (*(_as_slice(pick) for pick in picks), rows, columns)
        damage = MapErrors(
            lambda error: NotAStoreError(f"{self._folder} cannot be read: {error}."), ValueError
        )
        with damage:
            return np.asarray(self._opened().oindex[near].read().result())

    def _opened(self) -> Any:
        if self._array is None:
            import tensorstore as ts  # here, because looking at a store reads no pixels

            spec = {
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": f"{self._folder.as_posix()}/"},
            }
            if self._document is None:
                self._array = ts.open(spec, open=True, read=True).result()
            else:
                shape = [size or _ENDLESS for size in self.shape]
                spec["metadata"] = {**self._document, "shape": shape}
                self._array = ts.open(spec, open=True, assume_metadata=True, read=True).result()
        return self._array


def _check_chunks(document: Mapping[str, Any], shape: tuple[int, ...], itemsize: int) -> None:
    """Refuse chunks that no memory can hold: tensorstore ends the process."""
    chunk = outer = document["chunk_grid"]["configuration"]["chunk_shape"]
    for codec in document["codecs"]:
        if codec["name"] == "sharding_indexed":
            chunk = codec["configuration"]["chunk_shape"]
    is_counted = all(type(size) is int and size > 0 for size in (*chunk, *outer))
    if not is_counted or len(chunk) != len(shape) or len(outer) != len(shape):
        raise ValueError(f"its chunks are {outer} and {chunk}")
    chunks = prod(-(-size // part) for size, part in zip(outer, chunk, strict=True))
    frame_bytes = prod(shape[-2:]) * itemsize
    if prod(chunk) * itemsize > max(_MAX_CHUNK_BYTES, 8 * frame_bytes) or chunks > _MAX_CHUNKS:
        raise ValueError(f"its chunks of {chunk}, {chunks} in a shard, are too large")


def _as_slice(pick: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return neighbors as a slice, which is read faster."""
    if not len(pick):
        return slice(0, 0)
    first, last = int(pick[0]), int(pick[-1])
    return slice(first, last + 1) if last - first + 1 == len(pick) else pick
