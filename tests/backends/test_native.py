"""Shards that the native backend writes: read by other libraries at every instant."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest
import tensorstore as ts
import zarr

from pymmcore_ome import StorageSchema
from pymmcore_ome.backends import BackendOptions, FrameWrite, PartialWriteError, pixel_file
from pymmcore_ome.backends.zarr import native, shard
from pymmcore_ome.backends.zarr.native import NativeBackend
from pymmcore_ome.disk import StoreLocation
from pymmcore_ome.layout import layout_of, with_chunks
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import SHAPE, loops

NEST = {"t": 4, "c": 2, "z": 3}
WAYS: dict[str, dict[str, Any]] = {
    "shards": {"shards": {"t": 2, "c": 2, "z": 3}},
    "shards beyond the array": {"shards": {"t": 3, "c": 1, "z": 2}},
    "tiles": {"chunks": {"y": 4, "x": 5}, "shards": {"t": 2, "y": 8, "x": 5}},
    "zstd": {"shards": {"t": 4, "z": 3}, "compression": "zstd"},
    "gzip tiles": {
        "chunks": {"y": 3}, "shards": {"t": 2, "z": 3, "y": 6}, "compression": "gzip",
    },
    "blosc": {"shards": {"t": 4, "c": 2}, "compression": "blosc:3"},
    "files": {},
    "files zstd": {"compression": "zstd:3"},
}  # fmt: skip


def opened(
    path: Path, schema: StorageSchema, compression: str | None = None, **sizes: Any
) -> NativeBackend:
    """Return a backend that has made the arrays of a schema."""
    layout = with_chunks(layout_of(schema), sizes.get("chunks"), sizes.get("shards"))
    backend = NativeBackend()
    path.mkdir()
    place = StoreLocation.of_new(path, "ome-zarr", "one")
    backend.create(place, layout, BackendOptions(compression, outlasts_power="power" in path.name))
    return backend


def in_zarr_python(path: Path) -> Any:
    return np.asarray(zarr.open_array(path / "0", mode="r"))


def in_zarrs(path: Path) -> Any:
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        return np.asarray(zarr.open_array(path / "0", mode="r"))


def in_tensorstore(path: Path) -> Any:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/0/"}}
    return ts.open(spec, open=True, read=True).result().read().result()


READERS = (in_zarr_python, in_zarrs, in_tensorstore)


def frames_of(schema: StorageSchema) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield indices and frames, in an order that jumps."""
    places = list(np.ndindex(*(d.size or 1 for d in schema.frame_dimensions)))
    for number in range(len(places)):
        n = number * 7 % len(places)
        yield places[n], encoded_frame(n + 1, SHAPE, schema.dtype)


@pytest.mark.parametrize("name", ["a.ome.zarr", "power.ome.zarr"])
@pytest.mark.parametrize("way", WAYS)
def test_store_reads_at_every_instant(tmp_path: Path, way: str, name: str) -> None:
    path, schema = tmp_path / name, loops(NEST)
    backend = opened(path, schema, **WAYS[way])
    expected = np.zeros((*NEST.values(), *SHAPE), "uint16")
    batch: list[FrameWrite] = []
    for number, (index, frame) in enumerate(frames_of(schema)):
        batch.append(FrameWrite(0, index, frame))
        if number % 5 == 3:
            continue
        backend.write_frames(batch)
        for written in batch:
            expected[written.index] = written.frame
        batch.clear()
        for read in READERS:
            np.testing.assert_array_equal(read(path), expected)
        live = backend.reader(0)
        assert live is not None
        planes = [np.arange(size) for size in NEST.values()]
        np.testing.assert_array_equal(live.read(planes, slice(0, 6), slice(0, 8)), expected)
    backend.sync()
    backend.finish()
    backend.close()
    for read in READERS:
        np.testing.assert_array_equal(read(path), expected)
    assert list(path.rglob("*.part")) == []


@pytest.mark.parametrize("way", WAYS)
def test_store_reads_after_every_single_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """What a kill at any instant would leave: frames so far, and nothing that is no frame."""
    path, schema = tmp_path / "a.ome.zarr", loops(NEST)
    write = pixel_file.write_at
    frames = dict(list(frames_of(schema))[:13])
    count = 0

    def write_and_read(file: Any, at: int, pieces: Any) -> None:
        nonlocal count
        for piece in pieces:
            write(file, at, [piece])
            at += memoryview(piece).nbytes
            found = in_tensorstore(path)
            now = sum(np.array_equal(found[index], frame) for index, frame in frames.items())
            assert now >= count, "a frame that was there is gone"
            count = now
            # of a frame that is cut into tiles, some may be there and others not yet
            wrong = [
                i for i, frame in frames.items() if ((found[i] != frame) & (found[i] > 0)).any()
            ]
            assert wrong == []

    monkeypatch.setattr(pixel_file, "write_at", write_and_read)
    backend = opened(path, schema, **WAYS[way])
    waiting = [FrameWrite(0, index, frame) for index, frame in frames.items()]
    for first in range(0, len(waiting), 3):
        backend.write_frames(waiting[first : first + 3])
        for read in READERS:
            assert all(np.array_equal(read(path)[f.index], f.frame) for f in waiting[: first + 3])
    backend.finish()
    backend.close()
    assert count >= len(frames) - 1  # the last file may get its name after the last write


@pytest.mark.parametrize("way", [way for way in WAYS if "shards" in WAYS[way]])
def test_finished_shards_have_the_index_at_their_end(tmp_path: Path, way: str) -> None:
    path, schema = tmp_path / "a.ome.zarr", loops(NEST)
    backend = opened(path, schema, **WAYS[way])
    assert _index_location(path) == ("start", ["bytes"])
    index, frame = next(frames_of(schema))
    backend.write_frames([FrameWrite(0, index, frame)])
    assert _index_location(path) == ("start", ["bytes"])
    backend.finish()
    backend.close()
    assert _index_location(path) == ("end", ["bytes", "crc32c"])
    file = next(file for file in (path / "0" / "c").rglob("*") if file.is_file())
    content = file.read_bytes()
    nbytes = 16 * backend._cuts[0].count
    at_end = content[-nbytes - 4 :]
    assert at_end[:-4] == content[:nbytes]
    assert int.from_bytes(at_end[-4:], "little") == google_crc32c.value(at_end[:-4])


def _index_location(path: Path) -> tuple[str, list[str]]:
    (codec,) = json.loads((path / "0/zarr.json").read_bytes())["codecs"]
    configuration = codec["configuration"]
    return configuration["index_location"], [c["name"] for c in configuration["index_codecs"]]


def test_pixels_are_written_before_the_index_points_at_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, schema = tmp_path / "power.ome.zarr", loops({"t": 4})
    backend = opened(path, schema, shards={"t": 4})
    backend.write_frames([FrameWrite(0, (0,), encoded_frame(1, SHAPE))])
    order: list[str] = []
    patch = shard.PixelFile.patch

    def patched(self: Any, patches: Any) -> None:
        order.append("index")
        patch(self, patches)

    monkeypatch.setattr(shard.PixelFile, "patch", patched)
    monkeypatch.setattr("os.fsync", lambda _: order.append("sync"))
    monkeypatch.setattr("os.pwritev", _noted(order, "bytes"))
    backend.write_frames([FrameWrite(0, (1,), encoded_frame(2, SHAPE))])
    backend.sync()
    assert order == ["bytes", "sync", "index", "bytes", "sync"]
    backend.close()


def _noted(order: list[str], what: str) -> Any:
    write = os.pwritev

    def noted(*args: Any) -> int:
        order.append(what)
        return write(*args)

    return noted


def test_full_disk_leaves_the_index_alone_and_counts_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, schema = tmp_path / "a.ome.zarr", loops({"t": 8})
    backend = opened(path, schema, shards={"t": 8})
    frames = [FrameWrite(0, (t,), encoded_frame(t + 1, SHAPE)) for t in range(8)]
    backend.write_frames(frames[:2])
    write, room = shard.PixelFile.append.__globals__["write_at"], [3]

    def small(file: Any, at: int, pieces: Any) -> None:
        pieces = list(pieces)
        if at >= 128:
            if len(pieces) > 1 or not room[0]:
                write(file, at, [bytes(pieces[0])[:50]])  # torn
                raise OSError(28, "No space left on device")
            room[0] -= 1
        write(file, at, pieces)

    monkeypatch.setattr("pymmcore_ome.backends.pixel_file.write_at", small)
    with pytest.raises(PartialWriteError) as raised:
        backend.write_frames(frames[2:])
    assert raised.value.written == 3
    assert isinstance(raised.value.__cause__, OSError)
    monkeypatch.undo()
    expected = np.zeros((8, *SHAPE), "uint16")
    for t in range(5):
        expected[t] = frames[t].frame
    for read in READERS:
        np.testing.assert_array_equal(read(path), expected)
    backend.finish()
    backend.close()
    for read in READERS:
        np.testing.assert_array_equal(read(path), expected)


def test_few_handles_are_open_at_once(tmp_path: Path) -> None:
    path, schema = tmp_path / "a.ome.zarr", loops({"t": 3, "p": 40})
    backend = opened(path, schema, shards={"t": 3})
    backend._files = native.OpenFiles(most=4)
    for t in range(2):
        backend.write_frames(
            [FrameWrite(p, (t,), encoded_frame(40 * t + p, SHAPE)) for p in range(40)]
        )
        assert len(backend._files._handles) <= 4
    backend.finish()
    backend.close()
    for p in (0, 17, 39):
        found = np.asarray(zarr.open_array(path / str(p) / "0", mode="r"))
        expected = [encoded_frame(p, SHAPE), encoded_frame(40 + p, SHAPE), np.zeros(SHAPE)]
        np.testing.assert_array_equal(found, expected)


def test_frame_may_be_written_again_to_a_shard_that_was_full(tmp_path: Path) -> None:
    path, schema = tmp_path / "a.ome.zarr", loops({"t": 2})
    backend = opened(path, schema, shards={"t": 2})
    backend.write_frames([FrameWrite(0, (t,), encoded_frame(t + 1, SHAPE)) for t in range(2)])
    backend.write_frames([FrameWrite(0, (0,), encoded_frame(9, SHAPE))])
    backend.finish()
    backend.close()
    for read in READERS:
        np.testing.assert_array_equal(
            read(path), [encoded_frame(9, SHAPE), encoded_frame(2, SHAPE)]
        )


def test_store_that_was_deleted_is_not_made_anew(tmp_path: Path) -> None:
    path, schema = tmp_path / "a.ome.zarr", loops({"t": 2})
    backend = opened(path, schema, shards={"t": 1})
    shutil.rmtree(path)
    with pytest.raises(PartialWriteError):
        backend.write_frames([FrameWrite(0, (0,), encoded_frame(1, SHAPE))])
    backend.finish()
    backend.close()
    assert not path.exists()
    assert not backend.is_in_place()
