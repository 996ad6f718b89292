"""Files and folders, and everything in which operating systems differ."""

from .files import make_folder, write_plainly, write_whole
from .handles import max_open_files
from .lock import StoreLock
from .memory import default_buffer_bytes
from .place import TIFF_FOLDER_KEY, Place, read_json, root_attributes
from .positioned import write_all, write_at
from .space import free_bytes, used_bytes
from .store_path import FORMATS, Format, choose_format, format_of_suffix, local_path
from .tiff_head import read_description

__all__ = [
    "FORMATS", "TIFF_FOLDER_KEY", "Format", "Place", "StoreLock", "choose_format",
    "default_buffer_bytes", "format_of_suffix", "free_bytes", "local_path", "make_folder",
    "max_open_files", "read_description", "read_json", "root_attributes", "used_bytes",
    "write_all", "write_at", "write_plainly", "write_whole",
]  # fmt: skip
