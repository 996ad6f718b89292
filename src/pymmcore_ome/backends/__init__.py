"""Pixels only: the port every backend implements, and one file a backend."""

from .options import FILES, BackendOptions, Files
from .port import ArrayBackend, PlaneReader, WriteFuture
from .registry import available_backends, find_backend
from .selection import Picks, selected_shape, split_selection
from .tiff_description import describe_existing
from .tiff_pages import TiffPages
from .tiff_reader import TiffReader
from .zarr_array import array_folder, say_shape
from .zarr_reader import ZarrReader

__all__ = [
    "FILES", "ArrayBackend", "BackendOptions", "Files", "Picks", "PlaneReader", "TiffPages",
    "TiffReader", "WriteFuture", "ZarrReader", "array_folder", "available_backends",
    "describe_existing", "find_backend", "say_shape", "selected_shape", "split_selection",
]  # fmt: skip
