"""Interrupts, deletions, exits and rivals: no frame is lost without a word."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from conftest import HANG_S
from faults.ways import WAYS, Way
from helpers import read_by_zarr
from pymmcore_ome import StorageSchema, errors
from pymmcore_ome.testing import encoded_frame

SHAPE = (6, 8)

SCRIPT = """
import signal, sys, threading, time
import numpy as np
import pymmcore_ome as po
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend

class Slow(TensorstoreBackend):
    name = "slow"
    def write(self, image, start, block):
        time.sleep(0.01)
        if start[0] == 30 and interrupts:
            closing.wait()
            time.sleep(0.05)  # close has begun, and waits for this thread
            signal.raise_signal(signal.SIGINT)
        return super().write(image, start, block)

closing, interrupts = threading.Event(), len(sys.argv) > 2

dims = [po.Dimension(name=name, size=size) for name, size in (("t", 60), ("y", 4), ("x", 4))]
stream = po.open_stream(sys.argv[1], po.StorageSchema(dimensions=dims, dtype="uint8"), backend=Slow)
for n in range(60):
    stream.append(np.full((4, 4), n + 1, "uint8"))
"""


def run(script: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, words)],
        capture_output=True, text=True, timeout=HANG_S, check=False,
    )  # fmt: skip


def check_all_60(path: Path) -> None:
    assert read_by_zarr(path, "")[:, 0, 0].tolist() == list(range(1, 61))
    assert len(po.open_dataset(path).frames()) == 60


def test_interrupted_close_can_be_closed_again_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    interrupted = """
try:
    closing.set()
    stream.close()
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted")
print(stream.close().frames_written)
"""
    done = run(SCRIPT + interrupted, path, "interrupts")
    assert done.stdout.split() == ["interrupted", "60"], done.stderr
    check_all_60(path)
    assert po.open_dataset(path).status == "complete"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_program_that_ends_without_closing_loses_nothing(tmp_path: Path, way: Way) -> None:
    path = tmp_path / f"a{way.suffix}"
    levels = {"levels": 2} if "levels" in way.options else {}  # of frames as small as these
    fast = SCRIPT.replace("backend=Slow", f"**{way.options | levels}")
    script = SCRIPT if way.name == "tensorstore" else fast
    done = run(script, path)
    assert done.returncode == 0, done.stderr
    dataset = po.open_dataset(path)
    assert dataset.images[0][:, 0, 0].tolist() == list(range(1, 61))
    assert len(dataset.frames()) == 60
    assert dataset.status == "canceled"
    assert "without closing" in (dataset.record.reason or "")


@pytest.mark.parametrize("damage", ["table", "array", "replaced"])
def test_store_that_is_damaged_while_it_is_written_is_a_failure(
    tmp_path: Path, small_schema: StorageSchema, damage: str
) -> None:
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, small_schema)
    stream.append(encoded_frame(0, SHAPE))
    if damage == "array":
        (path / "1" / "0" / "zarr.json").unlink()
    else:
        (path / "frames.jsonl").unlink()
    if damage == "replaced":
        (path / "frames.jsonl").write_text("")
    with pytest.raises(errors.WriteError, match="deleted, moved or replaced"):
        stream.close()
    assert po.open_dataset(path).status == "incomplete"


def test_two_streams_on_one_path_are_refused(tmp_path: Path, small_schema: StorageSchema) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, small_schema) as first:
        for n in range(6):
            first.append(encoded_frame(n, SHAPE))
        with pytest.raises(errors.StoreExistsError, match="another stream"):
            po.open_stream(tmp_path / "." / "a.ome.zarr", small_schema, overwrite=True)
        for n in range(6, 12):
            first.append(encoded_frame(n, SHAPE))
    assert po.validate(path) == []
    po.open_stream(path, small_schema, overwrite=True).close()


@pytest.mark.parametrize("metadata", [5, "abc", [1]])
def test_frame_with_bad_metadata_is_refused_and_keeps_its_place_free(
    tmp_path: Path, small_schema: StorageSchema, metadata: Any
) -> None:
    with po.open_stream(tmp_path / "a.ome.zarr", small_schema) as stream:
        with pytest.raises(errors.FrameError, match="mapping"):
            stream.append(encoded_frame(0, SHAPE), at={"t": 1}, metadata=metadata)
        stream.append(encoded_frame(0, SHAPE), at={"t": 1}, metadata={"x_um": 2**2000})
    assert stream.close().frames_written == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda stream, frame: stream.append(frame, at=5),
        lambda stream, frame: stream.append(frame, at={"t": "x"}),
        lambda stream, frame: stream.append([[1, 2], [3]]),
        lambda stream, frame: stream.append(None),
        lambda stream, frame: stream.skip("a"),
        lambda stream, frame: stream.skip(1.5),
        lambda stream, frame: stream.skip(-1),
        lambda stream, frame: stream.close(status="foo"),
        lambda stream, frame: po.open_stream(None, None),
        lambda stream, frame: po.open_stream(b"a.zarr", None),
        lambda stream, frame: po.open_stream("x" * 300 + ".zarr", None),
        lambda stream, frame: po.open_stream("never.ome.zarr", None),
        lambda stream, frame: po.open_stream("never.ome.zarr", stream.layout.schema, backend=int),
        lambda stream, frame: po.open_stream("never.ome.zarr", stream.layout.schema, chunks=5),
        lambda stream, frame: po.open_stream(
            "never.ome.zarr", stream.layout.schema, chunks={"x": 1.5}
        ),
        lambda stream, frame: po.open_stream("never.ome.zarr", stream.layout.schema, shards=5),
        lambda stream, frame: po.open_stream(
            "never.ome.zarr", stream.layout.schema, buffer_bytes=float("nan")
        ),
        lambda stream, frame: po.open_dataset(None),
        lambda stream, frame: po.open_dataset("x" * 300),
        lambda stream, frame: po.FrameRouter(None),
        lambda stream, frame: po.Output(5),
        lambda stream, frame: po.Dimension(name="z", coords=5),
        lambda stream, frame: po.Dimension(name="z", coords=[1.0, float("nan")]),
        lambda stream, frame: po.Dimension(name="z", coords=["a", "b"]),
        lambda stream, frame: po.Dimension(name="p", coords=[{1: 2}]),
        lambda stream, frame: po.Position("a", "b", 1, 2, 3, "A", "1", 4, 5, 6, 7),
        lambda stream, frame: po.Camera("c", 1, 1, None),
        lambda stream, frame: po.Camera("c", 1, 1, "foo,,"),
        lambda stream, frame: po.StorageSchema.from_yaml("a: ["),
        lambda stream, frame: po.StorageSchema.from_yaml("1: 2"),
        lambda stream, frame: po.StorageSchema.from_yaml(None),
        lambda stream, frame: stream.layout.schema.replace(significant_bits=-5),
        lambda stream, frame: po.schema_from_useq(None, cameras=[po.Camera("c", 1, 1, "u1")]),
        lambda stream, frame: po.install(5),
    ],
)
def test_bad_input_is_always_an_error_of_ours(
    tmp_path: Path, small_schema: StorageSchema, act: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with po.open_stream(tmp_path / "a.ome.zarr", small_schema) as stream:
        with pytest.raises(errors.PymmcoreOmeError):
            act(stream, encoded_frame(0, SHAPE))
        stream.append(encoded_frame(0, SHAPE))
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]
    assert stream.close().frames_written == 1


def test_far_jump_on_a_growing_axis_costs_no_memory(tmp_path: Path) -> None:
    dims = [po.Dimension(name="t"), po.Dimension(name="y", size=2), po.Dimension(name="x", size=2)]
    with po.open_stream(
        tmp_path / "a.ome.zarr", po.StorageSchema(dimensions=dims, dtype="uint8")
    ) as stream:
        for _ in range(2):
            try:
                stream.append(np.ones((2, 2), "uint8"), at={"t": 2**40})
            except errors.RepeatedFrameError:
                break
        else:
            pytest.fail("the repeated frame was accepted")
    assert po.open_dataset(tmp_path / "a.ome.zarr").images[0].shape[0] == 2**40 + 1


def test_many_producers_lose_no_frame(tmp_path: Path, small_schema: StorageSchema) -> None:
    with po.open_stream(tmp_path / "a.ome.zarr", small_schema, buffer_bytes=200) as stream:
        router = po.FrameRouter(small_schema)
        threads = [
            threading.Thread(
                target=lambda n=n: stream.append(encoded_frame(n, SHAPE), at=router.index_of(n))
            )
            for n in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for n, address in enumerate(po.FrameRouter(small_schema)):
        found = read_by_zarr(tmp_path / "a.ome.zarr", address.image)[address.index]
        np.testing.assert_array_equal(found, encoded_frame(n, SHAPE))


FORK = """
import multiprocessing, os, sys
import numpy as np
import pymmcore_ome as po

def nothing():
    pass

dims = [po.Dimension(name=name, size=size) for name, size in (("t", 2), ("y", 4), ("x", 4))]
stream = po.open_stream(sys.argv[1], po.StorageSchema(dimensions=dims, dtype="uint8"))
stream.append(np.full((4, 4), 1, "uint8"))
process = multiprocessing.get_context("fork").Process(target=nothing)
process.start()
process.join()
assert process.exitcode == 0, process.exitcode
child = os.fork()
if not child:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
stream.append(np.full((4, 4), 2, "uint8"))
assert stream.close().status == "complete"
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_child_ends_and_leaves_the_stream_to_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, str(path)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert po.validate(path, pixels=True) == []
