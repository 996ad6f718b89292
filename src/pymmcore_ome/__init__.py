"""pymmcore-ome: Micro-Manager acquisitions into OME-Zarr and OME-TIFF, each frame in its place.

Public names are imported when they are first used. Only `install`, `Output` and `schema_from_useq`
import pymmcore-plus and useq, and only `gui` and `napari` import Qt; none needs a microscope.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from . import errors

if TYPE_CHECKING:
    from .acquisition import Installation, Output, install, schema_from_useq
    from .backends import available_backends
    from .dataset import Dataset, annotate, open_dataset, recover, validate
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
    from .stream import Progress, Stream, Summary, build_levels, convert, open_stream

    __version__: str

__all__ = [
    "Camera", "Channel", "Dataset", "Detector", "Dimension", "EventOrder", "FrameAddress",
    "FrameRouter", "ImageSchema", "Installation", "Instrument", "Objective", "Output", "Plate",
    "Position", "Progress", "StorageSchema", "Stream", "Summary", "annotate", "available_backends",
    "build_levels", "convert", "errors", "install", "open_dataset", "open_stream", "recover",
    "schema_from_useq", "validate",
]  # fmt: skip

_SUBPACKAGES: Final = (
    "acquisition", "backends", "dataset", "gui", "layout", "napari", "schema", "stream",
)  # fmt: skip
#: The subpackage that each public name is imported from, when it is first used.
_SOURCE: Final = {
    **dict.fromkeys(("Installation", "Output", "install", "schema_from_useq"), "acquisition"),
    "available_backends": "backends",
    **dict.fromkeys(("Dataset", "annotate", "open_dataset", "recover", "validate"), "dataset"),
    **dict.fromkeys(("FrameAddress", "FrameRouter"), "layout"),
    **dict.fromkeys(
        ("Camera", "Channel", "Detector", "Dimension", "EventOrder", "ImageSchema", "Instrument",
         "Objective", "Plate", "Position", "StorageSchema"), "schema",
    ),
    **dict.fromkeys(
        ("Progress", "Stream", "Summary", "build_levels", "convert", "open_stream"), "stream"
    ),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _SOURCE:
        value = getattr(import_module(f".{_SOURCE[name]}", __name__), name)
    elif name in _SUBPACKAGES:
        value = import_module(f".{name}", __name__)
    elif name == "__version__":
        from importlib.metadata import version

        value = version("pymmcore-ome")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted((*__all__, "__version__"))
