"""Reading a Zarr array back, numpy-style and lazily, finished or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from pymmcore_ome.errors import NotAStoreError


class ZarrReader:
    """One Zarr version 3 array on disk. Opened at the first read; never writes.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy dtype
    dimension_names : tuple of str
    """

    def __init__(self, folder: Path) -> None:
        document = folder / "zarr.json"
        try:
            found = json.loads(document.read_bytes())
            self.shape = tuple(int(size) for size in found["shape"])
            self.dtype: np.dtype[Any] = np.dtype(found["data_type"])
            self.dimension_names = tuple(found.get("dimension_names") or ())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotAStoreError(f"{document} is not a Zarr array document: {error}.") from error
        self._folder = folder
        self._array: Any = None

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read any numpy-style selection; only the chunks it touches are read.

        Raises
        ------
        IndexError
            As numpy.
        """
        keys = _spread(key, len(self.shape))
        pairs = [_near(k, size) for k, size in zip(keys, self.shape, strict=True)]
        block = np.asarray(self._opened()[tuple(near for near, _ in pairs)].read().result())
        return np.asarray(block[tuple(then for _, then in pairs)])

    def _opened(self) -> Any:
        if self._array is None:
            spec = {
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": f"{self._folder.as_posix()}/"},
            }
            self._array = ts.open(spec, open=True, read=True).result()
        return self._array


def _spread(key: Any, rank: int) -> tuple[Any, ...]:
    """Return one key an axis, with the Ellipsis and what was left out spelled out."""
    keys = key if isinstance(key, tuple) else (key,)
    dots = sum(k is Ellipsis for k in keys)
    if dots > 1 or len(keys) - dots > rank:
        raise IndexError(f"too many indices for an array of {rank} axes: {key!r}")
    if dots:
        n = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys = (*keys[:n], *(slice(None),) * (rank - len(keys) + 1), *keys[n + 1 :])
    return (*keys, *(slice(None),) * (rank - len(keys)))


def _near(key: Any, size: int) -> tuple[slice, Any]:
    """Split a key into the slice that is read from disk, and what numpy then does with it.

    numpy sees every key again, shifted to the block, so that its rules hold to the letter.
    """
    if isinstance(key, slice):
        picked = range(*key.indices(size))
        if not picked:
            return slice(0, 0), slice(None)
        low, high = min(picked[0], picked[-1]), max(picked[0], picked[-1])
        return slice(low, high + 1), slice(None, None, picked.step)
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        place = int(key) + size if key < 0 else int(key)
        if not 0 <= place < size:
            raise IndexError(f"index {key} is out of bounds for an axis of size {size}")
        return slice(place, place + 1), 0
    if isinstance(key, (list, np.ndarray)) and np.ndim(key) == 1:
        return slice(0, size), key
    raise IndexError(f"an axis is indexed by a whole number, a slice or a list, got {key!r:.80}")
