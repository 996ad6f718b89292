"""Reading back: datasets and validation. It writes nothing."""

from .dataset import Dataset, Image, open_dataset
from .validate import validate

__all__ = ["Dataset", "Image", "open_dataset", "validate"]
