"""The tensorstore backend: OME-Zarr, asynchronous, any order of arrival (the default)."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from pymmcore_ome.disk import Format
from pymmcore_ome.layout import ImageLayout, Layout

from .compression import parse
from .port import ArrayBackend, WriteFuture
from .zarr_array import array_folder, write_array_documents

_MAX_OPEN: Final = 128


class TensorstoreBackend(ArrayBackend):
    """Writes Zarr version 3 arrays through tensorstore.

    Holds at most 128 arrays open, the ones used last. Never copies a block: the caller
    leaves it alone until its future is done.
    """

    name: ClassVar[str] = "tensorstore"
    format: ClassVar[Format] = "ome-zarr"

    def __init__(self) -> None:
        self._root = Path()
        self._images: list[ImageLayout] = []
        self._compression: str | None = None
        self._open: OrderedDict[int, Any] = OrderedDict()
        self._context = ts.Context()

    @classmethod
    def refusals(cls, layout: Layout, compression: str | None) -> list[str]:
        try:
            parse(compression)
        except ValueError as error:
            return [str(error)]
        return []

    def create(self, root: Path, layout: Layout, compression: str | None) -> None:
        self._root, self._images, self._compression = root, list(layout.images), compression
        write_array_documents(root, layout.images, compression)

    def add(self, image: ImageLayout) -> None:
        self._images.append(image)
        write_array_documents(self._root, [image], self._compression)

    def write(
        self, image: int, start: tuple[int, ...], block: NDArray[np.generic]
    ) -> WriteFuture | None:
        array = self._array(image)
        where = tuple(
            slice(first, first + size) for first, size in zip(start, block.shape, strict=True)
        )
        commit = array[where].write(block, can_reference_source_data_indefinitely=True).commit
        commit.force()  # a commit is lazy: nobody waits for it until the buffer is full
        return commit  # type: ignore[no-any-return]

    def grow(self, image: int, shape: tuple[int, ...]) -> None:
        array = self._array(image)
        larger = [max(have, want) for have, want in zip(array.shape, shape, strict=True)]
        self._open[image] = array.resize(exclusive_max=larger, expand_only=True).result()

    def close(self) -> None:
        self._open.clear()

    def _array(self, image: int) -> Any:
        array = self._open.get(image)
        if array is None:
            folder = array_folder(self._root, self._images[image])
            spec = {
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": f"{folder.as_posix()}/"},
                "recheck_cached_data": False,
            }
            array = ts.open(spec, open=True, write=True, read=True, context=self._context).result()
            self._open[image] = array
            if len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)
        else:
            self._open.move_to_end(image)
        return array
