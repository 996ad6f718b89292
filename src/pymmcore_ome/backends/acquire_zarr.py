"""The acquire-zarr backend: OME-Zarr, written front to back by a C++ library.

It refuses a plan whose frames do not arrive in the order of storage, and goes back for none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.disk import Place, max_open_files
from pymmcore_ome.layout import ImageLayout, Layout, arrival_of

from .acquire_array import DTYPES, AcquireArray
from .compression import Levels, parse
from .options import BackendOptions
from .port import WriteFuture
from .zarr_array import array_folder
from .zarr_backend import ZarrFolder
from .zarr_reader import ZarrReader

_MAX_STREAMS: Final = 512  # each has 2 or 3 threads, an open file, and its chunks in memory
_QUEUE_BYTES: Final = 64 << 20


class AcquireZarrBackend(ZarrFolder):
    """Writes Zarr version 3 arrays through acquire-zarr, one stream an image.

    A stream is opened when its image's first frame comes, and closed when the image is full.
    It writes the array alone, so that our documents are never touched. acquire-zarr has no
    flush: a write that returned is down for certain only when its image is closed. What it
    holds until then is bounded.
    """

    name: ClassVar[str] = "acquire-zarr"
    is_sequential: ClassVar[bool] = True
    compressions: ClassVar[Levels] = {"blosc": (0, 9, 5)}

    def __init__(self) -> None:
        super().__init__()
        self._arrays: dict[int, AcquireArray] = {}
        self._open_at_once = 1

    @classmethod
    def refusals(cls, layout: Layout, options: BackendOptions) -> list[str]:
        arrival = arrival_of(layout)
        reasons = [*super().refusals(layout, options), *arrival.reasons]
        for dtype in {image.dtype for image in layout.images} - set(DTYPES):
            reasons.append(f"dtype {dtype} is not one of {', '.join(DTYPES)}")
        limit = min(_MAX_STREAMS, max_open_files() // 2)
        if arrival.open_at_once > limit:
            reasons.append(
                f"{arrival.open_at_once} images would be open at once, and here at most {limit} "
                "can: acquire one position after the other, or use the backend tensorstore"
            )
        return [f"acquire-zarr: {reason}" for reason in reasons]

    def create(self, place: Place, layout: Layout, options: BackendOptions) -> None:
        super().create(place, _sharded(layout), options)
        self._open_at_once = arrival_of(layout).open_at_once

    def add(self, image: ImageLayout) -> None:
        super().add(_with_shards(image))

    def write(
        self, image: int, start: tuple[int, ...], block: NDArray[np.generic]
    ) -> WriteFuture | None:
        array = self._arrays.get(image)
        if array is None:
            array = self._arrays[image] = self._open(self._images[image])
        array.write(start, block)
        if array.is_full:
            array.end()
        return None

    def reader(self, image: int) -> ZarrReader | None:
        """Read an image that is full; of one that is not, nobody knows what is down."""
        array = self._arrays.get(image)
        if array is None or not array.is_down:
            return None
        return ZarrReader(array_folder(self._root, self._images[image]))

    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        """Only the slowest axis grows, and does so as frames are appended."""
        return False

    def finish(self) -> None:
        errors = []
        for array in self._arrays.values():
            try:
                array.end()
            except OSError as error:  # the others are brought down all the same
                errors.append(error)
        if errors:
            raise errors[0]

    def close(self) -> None:
        for array in self._arrays.values():
            array.drop()

    def _open(self, image: ImageLayout) -> AcquireArray:
        codec = parse(self._compression, self.compressions)
        try:
            return AcquireArray(
                array_folder(self._root, image),
                image,
                blosc_level=None if codec is None else codec[1],
                threads=0 if self._open_at_once == 1 else 1,
                queue_bytes=_QUEUE_BYTES // self._open_at_once,
            )
        except RuntimeError as error:
            raise OSError(f"acquire-zarr could not open image {image.path!r}: {error}") from error


def _sharded(layout: Layout) -> Layout:
    return replace(layout, images=[_with_shards(image) for image in layout.images])


def _with_shards(image: ImageLayout) -> ImageLayout:
    """Return the image as acquire-zarr stores it: always in shards, if of one chunk each.

    So the document that is there from the beginning is the one that it writes at the end.
    """
    if image.shard_shape is not None:
        return image
    axes = [
        replace(axis, shard_size=chunk)
        for axis, chunk in zip(image.axes, image.chunk_shape, strict=True)
    ]
    return replace(image, axes=tuple(axes))
