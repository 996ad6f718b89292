"""The table of faults: each row on every way to write, asserting *raised* or *recovered*.

Kill -9 and full disks have modules of their own; failed snaps, skipped events and dropped
frames of a real run are in tests/acquisition.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from conftest import HANG_S
from helpers import delete, wait_until
from pymmcore_ome import Channel, Dimension, Position, StorageSchema, errors
from pymmcore_ome.backends.tiff.backend import TiffBackend
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend

from .ways import SHAPE, WAYS, Way, assert_listed_frames_are_right, frame, frames_listed, schema

every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)


def at(number: int) -> dict[str, int]:
    return {"t": number // 3, "p": number % 3}


def assert_proven(path: Path, frames: int) -> None:
    """Assert that so many frames are listed, right, and proven by their checksums."""
    assert assert_listed_frames_are_right(path) == frames
    problems = po.validate(path, pixels=True)
    assert not any("checksum" in p for p in problems), problems


# ------------------------------------------------------------- what the caller does: nothing lost


@every_way
def test_caller_reuses_its_buffer(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"
    buffer = np.empty(SHAPE, "uint16")
    with po.open_stream(path, schema(20), **way.options) as stream:
        for number in range(60):
            buffer[:] = frame(number)
            stream.append(buffer, at=at(number))
            buffer[:] = 0
    assert_proven(path, 60)
    assert po.validate(path, pixels=True) == []


@every_way
def test_frames_in_odd_memory(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"
    with po.open_stream(path, schema(20), **way.options) as stream:
        for number in range(60):
            pixels = frame(number)
            odd = [
                pixels.astype(">u2"),
                np.asfortranarray(pixels),
                np.repeat(pixels, 2, axis=1)[:, ::2],
                pixels,
            ][number % 4]
            odd.flags.writeable = number % 8 < 4
            stream.append(odd, at=at(number), copy=number % 3 == 0)
    assert po.validate(path, pixels=True) == []
    assert_proven(path, 60)


@every_way
def test_bad_frames_are_refused_and_lose_nothing(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"
    bad: list[tuple[Any, dict[str, Any], type[Exception]]] = [
        (frame(0)[:-1], {}, errors.FrameError),
        (frame(0).astype("int16"), {}, errors.FrameError),
        (frame(0).astype("float32"), {}, errors.FrameError),
        (np.zeros((*SHAPE, 3), "uint16"), {}, errors.FrameError),
        ("no array", {}, errors.FrameError),
        (frame(0), {"at": {"t": 20}}, errors.OutsidePlanError),
        (frame(0), {"at": {"t": 0, "p": 0}}, errors.PlacementError),
        (frame(0), {"at": {"q": 1}}, errors.OutsidePlanError),
        (frame(0), {"metadata": 3}, errors.FrameError),
    ]
    with po.open_stream(path, schema(20), **way.options) as stream:
        for number in range(60):
            stream.append(frame(number), at=at(number))
            pixels, options, error = bad[number % len(bad)]
            with pytest.raises(error):
                stream.append(pixels, **({"at": at(number + 1)} | options))
    assert po.validate(path, pixels=True) == []
    assert_proven(path, 60)


@every_way
def test_too_many_and_too_few_frames(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"
    stream = po.open_stream(path, schema(2), **way.options)
    for number in range(6):
        stream.append(frame(number))
    with pytest.raises(errors.PlanFullError):
        stream.append(frame(6))
    assert stream.close().frames_missing == 0
    assert_proven(path, 6)
    few = tmp_path / f"b{way.suffix}"
    with po.open_stream(few, schema(4), **way.options) as stream:
        stream.append(frame(0))
        stream.append(frame(7), at=at(7))
    assert "10 of 12 planned frames are missing" in po.validate(few, pixels=True)[0]
    assert_proven(few, 2)


@every_way
def test_cancel_in_the_middle_leaves_a_valid_store(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"

    def run() -> None:
        with po.open_stream(path, schema(20), **way.options) as stream:
            for number in range(31):
                stream.append(frame(number), at=at(number))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert po.open_dataset(path).status == "canceled"
    assert_proven(path, 31)


@every_way
def test_metadata_that_json_cannot_hold(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"
    loop: dict[str, Any] = {}
    loop["itself"] = loop
    odd = [
        {"nan": float("nan"), "x_um": float("inf"), "delta_t_s": "soon"}, {"set": {1, 2}},
        {"array": np.arange(3), "object": object()}, {1: "number as key"}, loop,
        {"half": "\ud800", "bytes": b"\xff\x00"}, {"big": 10**400, "exposure_ms": 10**400},
        {"image": "another", "index": (9,), "arrival": -1, "checksum": "0"},
    ]  # fmt: skip
    with po.open_stream(path, schema(20), **way.options) as stream:
        for number in range(60):
            stream.append(frame(number), at=at(number), metadata=odd[number % len(odd)])
    assert po.validate(path, pixels=True) == []
    assert_proven(path, 60)


@every_way
def test_hostile_names(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"
    names = ["<&>\"'", "a\nb\x00c", "ÅΩ漢字🔬", "]]>-->", "&#181;", "x" * 2000]
    for name in ("../evil", "a/b", "OME", "con", ""):
        with pytest.raises(errors.SchemaError):
            Position(name=name)
    sizes = [Dimension(name="y", size=SHAPE[0]), Dimension(name="x", size=SHAPE[1])]
    hostile = StorageSchema(
        dimensions=[
            Dimension(name="p", coords=[
                Position(name=f"p{n}", label=name) for n, name in enumerate(names)
            ]),
            Dimension(name="c", coords=[Channel(name=name, group=name) for name in names]),
            *sizes,
        ],
        dtype="uint16",
    )  # fmt: skip
    options = {key: value for key, value in way.options.items() if key != "chunks"}  # of t
    with po.open_stream(path, hostile, **options) as stream:
        for number in range(36):
            stream.append(frame(number))
    assert po.validate(path, pixels=True) == []
    dataset = po.open_dataset(path)
    assert [image.label for image in dataset.images] == names
    assert [channel.name for channel in dataset.images[5].channels] == names
    np.testing.assert_array_equal(dataset.images[5][5], frame(35))


@every_way
def test_two_writers_on_one_path(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"
    with po.open_stream(path, schema(2), **way.options) as stream:
        for overwrite in (False, True):
            with pytest.raises(errors.StoreExistsError):
                po.open_stream(path, schema(2), overwrite=overwrite, **way.options)
        for number in range(6):
            stream.append(frame(number))
    assert_proven(path, 6)


# ----------------------------------------------------------------- what the disk does: it is raised


@every_way
def test_store_deleted_while_it_is_written(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"
    stream = po.open_stream(path, schema(20), **way.options)
    stream.append(frame(0))
    wait_until(lambda: not stream.progress.bytes_in_flight or "gathered" in way.name)
    delete(path)

    def go_on() -> None:
        for number in range(1, 60):
            stream.append(frame(number), at=at(number))
        stream.close()

    with pytest.raises(errors.WriteError):
        go_on()
    with pytest.raises(errors.WriteError):
        stream.close()


@every_way
def test_disk_made_read_only_while_it_is_written(tmp_path: Path, way: Way) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a disk here; run as root on Linux ({error})")
    try:
        path = disk / f"a{way.suffix}"
        stream = po.open_stream(path, schema(20), checkpoint_s=0.05, **way.options)
        for number in range(30):
            stream.append(frame(number), at=at(number))
        wait_until(lambda: frames_listed(path) == 30 or way.name == "acquire-zarr")
        # a disk with a file open for writing does not become read-only by itself: force it
        subprocess.run(
            ["mount", "-o", "remount,ro,force", str(disk)], check=False, capture_output=True
        )
        probe = disk / "probe"
        try:
            probe.write_text("")
            probe.unlink()
        except OSError:
            with pytest.raises(errors.WriteError):
                for number in range(30, 60):
                    stream.append(frame(number), at=at(number))
                stream.close()
            with pytest.raises(errors.WriteError):
                stream.close()
        else:  # busy: the system keeps it writable, so that nothing may be lost
            for number in range(30, 60):
                stream.append(frame(number), at=at(number))
            stream.close()
            assert_proven(path, 60)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


class SlowZarr(TensorstoreBackend):
    """A disk that takes 20 ms a frame."""

    name = "slow"

    def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
        time.sleep(0.02)
        return super().write(image, start, block)


class SlowTiff(TiffBackend):
    """A disk that takes 20 ms a frame."""

    name = "slow"

    def write_frames(self, frames: Any) -> None:
        time.sleep(0.02 * len(frames))
        super().write_frames(frames)


@pytest.mark.parametrize("backend", [SlowZarr, SlowTiff])
def test_slow_disk_loses_nothing_within_the_budget(tmp_path: Path, backend: Any) -> None:
    path = tmp_path / ("a.ome.zarr" if backend is SlowZarr else "a.ome.tiff")
    budget = 5 * frame(0).nbytes
    most = 0
    with po.open_stream(path, schema(20), backend=backend, buffer_bytes=budget) as stream:
        for number in range(60):
            stream.append(frame(number), at=at(number))
            most = max(most, stream.progress.bytes_in_flight)
        assert stream.progress.blocked_s > 0
    assert most <= budget
    assert po.validate(path, pixels=True) == []


def test_full_buffer_is_raised_where_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    refused = 0
    with po.open_stream(
        path, schema(20), backend=SlowZarr, buffer_bytes=3 * frame(0).nbytes, when_full="raise"
    ) as stream:
        for number in range(60):
            while True:
                try:
                    stream.append(frame(number))
                    break
                except errors.BufferFullError:
                    refused += 1
                    time.sleep(0.005)
    assert refused > 0
    assert po.validate(path, pixels=True) == []


class StuckZarr(TensorstoreBackend):
    """A disk that takes nothing until it is told to."""

    name = "stuck"
    stuck = True

    def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
        while type(self).stuck:
            time.sleep(0.01)
        return super().write(image, start, block)


def test_disk_that_takes_nothing_is_raised_and_what_waits_is_written_later(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    StuckZarr.stuck = True
    stream = po.open_stream(
        path, schema(20), backend=StuckZarr, buffer_bytes=3 * frame(0).nbytes, stall_s=0.3
    )
    for number in range(3):
        stream.append(frame(number))
    for _ in range(2):
        with pytest.raises(errors.StalledError, match=r"No data has been written for 0\.3 s"):
            stream.append(frame(3))
    StuckZarr.stuck = False
    summary = stream.close(status="failed", reason="the disk was stuck")
    assert (summary.status, summary.frames_written) == ("failed", 3)
    assert_proven(path, 3)


# -------------------------------------------------------------------------------- a flipped byte


@every_way
def test_flipped_byte_is_named_by_its_frame(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"
    with po.open_stream(path, schema(4), **way.options) as stream:
        for number in range(12):
            stream.append(frame(number), at=at(number), metadata={"delta_t_s": number})
    assert po.validate(path, pixels=True) == []
    flip_a_byte_of(path, 7, way)
    problems = po.validate(path, pixels=True)
    named = [problem for problem in problems if "the frame at" in problem]
    if "gathered" in way.name:  # a byte of a compressed chunk may be one of any of its frames
        assert named
        assert all("image " in problem and "1" in problem for problem in named), problems
    else:
        assert len(named) == 1, problems
        assert named[0].startswith("the frame at image "), named
        assert " t 2: checksum mismatch, found " in named[0]


def flip_a_byte_of(path: Path, number: int, way: Way) -> None:
    """Change one byte in the middle of the pixels of a frame."""
    t, p = at(number)["t"], at(number)["p"]
    if path.suffix == ".zarr":
        chunks = path / str(p) / "0" / "c"
        file = chunks / str(t) / "0" / "0"
        file = file if file.exists() else chunks / "0" / "0" / "0"
        start, size = 0, file.stat().st_size
        document = json.loads((path / str(p) / "0" / "zarr.json").read_bytes())
        if "native" in way.name and document["codecs"][0]["name"] == "sharding_indexed":
            start, size = np.frombuffer(file.read_bytes()[-16 * 4 - 4 : -4], "<u8")[2 * t :][:2]
            start, size = int(start), int(size)
    else:
        import tifffile

        file = path / f"{p}.ome.tiff" if path.is_dir() else path
        with tifffile.TiffFile(file) as tiff:
            series = next(s for s in tiff.series if s.name == f"Pos{p}")
            start, size = series.pages[t].dataoffsets[0], series.pages[t].databytecounts[0]
    with file.open("r+b") as data:
        data.seek(start + size // 2)
        byte = data.read(1)[0]
        data.seek(start + size // 2)
        data.write(bytes([byte ^ 0x55]))


# ------------------------------------------------------------------------------------- memory

FAST_SOURCE = """
import sys
import psutil
sys.path.insert(0, sys.argv[1])
import numpy as np
import pymmcore_ome as po
from pymmcore_ome import Dimension, StorageSchema
from faults.test_table import SlowTiff, SlowZarr
backend = SlowZarr if sys.argv[2].endswith("zarr") else SlowTiff
sizes = [Dimension(name="y", size=1024), Dimension(name="x", size=1024)]
small = StorageSchema(dimensions=[Dimension(name="t", size=1), *sizes], dtype="uint16")
frame = np.ones((1024, 1024), "uint16")
with po.open_stream(sys.argv[2] + ".first" + sys.argv[2][-9:], small, backend=backend) as stream:
    stream.append(frame)  # everything is imported and set up
memory = psutil.Process().memory_info  # not ru_maxrss: a child begins with that of its parent
before = most = memory().rss
schema = small.replace(dimensions=[Dimension(name="t", size=120), *sizes])
with po.open_stream(sys.argv[2], schema, backend=backend, buffer_bytes=100 << 20) as stream:
    for _ in range(120):
        stream.append(frame)
        most = max(most, memory().rss)
print((most - before) / 1e6)
"""


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_memory_stays_under_the_budget_when_the_source_is_faster(tmp_path: Path, name: str) -> None:
    """240 MB of frames through a budget of 100 MB: at most 150 MB beside it."""
    arguments = [sys.executable, "-c", FAST_SOURCE, str(Path(__file__).parents[1])]
    ended = subprocess.run(
        [*arguments, str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
    )
    assert 50 < float(ended.stdout) < 100 + 150
