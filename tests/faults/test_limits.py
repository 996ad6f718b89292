"""The limits of a store, one test each: sizes that are odd, large, or beyond what a disk holds.

``pytest -n 0 -m slow -s tests/faults/test_limits.py`` prints the figures of the documentation.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import pymmcore_ome as po
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.backends.tiff import backend as tiff_backend

FORMS = ["a.ome.zarr", "a.ome.tiff"]
PLANNED = 2**31
DAY_S = 86_400.0


def schema(shape: tuple[int, int], dtype: str = "uint16", **sizes: int | None) -> StorageSchema:
    sizes |= dict(zip("yx", shape, strict=True))
    dims = [Dimension(name=name, size=size) for name, size in sizes.items()]
    return StorageSchema(dimensions=dims, dtype=dtype)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (1, 100_001), (100_001, 1), (17, 31)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_frames_of_any_shape_are_stored(
    tmp_path: Path, form: str, compression: str | None, shape: tuple[int, int], dtype: str
) -> None:
    count = shape[0] * shape[1]
    frames = np.stack([np.arange(count).reshape(shape) % 251 + n for n in range(3)]).astype(dtype)
    with po.open_stream(tmp_path / form, schema(shape, dtype, t=3), compression=compression) as s:
        for frame in frames:
            s.append(frame)
    np.testing.assert_array_equal(po.open_dataset(tmp_path / form).images[0][:], frames)
    assert po.validate(tmp_path / form, pixels=True) == []


def test_2_billion_planned_frames_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, schema((4, 4), t=PLANNED)) as stream:
        for place in (0, 1, PLANNED - 1):
            stream.append(np.full((4, 4), 7, "uint16"), at={"t": place})
    image = po.open_dataset(path).images[0]
    assert [int(image[t].max()) for t in (0, 1, 2, PLANNED - 1)] == [7, 7, 0, 7]
    (problem,) = po.validate(path, pixels=True)
    assert problem.startswith(f"{PLANNED - 3} of {PLANNED} planned frames are missing")


def test_tiff_whose_pages_do_not_fit_on_the_disk_is_refused_before_it_fills_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiff_backend, "free_bytes", lambda _: 100_000_000_000)
    with pytest.raises(errors.StorePathError, match=r"the pages of 2147483648 frames take 592\.0"):
        po.open_stream(tmp_path / "a.ome.tiff", schema((4, 4), t=PLANNED))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_clock_that_jumps_changes_nothing(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, jump = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    with po.open_stream(tmp_path / form, schema((4, 4), t=50), checkpoint_s=0.01) as stream:
        for number in range(50):
            jump = [0.0, -30 * 365 * DAY_S, 400 * DAY_S, -3600.0, 3600.0][number // 10]
            stream.append(np.full((4, 4), number, "uint16"))
    assert po.validate(tmp_path / form, pixels=True) == []


SCARCE = """
import resource, sys
import numpy as np
import pymmcore_ome as po
from pymmcore_ome.testing.backend_contract import loops

path, frame = sys.argv[1], np.ones((6, 8), "uint16")
po.open_stream(path + "x.ome.tiff", loops({"t": 1})).close()  # imports what is needed
po.open_stream(path + "x.ome.zarr", loops({"t": 1})).close()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
most = used + (160 << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
kept = []
stream = po.open_stream(path, loops({"t": 100_000}))
appended = 0
try:
    while True:
        kept.append(np.ones(1 << 20, "uint8"))
        stream.append(frame)
        appended += 1
except MemoryError:
    kept.clear()
stream.close()
print(appended)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="RLIMIT_AS is of Linux")
@pytest.mark.parametrize("form", FORMS)
def test_program_without_memory_keeps_what_it_appended(tmp_path: Path, form: str) -> None:
    path = tmp_path / form
    done = subprocess.run(
        [sys.executable, "-c", SCARCE, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    appended = int(done.stdout)
    dataset = po.open_dataset(path)
    assert appended > 10
    assert len(dataset.frames()) == appended
    assert [one for one in po.validate(path, pixels=True) if "missing" not in one] == []


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_frame_of_more_than_2_gib_is_stored(tmp_path: Path, form: str) -> None:
    side = 33_000
    frame = np.zeros((side, side), "uint16")
    frame[0, 0], frame[-1, -1] = 3, 7
    with po.open_stream(tmp_path / form, schema((side, side), t=1), buffer_bytes=3 << 30) as stream:
        stream.append(frame, copy=False)
    image = po.open_dataset(tmp_path / form).images[0]
    assert (image[0, 0, 0], image[0, -1, -1]) == (3, 7)
    assert po.validate(tmp_path / form, pixels=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_million_frames_are_written_in_little_memory(tmp_path: Path, form: str) -> None:
    count = 1_000_000
    frame = np.ones((32, 32), "uint16")
    stream = po.open_stream(tmp_path / form, schema((32, 32), t=count), buffer_bytes=64 << 20)
    begin = time.perf_counter()
    for number in range(count):
        frame[0, 0] = number % 65536
        stream.append(frame)
    while stream.progress.frames_written < count:
        time.sleep(0.01)
    written, before = time.perf_counter(), resident_mb()
    stream.close()
    closed = time.perf_counter()
    print(
        f"{form}: {count / (written - begin):.0f} frames/s, {before:.0f} MB, "
        f"closed in {closed - written:.1f} s, {resident_mb():.0f} MB"
    )
    assert po.validate(tmp_path / form) == []


def resident_mb() -> float:
    """Return the memory that this process uses."""
    import psutil

    return float(psutil.Process().memory_info().rss) / 1e6
