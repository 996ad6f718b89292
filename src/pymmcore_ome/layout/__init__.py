"""From a schema to images, arrays, chunks and addresses. Pure: no I/O, no threads."""

from .address import FrameAddress
from .growing import GrowingRouter
from .image import Axis, ImageLayout
from .layout import Layout, layout_of, with_chunks
from .occupancy import Occupancy
from .pages import PageTable, Run
from .placer import Placer
from .router import FrameRouter

__all__ = [
    "Axis", "FrameAddress", "FrameRouter", "GrowingRouter", "ImageLayout", "Layout",
    "Occupancy", "PageTable", "Placer", "Run", "layout_of", "with_chunks",
]  # fmt: skip
