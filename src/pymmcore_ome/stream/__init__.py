"""The only room with threads: open, append, the bounded buffer, close."""

from .conversion import Conversion, convert
from .conversion_plan import ConversionPlan
from .level_maker import build_levels
from .open import open_planned, open_stream
from .options import (
    CHECKPOINT_S,
    STALL_S,
    Durability,
    SaveOptions,
    SaveOptionsDict,
    lists_options,
    one_of,
)
from .plan import StorePlan, has_store, may_replace, plan_store
from .progress import FrameCounts, Progress, Summary
from .report import (
    RunReport,
    count_text,
    duration_text,
    rate_text,
    run_report,
    size_text,
)
from .stream import Stream
from .views import ArrayView, JoinedView, View

__all__ = [
    "CHECKPOINT_S",
    "STALL_S",
    "ArrayView",
    "Conversion",
    "ConversionPlan",
    "Durability",
    "FrameCounts",
    "JoinedView",
    "Progress",
    "RunReport",
    "SaveOptions",
    "SaveOptionsDict",
    "StorePlan",
    "Stream",
    "Summary",
    "View",
    "build_levels",
    "convert",
    "count_text",
    "duration_text",
    "has_store",
    "lists_options",
    "may_replace",
    "one_of",
    "open_planned",
    "open_stream",
    "plan_store",
    "rate_text",
    "run_report",
    "size_text",
]  # fmt: skip
