"""Reading back, validation and recovery. Only `recover`, `annotate`, `make_levels` and
`confirm_proven` write.
"""

from .annotation import annotate
from .check_table import TableCheck, frame_problem
from .dataset import Dataset, flat_rows, open_dataset
from .image import Image, axis_coords
from .levels import MadeLevels, levels_of_tiff, make_levels
from .recovery import (
    close_interrupted,
    confirm_proven,
    finish_levels,
    recover,
    refuse_links,
    sound_rows,
    stored_contrast,
)
from .tasks import run_tasks, worker_count
from .validation import Refused, refused_settings, store_warnings, validate

__all__ = [
    "Dataset",
    "Image",
    "MadeLevels",
    "Refused",
    "TableCheck",
    "annotate",
    "axis_coords",
    "close_interrupted",
    "confirm_proven",
    "finish_levels",
    "flat_rows",
    "frame_problem",
    "levels_of_tiff",
    "make_levels",
    "open_dataset",
    "recover",
    "refuse_links",
    "refused_settings",
    "run_tasks",
    "sound_rows",
    "store_warnings",
    "stored_contrast",
    "validate",
    "worker_count",
]  # fmt: skip
