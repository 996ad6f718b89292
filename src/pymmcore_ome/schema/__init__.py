"""Declarative models of what a store holds. Pure: no I/O, no arrays, no threads."""

from .camera import Camera
from .channel import Channel
from .dimension import Dimension
from .plate import Plate
from .position import Position
from .storage import StorageSchema

__all__ = ["Camera", "Channel", "Dimension", "Plate", "Position", "StorageSchema"]
