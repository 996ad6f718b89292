"""The zarr-python backend: OME-Zarr, synchronous, any order of arrival.

Slower than tensorstore with small frames, and the reference for what Zarr means. Where the
`zarrs` package is installed, its codec pipeline is used.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import zarr
from numpy.typing import NDArray

from .port import WriteFuture
from .zarr_backend import ZarrBackend, grown, region

_ZARRS: Final = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}


class ZarrPythonBackend(ZarrBackend):
    """Writes Zarr version 3 arrays through zarr-python; a write is down when it returns."""

    name: ClassVar[str] = "zarr-python"

    def __init__(self) -> None:
        super().__init__()
        self._settings = _ZARRS if find_spec("zarrs") else {}

    def open_array(self, folder: Path) -> Any:
        return zarr.open_array(folder, mode="r+")

    def write(
        self, image: int, start: tuple[int, ...], block: NDArray[np.generic]
    ) -> WriteFuture | None:
        with zarr.config.set(self._settings):
            self._array(image)[region(start, block.shape)] = block
        return None

    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        array = self._array(image)
        array.resize(grown(array.shape, shape))
        return False
