"""Reading back, validation and recovery. Only `recover`, `annotate` and `confirm_proven` write."""

from .annotation import annotate
from .check_table import TableCheck
from .dataset import Dataset, open_dataset
from .image import Image, axis_coords
from .recovery import recover
from .unconfirmed import confirm_proven
from .validation import validate
from .warnings import Refused, refused_settings, store_warnings

__all__ = [
    "Dataset",
    "Image",
    "Refused",
    "TableCheck",
    "annotate",
    "axis_coords",
    "confirm_proven",
    "open_dataset",
    "recover",
    "refused_settings",
    "store_warnings",
    "validate",
]  # fmt: skip
