"""pymmcore-ome: Micro-Manager acquisitions into OME-Zarr and OME-TIFF, each frame in its place.

The public names are these. Everything is importable without a microscope; only `install`
and `Output` need pymmcore-plus, and are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from . import errors
from .backends import available_backends
from .dataset import Dataset, open_dataset, recover, validate
from .layout import FrameAddress, FrameRouter
from .schema import (
    Camera,
    Channel,
    Detector,
    Dimension,
    EventOrder,
    ImagePlan,
    Instrument,
    Objective,
    Plate,
    Position,
    StorageSchema,
)
from .stream import Progress, Stream, Summary, open_stream

if TYPE_CHECKING:
    from .acquisition import Installation, Output, install, schema_from_useq

__version__ = version("pymmcore-ome")

__all__ = [
    "Camera", "Channel", "Dataset", "Detector", "Dimension", "EventOrder", "FrameAddress",
    "FrameRouter", "ImagePlan", "Installation", "Instrument", "Objective", "Output", "Plate",
    "Position", "Progress", "StorageSchema", "Stream", "Summary", "available_backends", "errors",
    "install", "open_dataset", "open_stream", "recover", "schema_from_useq", "validate",
]  # fmt: skip

_ACQUISITION = ("Installation", "Output", "install", "schema_from_useq")


def __getattr__(name: str) -> Any:
    if name in _ACQUISITION:
        from . import acquisition

        return getattr(acquisition, name)
    if name == "napari":  # the face; napari itself is imported when something is shown
        return import_module(".napari", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
