"""The frame table: which frames were stored, where, and what is known of each."""

from .journal import TABLE_NAME, Journal, read_table
from .record import COLUMNS, FrameFacts, FrameRecord, json_bytes

__all__ = [
    "COLUMNS",
    "TABLE_NAME",
    "FrameFacts",
    "FrameRecord",
    "Journal",
    "json_bytes",
    "read_table",
]
