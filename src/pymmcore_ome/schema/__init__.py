"""Declarative models of what a store holds. Pure: no I/O, no arrays, no threads."""

from .camera import PIXEL_DTYPES, Camera
from .channel import Channel
from .dimension import Dimension, Kind
from .instrument import Detector, Instrument, Objective
from .model import read_yaml
from .names import safe_name, unsafe_reason
from .position import Plate, Position
from .storage import EventOrder, ImageSchema, StorageSchema
from .units import MICROMETERS, SECONDS, UNIT_SYMBOLS

__all__ = [
    "MICROMETERS",
    "PIXEL_DTYPES",
    "SECONDS",
    "UNIT_SYMBOLS",
    "Camera",
    "Channel",
    "Detector",
    "Dimension",
    "EventOrder",
    "ImageSchema",
    "Instrument",
    "Kind",
    "Objective",
    "Plate",
    "Position",
    "StorageSchema",
    "read_yaml",
    "safe_name",
    "unsafe_reason",
]  # fmt: skip
