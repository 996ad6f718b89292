"""Pixels only: the port every backend implements, and one file a backend."""

from .port import ArrayBackend, WriteFuture
from .registry import available_backends, find_backend

__all__ = ["ArrayBackend", "WriteFuture", "available_backends", "find_backend"]
