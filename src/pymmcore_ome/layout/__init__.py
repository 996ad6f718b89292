"""From a schema to images, arrays, chunks and addresses. Pure: no I/O, no threads."""

from .address import FrameAddress
from .arrival import Arrival, InOrder, arrival_of, plane_count, plane_steps
from .cells import CellGrid
from .chunking import Chunks, with_chunks
from .growing import GrowingRouter, grown_plan, new_position
from .image import Axis, ImageLayout, index_name
from .lanes import ImageAxes
from .layout import Layout, layout_of
from .occupancy import Occupancy
from .pages import PageTable, Run
from .placer import Placer
from .planes import PlaneSet
from .router import FrameRouter

__all__ = [
    "Arrival", "Axis", "CellGrid", "Chunks", "FrameAddress", "FrameRouter", "GrowingRouter",
    "ImageAxes", "ImageLayout", "InOrder", "Layout", "Occupancy", "PageTable", "Placer", "PlaneSet",
    "Run", "arrival_of", "grown_plan", "index_name", "layout_of", "new_position", "plane_count",
    "plane_steps", "with_chunks",
]  # fmt: skip
