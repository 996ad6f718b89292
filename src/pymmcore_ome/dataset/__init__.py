"""Reading back: datasets and validation. It writes nothing."""

from .check_table import missing_frames
from .dataset import Dataset, is_marked, open_dataset
from .image import Image, axis_coords
from .recovery import recover
from .unconfirmed import confirm_proven
from .validation import validate
from .warnings import Refused, refused_settings, store_warnings

__all__ = [
    "Dataset",
    "Image",
    "Refused",
    "axis_coords",
    "confirm_proven",
    "is_marked",
    "missing_frames",
    "open_dataset",
    "recover",
    "refused_settings",
    "store_warnings",
    "validate",
]  # fmt: skip
