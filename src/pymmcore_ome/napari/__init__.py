"""napari: a reader of stores, and runs of napari-micromanager that are saved by this package.

Importing this package does not import napari, which is a dependency of the extra ``napari`` only.
"""

from __future__ import annotations

from .connection import Connection, connect
from .layers import LayerData, layers_of
from .viewer import get_reader, show

__all__ = ["Connection", "LayerData", "connect", "get_reader", "layers_of", "show"]
