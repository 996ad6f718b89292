"""The frame table: which frames were stored, where, and what is known of each."""

from .plane_metadata import PLANE_COLUMNS, PlaneMetadata
from .record import COLUMNS, NOT_AS_ASKED, FrameRecord, frame_checksum, json_bytes
from .table import FrameTableWriter, cut_half_a_line, provisional, read_table

__all__ = [
    "COLUMNS", "NOT_AS_ASKED", "PLANE_COLUMNS", "FrameRecord", "FrameTableWriter",
    "PlaneMetadata", "cut_half_a_line", "frame_checksum", "json_bytes", "provisional", "read_table",
]  # fmt: skip
