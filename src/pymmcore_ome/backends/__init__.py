"""Pixels only: the port every backend implements, and one file a backend."""

from typing import TYPE_CHECKING

from .compression import TIFF_LEVELS, ZARR_LEVELS
from .downsample import Downsampler, warn_without_opencv
from .levels import (
    file_writer,
    level_writer,
    read_frame,
    stored_tiff_levels,
    whole_files,
    write_levels_from_disk,
    zarr_levels,
)
from .port import (
    FILES,
    ArrayBackend,
    BackendOptions,
    Files,
    FrameWrite,
    LevelWriter,
    PartialWriteError,
    PlaneReader,
    WriteFuture,
)
from .registry import available_backends, default_backend, find_backend
from .selection import Picks, selected_shape, split_selection
from .tiff.file import describe_existing
from .tiff.reader import TiffPages, TiffReader
from .zarr.documents import (
    array_differences,
    array_folder,
    finish_array,
    say_shape,
    shard_problems,
    stored_spec,
)
from .zarr.folder import ZarrBackend
from .zarr.reader import ZarrReader

if TYPE_CHECKING:  # reading a store needs none of it
    from .tiff.levels import StoredTiffLevels as StoredTiffLevels

__all__ = [
    "FILES",
    "TIFF_LEVELS",
    "ZARR_LEVELS",
    "ArrayBackend",
    "BackendOptions",
    "Downsampler",
    "Files",
    "FrameWrite",
    "LevelWriter",
    "PartialWriteError",
    "Picks",
    "PlaneReader",
    "TiffPages",
    "TiffReader",
    "WriteFuture",
    "ZarrBackend",
    "ZarrReader",
    "array_differences",
    "array_folder",
    "available_backends",
    "default_backend",
    "describe_existing",
    "file_writer",
    "find_backend",
    "finish_array",
    "level_writer",
    "read_frame",
    "say_shape",
    "selected_shape",
    "shard_problems",
    "split_selection",
    "stored_spec",
    "stored_tiff_levels",
    "warn_without_opencv",
    "whole_files",
    "write_levels_from_disk",
    "zarr_levels",
]  # fmt: skip
