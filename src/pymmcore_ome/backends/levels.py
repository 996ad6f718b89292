"""Which `LevelWriter` a store has, and the levels of frames that are on disk already.

It knows neither the frame table nor the documents that list levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.disk import StoreLocation
from pymmcore_ome.layout import ImageLayout, LevelPlan, PageTable
from pymmcore_ome.schema import Dimension

from .downsample import warn_without_opencv
from .port import ArrayBackend, BackendOptions, FrameWrite, LevelWriter, PlaneReader

if TYPE_CHECKING:
    from .tiff.backend import TiffBackend
    from .tiff.levels import StoredTiffLevels
    from .zarr.whole_files import FileWriter, WholeFiles


_BATCH_BYTES: Final = 4 << 20


def level_writer(
    backend: ArrayBackend,
    location: StoreLocation,
    images: Sequence[ImageLayout],
    options: BackendOptions,
    loops: Sequence[Dimension],
) -> LevelWriter | None:
    """Return what writes the levels of a store that a backend writes; None without levels.

    Parameters
    ----------
    backend : ArrayBackend
        After `create`.
    location : StoreLocation
    images : sequence of ImageLayout
        It may grow.
    options : BackendOptions
        As the backend has them.
    loops : sequence of Dimension
        As `LevelPlan.level_spec`.
    """
    if options.levels is None:
        return None
    if options.levels.downsample == "mean":
        warn_without_opencv()
    if location.format == "ome-zarr":
        return zarr_levels(location.path, images, options, loops)
    from .tiff.levels import TiffLevels

    tiff: TiffBackend = backend  # type: ignore[assignment]  # the one that has `makes_levels`
    return TiffLevels(options.levels, images, tiff)


def zarr_levels(
    root: Path,
    images: Sequence[ImageLayout],
    options: BackendOptions,
    loops: Sequence[Dimension] = (),
) -> LevelWriter:
    """Return what writes the levels of an OME-Zarr store, whatever wrote its frames."""
    from .zarr.levels import ZarrLevels  # here, because reading a store needs none of it

    return ZarrLevels(root, images, options, loops)


def whole_files() -> type[WholeFiles]:
    """Return the backend that makes the arrays of a converted OME-Zarr store."""
    from .zarr.whole_files import WholeFiles  # here, because reading a store needs none of it

    return WholeFiles


def file_writer(
    root: Path,
    images: Sequence[ImageLayout],
    options: BackendOptions,
    loops: Sequence[Dimension],
    *,
    in_threads: bool = False,
) -> FileWriter:
    """Return what writes whole shards, or chunks, of an OME-Zarr store; see `FileWriter`."""
    from .zarr.whole_files import FileWriter

    return FileWriter(root, images, options, loops, in_threads=in_threads)


def stored_tiff_levels(
    plan: LevelPlan,
    images: Sequence[ImageLayout],
    paths: Mapping[int, Path],
    pages: PageTable,
    compression: str | None,
) -> StoredTiffLevels:
    """Return what writes the levels of a closed OME-TIFF; see `StoredTiffLevels`."""
    from .tiff.levels import StoredTiffLevels

    return StoredTiffLevels(plan, images, paths, pages, compression)


def write_levels_from_disk(
    levels: LevelWriter,
    reader: Callable[[int], PlaneReader | None],
    frames: Iterable[tuple[int, tuple[int, ...]]],
) -> None:
    """Write the levels of frames that are on disk.

    Parameters
    ----------
    levels : LevelWriter
    reader : callable
        Returns what reads an image at full resolution, by its number.
    frames : iterable of (image number, index)
        Those of an image are best together.

    Raises
    ------
    OSError
    """
    batch: list[FrameWrite] = []
    nbytes = 0
    last, reads = -1, None
    for number, index in frames:
        if number != last:
            last, reads = number, reader(number)
        if reads is None:
            raise OSError(f"image {levels.images[number].path!r} cannot be read")
        if levels.count(number) == 1:
            continue
        frame = read_frame(reads, levels.images[number], index)
        batch.append(FrameWrite(number, index, frame))
        nbytes += frame.nbytes
        if nbytes >= _BATCH_BYTES:
            levels.write(batch)
            batch, nbytes = [], 0
    if batch:
        levels.write(batch)


def read_frame(reader: PlaneReader, image: ImageLayout, index: Sequence[int]) -> NDArray[Any]:
    """Return the frame of an index: (height, width), or (height, width, 3) for RGB."""
    spec = image.spec
    picks = [
        np.arange(first, first + step) for first, step in zip(index, spec.frame_step, strict=True)
    ]
    rows, columns = (slice(0, size) for size in spec.shape[-2:])
    return np.ascontiguousarray(spec.block_to_frame(reader.read(picks, rows, columns)))
