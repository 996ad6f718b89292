"""The only room with threads: open, append, the bounded buffer, close."""

from .buffer import what_to_do
from .open import open_stream
from .options import CHECKPOINT_S, STALL_S, Durability
from .plan import StorePlan, plan_store
from .progress import Progress, Summary
from .stream import Stream
from .views import ArrayView, JoinedView, View

__all__ = [
    "CHECKPOINT_S",
    "STALL_S",
    "ArrayView",
    "Durability",
    "JoinedView",
    "Progress",
    "StorePlan",
    "Stream",
    "Summary",
    "View",
    "open_stream",
    "plan_store",
    "what_to_do",
]  # fmt: skip
