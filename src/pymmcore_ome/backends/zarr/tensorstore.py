"""The tensorstore backend: OME-Zarr, asynchronous, any order of arrival, any chunks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from pymmcore_ome.backends.port import BackendOptions, WriteFuture
from pymmcore_ome.disk import StoreLocation
from pymmcore_ome.layout import ArraySpec, ImageLayout, Layout, PageTable

from .documents import array_document, array_key
from .folder import ZarrBackend, grown, region


class TensorstoreBackend(ZarrBackend):
    """Writes Zarr version 3 arrays through tensorstore.

    Does not copy a block within one chunk: the caller never changes it.
    """

    name: ClassVar[str] = "tensorstore"

    outlasts_power: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._context = ts.Context()
        self._root_spec: Any = None  # a store opens in 0.1.86 as well, in 0.1.71 a spec alone
        self._specs: dict[ArraySpec, ts.Spec] = {}

    def create(self, place: StoreLocation, layout: Layout, options: BackendOptions) -> None:
        # a write is then down on the disk when its future is done, which is 2 to 4 times slower
        self._context = ts.Context({"file_io_sync": options.outlasts_power})
        super().create(place, layout, options)
        self._set_root()

    def reopen(
        self,
        place: StoreLocation,
        layout: Layout,
        options: BackendOptions,
        pages: PageTable | None = None,
    ) -> None:
        self.begin(place.path, layout.images, options)

    def begin(self, root: Path, images: Sequence[ImageLayout], options: BackendOptions) -> None:
        """Write to arrays that exist."""
        self._context = ts.Context({"file_io_sync": options.outlasts_power})
        self._root, self._images = root, list(images)
        self._compression = options.compression
        self._outlasts_power = options.outlasts_power
        self._has_root = True
        self._set_root()

    def _set_root(self) -> None:
        self._root_spec = ts.KvStore.Spec({"driver": "file", "path": f"{self._root.as_posix()}/"})

    def open_array(self, image: ImageLayout) -> Any:
        # its document is ours, and need not be read where it cannot change
        is_known = not image.spec.unbounded_axes
        opened = ts.open(
            self._spec(image), kvstore=self._root_spec / f"{array_key(image)}/", open=True,
            write=True, read=True, assume_metadata=is_known, context=self._context,
        )  # fmt: skip
        return opened.result()

    def _spec(self, image: ImageLayout) -> ts.Spec:
        """Return what opens an array; made once for all that are alike, which takes longest."""
        spec = self._specs.get(image.spec)
        if spec is None:
            fields: dict[str, Any] = {"driver": "zarr3", "recheck_cached_data": False}
            if not image.spec.unbounded_axes:
                fields["metadata"] = array_document(image, self._compression)
            spec = self._specs[image.spec] = ts.Spec(fields)
        return spec

    def write(
        self, image: int, start: tuple[int, ...], block: NDArray[np.generic]
    ) -> WriteFuture | None:
        array, spec = self.array(image), self._images[image].spec
        if block.shape == spec.block_shape == spec.chunk_shape and not spec.shard_shape:
            if spec.samples == 1:  # plain numbers are the cheapest selection
                array, block = array[start[:-2]], block.reshape(spec.frame_shape)
            else:
                array = array[region(start, block.shape)]
            is_one_chunk = True
        else:
            array = array[region(start, block.shape)]
            is_one_chunk = spec.shard_shape is None and all(
                first // chunk == (first + size - 1) // chunk
                for first, size, chunk in zip(start, block.shape, spec.chunk_shape, strict=True)
            )
        # Not copied where the block lies within one chunk. Where it is cut into several,
        # tensorstore 0.1.86 takes some of its own strided views of the source for the fill
        # value, and silently leaves those chunks out: there it has to make a copy.
        commit = array.write(
            np.ascontiguousarray(block),
            can_reference_source_data_indefinitely=is_one_chunk,
        ).commit
        commit.force()  # a commit is lazy: it starts when its result is asked for
        future: WriteFuture = commit
        return future

    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        array = self.array(image)
        larger = grown(array.shape, shape)
        self._keep(image, array.resize(exclusive_max=larger, expand_only=True).result())
        return False
