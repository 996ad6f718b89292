"""A long run keeps its memory flat: two hours of frames, shortened to five minutes a format."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

import pymmcore_ome as po

from .ways import frame, schema

SECONDS = float(os.environ.get("PYMMCORE_OME_SOAK_S", "300"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_memory_is_flat(tmp_path: Path, name: str) -> None:
    """100 frames a second, unbounded; half of the time may not need 20 MB more than the start."""
    process = psutil.Process()
    frames = [frame(number) for number in range(10)]
    began, count, early = time.monotonic(), 0, 0
    options = {"chunks": {"t": 16}} if name.endswith("zarr") else {}
    with po.open_stream(tmp_path / name, schema(None, 2), **options) as stream:
        while (elapsed := time.monotonic() - began) < SECONDS:
            stream.append(frames[count % 10], metadata={"delta_t_s": elapsed, "note": "x" * 100})
            count += 1
            if not early and elapsed > SECONDS / 4:
                early = process.memory_info().rss
            time.sleep(max(0.0, began + count / 100 - time.monotonic()))
        late = process.memory_info().rss
    assert count > 90 * SECONDS
    assert late - early < 20e6, f"{(late - early) / 1e6:.1f} MB more after {count} frames"
    assert len(po.open_dataset(tmp_path / name).frames()) == count
