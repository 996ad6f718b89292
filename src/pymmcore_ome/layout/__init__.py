"""From a schema to images, arrays, chunks and addresses. Pure: no I/O, no threads."""

from .array_spec import AXIS_RANK, ArraySpec, Axis, FrameAddress, ImageLayout, index_name
from .chunk_grid import ChunkGrid, boxes
from .chunking import Chunks, with_chunks
from .layout import Layout, layout_of
from .naming import image_name
from .page_table import PageTable, Run
from .placement import Occupancy, Placement, PlaneSet
from .router import FrameRouter, GrowingRouter, grown_plan, new_position
from .sequential import Arrival, InOrder, arrival_of

__all__ = [
    "AXIS_RANK",
    "ArraySpec",
    "Arrival",
    "Axis",
    "ChunkGrid",
    "Chunks",
    "FrameAddress",
    "FrameRouter",
    "GrowingRouter",
    "ImageLayout",
    "InOrder",
    "Layout",
    "Occupancy",
    "PageTable",
    "Placement",
    "PlaneSet",
    "Run",
    "arrival_of",
    "boxes",
    "grown_plan",
    "image_name",
    "index_name",
    "layout_of",
    "new_position",
    "with_chunks",
]  # fmt: skip
