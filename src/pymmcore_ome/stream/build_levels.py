"""`build_levels`: make the resolution levels of a store that is closed."""

from __future__ import annotations

import os
import time

from pymmcore_ome.dataset import levels_of_tiff, make_levels, open_dataset
from pymmcore_ome.disk import StoreLock
from pymmcore_ome.errors import OptionError
from pymmcore_ome.layout import Downsample, LevelCount

from .options import SaveOptions
from .progress import Summary


def build_levels(
    path: str | os.PathLike[str],
    *,
    levels: LevelCount = "auto",
    downsample: Downsample = "mean",
    overwrite: bool = False,
) -> Summary:
    """Make the resolution levels of a closed store, of either format.

    No document lists a level before all are complete: should the program be stopped, run it
    again. The frames are not changed. The pages of an OME-TIFF cannot get levels later: it must
    have been written with `levels`.

    Parameters
    ----------
    path : path-like
    levels : int or ``"auto"``
        As `open_stream`. ``"auto"``, for an OME-TIFF: those that it was made for.
    downsample : ``"mean"`` | ``"nearest"``
        As `open_stream`.
    overwrite : bool
        Replace levels that are there.

    Returns
    -------
    Summary
        `frames_written`: the frames that have levels now; `bytes_written`: the pixels of these
        levels.

    Raises
    ------
    OptionError
        Levels that the images cannot have, or for which an OME-TIFF was not made.
    StoreExistsError
        When levels are there, and `overwrite` is off; or while a program writes to the store.
    NotAStoreError
        When the path is not a store of this package.
    StorePathError
        When the store was never closed; recover it first.
    OSError
        When something cannot be written; no document lists a level then.
    """
    began = time.monotonic()
    plan = SaveOptions(levels=levels, downsample=downsample).level_plan
    if plan is None:
        raise OptionError(f"levels must be 2 to 8, or 'auto', got {levels!r}.")
    location = open_dataset(path).location
    lock = StoreLock(location)
    lock.acquire()
    try:
        dataset = open_dataset(path)
        made = make_levels(dataset, levels_of_tiff(dataset, plan), overwrite=overwrite)
    finally:
        lock.release()
    record = dataset.record
    return Summary(
        path=dataset.path,
        status=record.status,
        reason=record.reason,
        frames_planned=dataset.layout.frame_count,
        frames_written=made.frames,
        frames_skipped=record.frames.get("skipped") or 0,
        bytes_written=made.nbytes,
        duration_s=time.monotonic() - began,
    )
