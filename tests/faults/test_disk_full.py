"""A full disk, during pixels, the frame table, and close: raised, and what is listed is right.

Needs to mount a small disk (root on Linux); elsewhere these tests are skipped.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import pymmcore_ome as po
from helpers import lines_in, wait_until
from pymmcore_ome import errors

from .ways import WAYS, Way, assert_listed_frames_are_right, frame, schema, tables_of

SHARDS = {"backend": "acquire-zarr", "chunks": {"t": 1}, "shards": {"t": 8}}
pytestmark = pytest.mark.parametrize(
    "way", [*WAYS, Way("acquire-zarr-shards", ".ome.zarr", SHARDS)], ids=lambda way: way.name
)
KB = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)],
            check=True, capture_output=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small disk here; run as root on Linux ({error})")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)


def assert_recovers(path: Path) -> None:
    """With room again, the store is finished and every listed frame is right."""
    assert po.open_dataset(path).status in ("incomplete", "failed")
    assert_listed_frames_are_right(path)
    recovered = po.recover(path)
    assert recovered.status in ("recovered", "failed")
    assert_listed_frames_are_right(path)
    wrong = [
        p for p in po.validate(path, pixels=True) if "checksum mismatch" in p or "cannot be" in p
    ]
    assert wrong == []
    assert not list(path.parent.rglob("*.reserve"))


def assert_all_that_fitted_is_listed(path: Path, frames: int) -> None:
    """Every frame that is whole on disk is listed, and every place can be read."""
    dataset = po.open_dataset(path)
    is_sequential = dataset.record.backend == "acquire-zarr"
    listed = {(row["image"], row["index"]) for row in dataset.frames()}
    for number in range(frames):
        t, p = divmod(number, 3)
        image = dataset.images[p]
        is_on_disk = t < image.shape[0] and np.array_equal(image[t], frame(number))
        is_listed = (image.path, (t,)) in listed
        # acquire-zarr may write a frame later that it refused, and does not report it
        assert is_listed or not is_on_disk or is_sequential, number
        assert is_on_disk or not is_listed, number


def test_disk_full_during_pixels(disk: Path, way: Way) -> None:
    path = disk / f"a{way.suffix}"
    stream = po.open_stream(path, schema(400), **way.options)
    # acquire-zarr tries each frame that does not fit again and again
    frames = 600 if "acquire-zarr" in way.name else 1200

    def write() -> None:
        for number in range(frames):  # of 6 KiB
            t, p = divmod(number, 3)
            stream.append(frame(number), at={"t": t, "p": p})

    with pytest.raises(errors.WriteError):
        write()
        stream.close()
    with pytest.raises(errors.WriteError):
        stream.close()
    assert po.open_dataset(path).status != "complete"
    enlarge(disk)
    assert_recovers(path)
    assert_all_that_fitted_is_listed(path, frames)


def test_disk_full_then_room_then_resume(disk: Path, way: Way) -> None:
    if "acquire-zarr" in way.name:
        pytest.skip("acquire-zarr cannot open an array again, so such a store is not resumed")
    path = disk / f"a{way.suffix}"
    stream = po.open_stream(path, schema(400), **way.options)
    with pytest.raises(errors.WriteError):
        for number in range(1200):
            t, p = divmod(number, 3)
            stream.append(frame(number), at={"t": t, "p": p})
        stream.close()
    with pytest.raises(errors.WriteError):
        stream.close()
    enlarge(disk)
    with po.open_stream(path, schema(400), resume=True, **way.options) as stream:
        for number in range(1200):
            t, p = divmod(number, 3)
            if not stream.holds({"t": t, "p": p}):
                stream.append(frame(number), at={"t": t, "p": p})
    dataset = po.open_dataset(path)
    assert (dataset.status, len(dataset.frames())) == ("complete", 1200)
    assert 0 < dataset.runs[0]["frames"] < 1200
    assert po.validate(path, pixels=True) == []
    assert_all_that_fitted_is_listed(path, 1200)


def test_disk_full_during_the_frame_table(disk: Path, way: Way) -> None:
    path = disk / f"a{way.suffix}"
    stream = po.open_stream(path, schema(20), **way.options)

    def write() -> None:
        for number in range(60):  # 0.4 MB of pixels, 6 MB of metadata
            t, p = divmod(number, 3)
            stream.append(frame(number), at={"t": t, "p": p}, metadata={"note": "n" * 100 * KB})

    with pytest.raises(errors.WriteError):
        write()
        stream.close()
    with pytest.raises(errors.WriteError):
        stream.close()
    assert po.open_dataset(path).status != "complete"
    enlarge(disk)
    assert_recovers(path)
    assert_all_that_fitted_is_listed(path, 60)


@pytest.mark.parametrize("reserve_bytes", [0, 1 << 20])
def test_disk_full_during_close(
    disk: Path, way: Way, reserve_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymmcore_ome.frames.table._RESERVE_BYTES", reserve_bytes)
    path = disk / f"a{way.suffix}"
    stream = po.open_stream(path, schema(20), checkpoint_s=0.05, **way.options)
    for number in range(60):
        t, p = divmod(number, 3)
        stream.append(frame(number), at={"t": t, "p": p})
    wait_until(lambda: lines_in(*tables_of(path)) == 60)
    with pytest.raises(OSError, match="No space"), (disk / "ballast").open("wb", 0) as ballast:
        while True:
            ballast.write(bytes(4 * KB))
    if reserve_bytes:
        with suppress(errors.WriteError):  # of what the backend itself still had to write
            stream.close()
    else:
        with pytest.raises(errors.WriteError, match="could not be finished"):
            stream.close()
        assert po.open_dataset(path).status == "incomplete"
    enlarge(disk)
    if not reserve_bytes or po.open_dataset(path).status != "complete":
        assert_recovers(path)
    if "acquire-zarr" not in way.name:  # which may have had frames to bring down
        assert len(po.open_dataset(path).frames()) == 60
