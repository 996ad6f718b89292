"""From a schema to images, arrays, chunks and addresses. Pure: no I/O, no threads."""

from .array_spec import ArraySpec, Axis, FrameAddress, ImageLayout, index_name
from .chunk_grid import ChunkGrid, boxes
from .chunking import (
    LEAST_CHUNK_BYTES,
    Chunks,
    Shards,
    schema_with_default_shards,
    with_chunks,
    with_default_shards,
)
from .layout import Layout, chosen_schema, layout_of
from .level_plan import (
    MOST_LEVELS,
    Downsample,
    LevelCount,
    LevelPlan,
    halved,
    is_level_count,
    level_shape,
)
from .naming import image_name
from .page_table import PageTable, Run
from .placement import Placement, TakenPlanes
from .router import FoundPlace, FrameRouter, GrowingRouter, all_specs, grown_plan, new_position
from .sequential import OrderProblems, arrival_order, order_problems, slice_steps
from .storage_order import AXIS_RANK

__all__ = [
    "AXIS_RANK",
    "LEAST_CHUNK_BYTES",
    "MOST_LEVELS",
    "ArraySpec",
    "Axis",
    "ChunkGrid",
    "Chunks",
    "Downsample",
    "FoundPlace",
    "FrameAddress",
    "FrameRouter",
    "GrowingRouter",
    "ImageLayout",
    "Layout",
    "LevelCount",
    "LevelPlan",
    "OrderProblems",
    "PageTable",
    "Placement",
    "Run",
    "Shards",
    "TakenPlanes",
    "all_specs",
    "arrival_order",
    "boxes",
    "chosen_schema",
    "grown_plan",
    "halved",
    "image_name",
    "index_name",
    "is_level_count",
    "layout_of",
    "level_shape",
    "new_position",
    "order_problems",
    "schema_with_default_shards",
    "slice_steps",
    "with_chunks",
    "with_default_shards",
]  # fmt: skip
