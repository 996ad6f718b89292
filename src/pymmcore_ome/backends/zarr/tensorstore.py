"""The tensorstore backend: OME-Zarr, asynchronous, any order of arrival (the default).

Small frames that are a chunk each, and not compressed, go into their files without an array: the
file's bytes are the frame's. That is for plates, where most arrays get a few frames.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar, Final

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from pymmcore_ome.backends.port import BackendOptions, WriteFuture
from pymmcore_ome.disk import StoreLocation
from pymmcore_ome.layout import ArraySpec, ImageLayout, Layout

from .documents import array_document, array_key, chunk_key
from .folder import ZarrBackend, grown, region

#: From here on it costs more to copy a frame into bytes than to open its array.
_SMALL_BYTES: Final = 64 << 10


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
        self._files: Any = None  # the store as keys and bytes
        self._specs: dict[ArraySpec, ts.Spec] = {}

    def create(self, place: StoreLocation, layout: Layout, options: BackendOptions) -> None:
        # a write is then down on the disk when its future is done, which is 2 to 4 times slower
        self._context = ts.Context({"file_io_sync": options.outlasts_power})
        super().create(place, layout, options)
        self._root_spec = ts.KvStore.Spec({"driver": "file", "path": f"{self._root.as_posix()}/"})
        self._files = ts.KvStore.open(self._root_spec, context=self._context).result()

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
        if self._is_a_file(image, block):
            return self._write_file(image, start, block)
        target = self.array(image)[region(start, block.shape)]
        # Not copied where the block lies within one chunk. Where it is cut into several,
        # tensorstore 0.1.86 takes some of its own strided views of the source for the fill
        # value, and leaves those chunks out without a word: there it has to make a copy.
        commit = target.write(
            np.ascontiguousarray(block),
            can_reference_source_data_indefinitely=self._is_one_chunk(image, start, block),
        ).commit
        commit.force()  # a commit is lazy: nobody waits for it until the buffer is full
        future: WriteFuture = commit
        return future

    def _is_one_chunk(self, image: int, start: tuple[int, ...], block: NDArray[np.generic]) -> bool:
        spec = self._images[image].spec
        return spec.shard_shape is None and all(
            first // chunk == (first + size - 1) // chunk
            for first, size, chunk in zip(start, block.shape, spec.chunk_shape, strict=True)
        )

    def _is_a_file(self, image: int, block: NDArray[np.generic]) -> bool:
        """Whether a block is one frame, and that frame the bytes of one file.

        The file is then never written again: each place has one frame.
        """
        spec = self._images[image].spec
        return (
            block.nbytes <= _SMALL_BYTES
            and self._compression is None
            and spec.shard_shape is None
            and block.shape == spec.block_shape == spec.chunk_shape
            and (sys.byteorder == "little" or block.itemsize == 1)
        )

    def _write_file(
        self, image: int, start: tuple[int, ...], block: NDArray[np.generic]
    ) -> WriteFuture:
        layout = self._images[image]
        chunk = [first // size for first, size in zip(start, layout.spec.chunk_shape, strict=True)]
        written: WriteFuture = self._files.write(chunk_key(layout, chunk), block.tobytes())
        return written

    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        array = self.array(image)
        larger = grown(array.shape, shape)
        self._keep(image, array.resize(exclusive_max=larger, expand_only=True).result())
        return False
