"""Reading back: datasets and validation. It writes nothing."""

from .dataset import Dataset, is_marked, open_dataset
from .doubts import Refused, doubts, refused_settings
from .holes import missing_frames
from .image import Image, axis_coords
from .provisional import confirm_proven
from .recover import recover
from .validate import validate

__all__ = [
    "Dataset", "Image", "Refused", "axis_coords", "confirm_proven", "doubts", "is_marked",
    "missing_frames", "open_dataset", "recover", "refused_settings", "validate",
]  # fmt: skip
