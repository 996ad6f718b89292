"""Streams that end in an unplanned way: abandoned, deleted, interrupted, or never begun."""

from __future__ import annotations

import gc
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from helpers import wait_until
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.stream import writer

FRAME = np.ones((8, 8), np.uint16)
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "native": ("a.ome.zarr", {}),
    "tensorstore": ("a.ome.zarr", {"backend": "tensorstore"}),
    "zarr-python": ("a.ome.zarr", {"backend": "zarr-python"}),
    "tiff": ("a.ome.tiff", {}),
    "tiff-folder": ("a.ome.tiff", {"files": "per-position"}),
}


def schema(frames: int) -> StorageSchema:
    sizes = {"t": frames, "y": 8, "x": 8}
    dimensions = [Dimension(name=name, size=size) for name, size in sizes.items()]
    return StorageSchema(dimensions=dimensions, dtype="uint16")


@pytest.mark.parametrize("is_moved", [False, True], ids=["deleted", "moved"])
@pytest.mark.parametrize("way", WAYS)
def test_store_that_is_deleted_or_moved_ends_its_stream(
    tmp_path: Path, way: str, is_moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_LOOK_EVERY_S", 0.05)
    name, options = WAYS[way]
    path = tmp_path / name
    stream = po.open_stream(path, schema(1_000_000), checkpoint_s=0.05, **options)
    stream.append(FRAME)
    wait_until(lambda: stream.progress.frames_written == 1)
    if is_moved:
        path.rename(tmp_path / f"b{name[1:]}")
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    wait_until(lambda: stream._life.failure is not None)
    with pytest.raises(errors.WriteError, match="deleted, moved or replaced"):
        stream.append(FRAME)
    with pytest.raises(errors.WriteError, match="deleted, moved or replaced"):
        stream.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("replaces", [False, True])
def test_nothing_is_left_where_no_thread_can_start(
    tmp_path: Path, way: str, replaces: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, options = WAYS[way]
    path = tmp_path / name
    if replaces:
        with po.open_stream(path, schema(1), **options) as stream:
            stream.append(FRAME)

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = sorted(file.name for file in tmp_path.iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        with pytest.raises(errors.StorePathError, match=r"new thread\. Nothing was left behind"):
            po.open_stream(path, schema(1), overwrite=replaces, **options)
    assert sorted(file.name for file in tmp_path.iterdir()) == before
    if replaces:
        assert len(po.open_dataset(path).frames()) == 1
        assert po.validate(path, pixels=True) == []


def test_stream_that_its_program_lets_go_of_is_closed_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.ome.zarr"
    streams = [po.open_stream(path, schema(3))]
    streams[0].append(FRAME)
    with pytest.warns(ResourceWarning, match="was not closed"):
        streams.clear()
    gc.collect()
    wait_until(lambda: po.open_dataset(path).status == "canceled")
    assert len(po.open_dataset(path).frames()) == 1
    assert "It is closed now" in caplog.text


def test_interrupted_close_keeps_how_the_run_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, schema(3))
    with monkeypatch.context() as patched:
        patched.setattr(stream, "_wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stream.close(status="canceled", reason="by the user")
    assert stream.close().status == "canceled"
    assert po.open_dataset(path).record.reason == "by the user"


@pytest.mark.parametrize("what", ["backend", "table"])
@pytest.mark.parametrize("way", WAYS)
def test_store_is_not_complete_where_a_file_could_not_be_closed(
    tmp_path: Path, way: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, options = WAYS[way]
    stream = po.open_stream(tmp_path / name, schema(1), **options)
    stream.append(FRAME)
    part = getattr(stream._store, what)
    close = part.close

    def failing() -> None:  # as a network disk does that reports a quota at close
        close()
        raise OSError(122, "Disk quota exceeded")

    with monkeypatch.context() as patched:
        patched.setattr(part, "close", failing)
        with pytest.raises(errors.WriteError, match="Disk quota exceeded"):
            stream.close()
    assert po.open_dataset(tmp_path / name).status == "incomplete"
    assert po.recover(tmp_path / name).status == "recovered"
