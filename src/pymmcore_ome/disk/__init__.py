"""Files and folders, and everything in which operating systems differ."""

from .disk_full import DiskReserve, advice_on_write, is_disk_full
from .files import (
    default_buffer_bytes,
    free_bytes,
    make_folder,
    max_open_files,
    replace_file,
    sync_folder,
    used_bytes,
    write_all,
    write_at,
    write_plainly,
    write_whole,
)
from .location import TIFF_FOLDER_KEY, StoreLocation, read_description, read_json, root_attributes
from .lock import StoreLock
from .paths import (
    FORMATS,
    Format,
    choose_format,
    default_suffix,
    format_of_suffix,
    local_path,
    split_suffix,
)
from .speed import DiskRates, measure_disk, warm_up

__all__ = [
    "FORMATS", "TIFF_FOLDER_KEY", "DiskRates", "DiskReserve", "Format", "StoreLocation",
    "StoreLock",
    "advice_on_write", "choose_format", "default_buffer_bytes", "default_suffix",
    "format_of_suffix", "free_bytes", "is_disk_full", "local_path", "make_folder",
    "max_open_files", "measure_disk", "read_description", "read_json", "replace_file",
    "root_attributes", "split_suffix", "sync_folder", "used_bytes", "warm_up", "write_all",
    "write_at", "write_plainly", "write_whole",
]  # fmt: skip
