"""Reading back: datasets and validation. It writes nothing."""

from .dataset import Dataset, open_dataset
from .holes import missing_frames
from .image import Image, axis_coords
from .provisional import confirm_proven
from .recover import recover
from .validate import validate

__all__ = [
    "Dataset", "Image", "axis_coords", "confirm_proven", "missing_frames", "open_dataset",
    "recover", "validate",
]  # fmt: skip
