"""pymmcore-ome: Micro-Manager acquisitions into OME-Zarr and OME-TIFF, each frame in its place.

The public names are these, each loaded when it is first used. Everything is importable without
a microscope; only `install` and `Output` need pymmcore-plus, and only `gui` and `napari` need
Qt.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from . import errors

if TYPE_CHECKING:
    from .acquisition import Installation, Output, install, schema_from_useq
    from .backends import available_backends
    from .dataset import Dataset, open_dataset, recover, validate
    from .layout import FrameAddress, FrameRouter
    from .schema import (
        Camera,
        Channel,
        Detector,
        Dimension,
        EventOrder,
        ImageSchema,
        Instrument,
        Objective,
        Plate,
        Position,
        StorageSchema,
    )
    from .stream import Progress, Stream, Summary, open_stream

    __version__: str

__all__ = [
    "Camera", "Channel", "Dataset", "Detector", "Dimension", "EventOrder", "FrameAddress",
    "FrameRouter", "ImageSchema", "Installation", "Instrument", "Objective", "Output", "Plate",
    "Position", "Progress", "StorageSchema", "Stream", "Summary", "available_backends", "errors",
    "install", "open_dataset", "open_stream", "recover", "schema_from_useq", "validate",
]  # fmt: skip

#: Loaded when a name of theirs is first used, so that the command starts in a moment.
_FACES: Final = ("gui", "napari")
_ROOMS: Final = ("schema", "layout", "backends", "dataset", "stream", "acquisition")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("pymmcore-ome")
    if name in _ROOMS or name in _FACES:  # Qt and napari are imported when something is shown
        return import_module(f".{name}", __name__)
    if name in __all__:
        for room in map(import_module, (f"{__name__}.{name}" for name in _ROOMS)):
            if name in room.__all__:
                globals()[name] = getattr(room, name)
                return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted((*__all__, "__version__"))
