"""Reading a Zarr array back, numpy-style and lazily, finished or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from pymmcore_ome.errors import NotAStoreError

from .selection import split_selection


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
        near, then = split_selection(key, self.shape)
        return np.asarray(np.asarray(self._opened()[near].read().result())[then])

    def _opened(self) -> Any:
        if self._array is None:
            spec = {
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": f"{self._folder.as_posix()}/"},
            }
            self._array = ts.open(spec, open=True, read=True).result()
        return self._array
