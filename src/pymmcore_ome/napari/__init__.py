"""napari: a reader of our stores, and napari-micromanager's Run button saving through us.

napari itself is imported when something is shown, never by importing this package: it is no
dependency of the core, but of the extra ``napari``.
"""

from __future__ import annotations

from .connection import Connection, connect
from .layers import LayerData, layers_of
from .reader import get_reader
from .viewer import show

__all__ = ["Connection", "LayerData", "connect", "get_reader", "layers_of", "show"]
