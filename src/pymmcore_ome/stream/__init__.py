"""The only room with threads: open, append, the bounded buffer, close."""

from .open import open_stream
from .progress import Progress, Summary
from .stream import Stream

__all__ = ["Progress", "Stream", "Summary", "open_stream"]
