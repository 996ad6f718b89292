"""What several test modules need: reading back by another library, listening to a run."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from pymmcore_plus import CMMCorePlus, mda

import pymmcore_ome as po
from conftest import HANG_S

#: The cameras of demo_configs/two_cameras.cfg, in the order of their frames.
CAMERAS = ("Left", "Right")

#: What an engine raises to skip an event; pymmcore-plus has it since 0.18.
SkipEvent: Any = getattr(mda, "SkipEvent", None)
needs_skip_event = pytest.mark.skipif(
    SkipEvent is None, reason="this pymmcore-plus cannot skip events; install 0.18 or newer"
)
needs_setup = pytest.mark.skipif(
    SkipEvent is None,
    reason="this pymmcore-plus knows no setup and no regions of events; install 0.18 or newer",
)
needs_camera_counts = pytest.mark.skipif(
    SkipEvent is None,
    reason="this pymmcore-plus tells of the active camera alone how many frames it brings; "
    "install 0.18 or newer",
)


def wait_until(holds: Callable[[], object], process: subprocess.Popen[Any] | None = None) -> None:
    """Return when something is so; fail where the process that shall do it has ended, or hangs."""
    end = time.monotonic() + HANG_S
    while not holds():
        assert process is None or process.poll() is None, "the process ended before"
        assert time.monotonic() < end, "it does not come to be"
        time.sleep(0.005)


def lines_in(*files: Path) -> int:
    """Return how many whole lines files have that another program writes, 0 where there is none."""
    count = 0
    for file in files:
        with suppress(FileNotFoundError):  # or which is being renamed
            count += file.read_bytes().count(b"\n")
    return count


def delete(store: Path) -> None:
    """Delete a store into which a library may be making a file at this moment."""

    def is_gone() -> bool:
        if store.is_dir():
            shutil.rmtree(store, ignore_errors=True)
        else:
            store.unlink(missing_ok=True)
        return not store.exists()

    wait_until(is_gone)


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
        # pymmcore-plus 0.17 writes the camera of a burst's next frame into the same event
        cam = (
            {"cam": CAMERAS.index(meta["camera_device"])}
            if meta["camera_device"] in CAMERAS
            else {}
        )
        own = event.model_copy(update={"index": {**event.index, **cam}})
        got.append((image.copy(), own, meta))

    core.mda.events.frameReady.connect(on_frame)
    try:
        yield got
    finally:
        core.mda.events.frameReady.disconnect(on_frame)


def marks_of(path: Path) -> list[Any]:
    """Return what each frame of a store says that was not as asked."""
    return [row["metadata"].get("not_as_asked") for row in po.open_dataset(path).frames()]
