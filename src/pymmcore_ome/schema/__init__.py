"""Declarative models of what a store holds. Pure: no I/O, no arrays, no threads."""

from .camera import Camera
from .channel import Channel
from .dimension import Dimension
from .event_order import EventOrder
from .image_plan import ImagePlan
from .instrument import Detector, Instrument, Objective
from .plate import Plate
from .position import Position
from .storage import StorageSchema

__all__ = [
    "Camera", "Channel", "Detector", "Dimension", "EventOrder", "ImagePlan", "Instrument",
    "Objective", "Plate", "Position", "StorageSchema",
]  # fmt: skip
