"""The frame table: which frames were stored, where, and what is known of each."""

from .checksum import frame_checksum
from .journal import Journal, cut_half_a_line, provisional, read_table
from .planes import PLANE_COLUMNS, PlaneTable
from .record import COLUMNS, NOT_AS_ASKED, FrameFacts, FrameRecord, json_bytes

__all__ = [
    "COLUMNS", "NOT_AS_ASKED", "PLANE_COLUMNS", "FrameFacts", "FrameRecord", "Journal",
    "PlaneTable", "cut_half_a_line", "frame_checksum", "json_bytes", "provisional", "read_table",
]  # fmt: skip
