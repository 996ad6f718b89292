"""Pixels only: the port every backend implements, and one file a backend."""

from .port import ArrayBackend, WriteFuture
from .registry import available_backends, find_backend
from .zarr_reader import ZarrReader

__all__ = [
    "ArrayBackend", "WriteFuture", "ZarrReader", "available_backends", "find_backend",
]  # fmt: skip
