"""Files and folders, and everything in which operating systems differ."""

from .files import write_whole
from .memory import default_buffer_bytes
from .store_path import (
    FORMATS,
    Format,
    check_free,
    choose_format,
    format_of_suffix,
    fresh_folder,
    local_path,
    root_attributes,
)

__all__ = [
    "FORMATS", "Format", "check_free", "choose_format",
    "default_buffer_bytes", "format_of_suffix", "fresh_folder",
    "local_path", "root_attributes", "write_whole",
]  # fmt: skip
