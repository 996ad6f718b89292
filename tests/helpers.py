"""What several test modules need: reading back by another library, listening to a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from pymmcore_plus import CMMCorePlus


def read_by_zarr(store: Path, image: str) -> np.ndarray:
    """Read an image's full-resolution array with zarr-python, which did not write it."""
    return np.asarray(zarr.open_array(store / image / "0" if image else store / "0", mode="r"))


def index_of(event: Any) -> dict[str, int]:
    """Return an event's index with plain keys."""
    return {str(key): value for key, value in event.index.items()}


@contextmanager
def listening(core: CMMCorePlus) -> Iterator[list[tuple[np.ndarray, Any, Any]]]:
    """Collect every payload that frameReady delivers, independent of our package."""
    got: list[tuple[np.ndarray, Any, Any]] = []

    def on_frame(image: np.ndarray, event: Any, meta: Any) -> None:
        got.append((image.copy(), event, meta))

    core.mda.events.frameReady.connect(on_frame)
    try:
        yield got
    finally:
        core.mda.events.frameReady.disconnect(on_frame)
