"""The acquire-zarr backend: OME-Zarr, written front to back by a C++ library.

It refuses a plan whose frames arrive in another order than that of storage or of its loops, and
goes back for none.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Final

import acquire_zarr as az
import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends.compression import Levels, parse
from pymmcore_ome.backends.port import BackendOptions, WriteFuture
from pymmcore_ome.disk import StoreLocation, max_open_files
from pymmcore_ome.errors import MapErrors
from pymmcore_ome.layout import (
    ArraySpec,
    ImageLayout,
    Layout,
    arrival_order,
    order_problems,
    slice_steps,
)

from .documents import array_folder, say_shape
from .folder import ZarrFolder
from .reader import ZarrReader

_MAX_STREAMS: Final = 512  # each has 2 or 3 threads, an open file, and its chunks in memory
_QUEUE_BYTES: Final = 64 << 20


class AcquireZarrBackend(ZarrFolder):
    """Writes Zarr version 3 arrays through acquire-zarr, one stream an image.

    A stream is opened for its image's first frame, and closed when the image is full.
    It writes the array alone, so that our documents are never touched. acquire-zarr has no
    flush: a write that returned is certainly on disk only when its image is closed. What it
    holds until then is bounded.
    """

    name: ClassVar[str] = "acquire-zarr"
    is_sequential: ClassVar[bool] = True
    reorders: ClassVar[bool] = True
    compressions: ClassVar[Levels] = {"blosc": (0, 9, 5)}
    why_no_levels: ClassVar[str] = (
        "acquire-zarr rounds means down, and lists levels before they are complete. Use another "
        "backend, or run `pymmcore-ome levels` afterward"
    )

    def __init__(self) -> None:
        super().__init__()
        self._arrays: dict[int, AcquireArray] = {}
        self._open_at_once = 1
        self._orders: dict[ArraySpec, tuple[int, ...]] = {}

    @classmethod
    def refusals(cls, layout: Layout, options: BackendOptions) -> list[str]:
        order = order_problems(layout, reorders=True)
        reasons = [*super().refusals(layout, options), *order.reasons]
        for dtype in {image.dtype for image in layout.images} - set(DTYPES):
            reasons.append(f"dtype {dtype} is not one of {', '.join(DTYPES)}")
        limit = min(_MAX_STREAMS, max_open_files() // 2)
        if order.open_at_once > limit:
            reasons.append(
                f"{order.open_at_once} images would be open at once, and here at most {limit} "
                "can: acquire one position after the other, or use the backend tensorstore"
            )
        return [f"acquire-zarr: {reason}" for reason in reasons]

    def create(self, place: StoreLocation, layout: Layout, options: BackendOptions) -> None:
        layout = layout.with_specs(_with_shards)
        super().create(place, layout, options)
        self._open_at_once = order_problems(layout, reorders=True).open_at_once
        self._orders = {spec: arrival_order(layout, spec) for spec in layout.specs}

    def add(self, image: ImageLayout) -> None:
        super().add(image.with_spec(_with_shards(image.spec)))

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
        """Read an image that is full; of others, it is unknown which frames are on disk."""
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

        def unopened(error: Exception) -> OSError:
            return OSError(f"acquire-zarr could not open image {image.path!r}: {error}")

        with MapErrors(unopened, RuntimeError):
            return AcquireArray(
                array_folder(self._root, image),
                image,
                self._orders[image.spec],
                blosc_level=None if codec is None else codec[1],
                threads=0 if self._open_at_once == 1 else 1,
                queue_bytes=_QUEUE_BYTES // self._open_at_once,
            )


def _with_shards(spec: ArraySpec) -> ArraySpec:
    """Return the array as acquire-zarr stores it: always in shards, if of one chunk each.

    So the document that is there from the beginning is the one that it writes at the end.
    """
    if spec.shard_shape is not None:
        return spec
    axes = [
        replace(axis, shard_size=chunk)
        for axis, chunk in zip(spec.axes, spec.chunk_shape, strict=True)
    ]
    return replace(spec, axes=tuple(axes))


DTYPES: Final = tuple(name.lower() for name in az.DataType.__members__)
_KINDS: Final = {
    "time": az.DimensionType.TIME,
    "channel": az.DimensionType.CHANNEL,
    "space": az.DimensionType.SPACE,
    "other": az.DimensionType.OTHER,
}
_PAUSE_S: Final = 0.001
_STUCK_S: Final = 20.0


class AcquireArray:
    """Writes one array. Opened for its first frame, ended when it is full.

    Parameters
    ----------
    folder : Path
        Of the array; it is there, with our document in it.
    image : ImageLayout
    order : tuple of int
        The axes but y and x, as frames arrive, slowest first.
    blosc_level : int or None
        None: no compression.
    threads : int
        0: as many as acquire-zarr chooses.
    queue_bytes : int
        Bytes that acquire-zarr may hold in addition to the shards that it has to gather.

    Attributes
    ----------
    is_down : bool
        Whether the array was ended, and everything reached the disk.
    """

    def __init__(
        self,
        folder: Path,
        image: ImageLayout,
        order: tuple[int, ...],
        blosc_level: int | None,
        threads: int,
        queue_bytes: int,
    ) -> None:
        self.is_down = False
        self._folder = folder
        self._image = image
        self._dtype = np.dtype(image.dtype)
        self._plane_bytes = self._dtype.itemsize * prod(image.shape[-2:])
        self._order = order
        self._steps = slice_steps(image.spec, order)
        self._planes = image.spec.slice_count
        self._written = 0  # planes, holes among them
        self._begun_shards = 0  # along the first axis, whose file has pixels
        self._shard_planes = self._planes_of_a_shard()
        self._allowed_planes = max(1, queue_bytes // self._plane_bytes) + 2 * self._shard_planes
        settings = az.StreamSettings(
            store_path=str(folder),
            arrays=[_array_settings(image, order, blosc_level)],
            max_threads=threads,
            overwrite=False,  # True deletes the folder
        )
        self._stream: az.ZarrStream | None = az.ZarrStream(settings)

    @property
    def is_full(self) -> bool:
        """Whether the last plane was written."""
        return self._written == self._planes

    def write(self, start: tuple[int, ...], block: NDArray[np.generic]) -> None:
        """Write a block that follows all earlier blocks; a gap reads as 0.

        Waits while acquire-zarr holds more bytes than it may: by itself it would accept
        frames until the memory is full.

        Raises
        ------
        ValueError
            When the block cannot be written where it belongs.
        OSError
            When acquire-zarr or the disk refuses. The array is then ended.
        """
        first = self._first_plane(start, block)
        if self._stream is None:
            raise OSError("this array was ended by an error before")
        if not self._folder.is_dir():  # acquire-zarr would make it anew, and say nothing
            raise FileNotFoundError(f"{self._folder} was deleted while it was written")
        with MapErrors(self._stopped, RuntimeError):
            if first > self._written:
                self._stream.skip((first - self._written) * self._plane_bytes)
            arrived = block.transpose(*self._order, -2, -1)
            self._stream.append(np.ascontiguousarray(arrived))
        self._written = first + prod(block.shape[:-2])
        self._wait()

    def end(self) -> None:
        """Write everything, and restore the planned shape in the array's document.

        Raises
        ------
        OSError
            When not everything reached the disk.
        """
        if self._stream is None:
            return
        was_there = self._folder.is_dir()
        stream, self._stream = self._stream, None
        with MapErrors(self._unfinished, RuntimeError):
            stream.close()
        if not was_there:
            shutil.rmtree(self._folder, ignore_errors=True)  # made anew by the close
            raise FileNotFoundError(f"{self._folder} was deleted while it was written")
        self._check_shape(self._say_shape())
        self.is_down = True

    def _stopped(self, error: Exception) -> OSError:
        self.drop()
        return OSError(f"acquire-zarr stopped: {error}")

    def _unfinished(self, error: Exception) -> OSError:
        return OSError(f"acquire-zarr could not finish {self._folder}: {error}")

    def drop(self) -> None:
        """Release the stream, after an error that was already raised."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(RuntimeError):
                stream.close()
            with contextlib.suppress(OSError, ValueError, KeyError):
                self._say_shape()

    def _first_plane(self, start: tuple[int, ...], block: NDArray[np.generic]) -> int:
        """Return the number of a block's first plane; refuse what cannot be written there."""
        image, planes = self._image, [block.shape[axis] for axis in self._order]
        sizes = [image.shape[axis] for axis in self._order]
        what = f"a block of {block.shape} {block.dtype} at {start} of image {image.path!r}"
        fits = (
            block.dtype == self._dtype
            and block.ndim == len(start) == len(image.axes)
            and block.shape[-2:] == image.shape[-2:]
            and all(
                at >= 0 and (axis.size is None or at + size <= axis.size)
                for at, size, axis in zip(start, block.shape, image.axes, strict=True)
            )
        )
        if not fits:
            raise ValueError(f"{what}: the array is {image.shape} {self._dtype}")
        wide = next((number for number, size in enumerate(planes) if size > 1), len(planes))
        if planes[wide + 1 :] != sizes[wide + 1 :]:
            raise ValueError(f"{what}: it is not in one piece in the order of arrival")
        first = sum(at * step for at, step in zip(start, self._steps, strict=False))
        if first < self._written:
            raise ValueError(
                f"{what}: it is plane {first}, but {self._written} planes are written already; "
                "frames must arrive in the order of the plan"
            )
        return first

    def _planes_of_a_shard(self) -> int:
        """Return the planes of one step of shards along the first axis."""
        if not self._steps:
            return 1
        return (self._image.spec.write_shape)[0] * self._steps[0]

    def _wait(self) -> None:
        """Wait while too many planes are not on disk yet.

        acquire-zarr bounds its queue of frames, but not that of its compressor (0.10), and
        `get_current_memory_usage` leaves the latter out. So the files are looked at: they are
        made in order, and empty until their first chunk is there. A disk that does nothing at
        all ends the wait; acquire-zarr then raises at the next frame, or at the end.
        """
        since = time.monotonic()
        while self._written - self._begun_shards * self._shard_planes > self._allowed_planes:
            if self._has_pixels(self._begun_shards):
                self._begun_shards += 1
                since = time.monotonic()
            elif time.monotonic() - since > _STUCK_S:
                return
            else:
                time.sleep(_PAUSE_S)

    def _has_pixels(self, shard: int) -> bool:
        """Whether the last file of this step of shards has any bytes."""
        shape = self._image.spec.write_shape
        last = [-(-size // step) - 1 for size, step in zip(self._image.shape, shape, strict=True)]
        path = self._folder.joinpath("c", str(shard), *map(str, last[1:]))
        try:
            return path.stat().st_size > 0
        except OSError:
            return False

    def _say_shape(self) -> list[int]:
        """Put the planned shape into the document; return what acquire-zarr had put there.

        That is as far as it wrote; where the plan goes on, everything reads as 0.
        """
        shape = list(self._image.shape)
        if self._planes is None:
            shape[0] = self._rows()
        return say_shape(self._folder, shape, self._image.axis_names)

    def _check_shape(self, found: list[int]) -> None:
        expected = [self._rows(), *self._image.shape[1:]]
        if found != expected:
            raise OSError(f"{self._folder}: acquire-zarr stored {found}, expected {expected}")

    def _rows(self) -> int:
        """Return how far along the first axis was written."""
        return -(-self._written // self._steps[0]) if self._steps else self._image.shape[0]


def _array_settings(
    image: ImageLayout, order: Sequence[int], blosc_level: int | None
) -> az.ArraySettings:
    """Return the settings that write the array at the stream's own path, no group around it."""
    spec = image.spec
    stored = [
        az.Dimension(
            name=axis.name,
            kind=_KINDS[axis.kind],
            array_size_px=axis.size or 0,  # 0: it grows
            chunk_size_px=chunk,
            shard_size_chunks=shard // chunk,
        )
        for axis, chunk, shard in zip(spec.axes, spec.chunk_shape, spec.write_shape, strict=True)
    ]
    settings: dict[str, Any] = {
        "dimensions": [*(stored[axis] for axis in order), *stored[-2:]],
        "data_type": np.dtype(image.dtype),
    }
    if list(order) != sorted(order):
        settings["storage_dimension_order"] = list(spec.axis_names)
    if blosc_level is not None:
        settings["compression"] = az.CompressionSettings(
            compressor=az.Compressor.BLOSC1,
            codec=az.CompressionCodec.BLOSC_ZSTD,
            level=blosc_level,
            shuffle=1,
        )
    return az.ArraySettings(**settings)
