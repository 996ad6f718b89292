"""Reading back: datasets and validation. It writes nothing."""

from .dataset import Dataset, open_dataset
from .image import Image
from .recover import recover
from .validate import validate

__all__ = ["Dataset", "Image", "open_dataset", "recover", "validate"]
