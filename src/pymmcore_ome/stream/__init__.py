"""The only room with threads: open, append, the bounded buffer, close."""

from .array_view import ArrayView
from .joined_view import JoinedView
from .open import open_stream
from .plan import StorePlan, plan_store
from .progress import Progress, Summary
from .stream import Stream
from .view import View

__all__ = [
    "ArrayView", "JoinedView", "Progress", "StorePlan", "Stream", "Summary", "View", "open_stream",
    "plan_store",
]  # fmt: skip
