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

import pymmcore_ome as po
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.backends import (
    BackendOptions,
    FrameWrite,
    PartialWriteError,
    default_backend,
    finish_array,
    pixel_file,
    shard_problems,
)
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
    pwritev = os.pwritev

    def noted(fd: int, pieces: Any, at: int) -> int:
        order.append("index" if at < 16 * 4 else "pixels")
        return pwritev(fd, pieces, at)

    monkeypatch.setattr("os.fsync", lambda _: order.append("sync"))
    monkeypatch.setattr("os.pwritev", noted)
    backend.write_frames([FrameWrite(0, (1,), encoded_frame(2, SHAPE))])
    backend.sync()
    assert order == ["pixels", "sync", "index", "sync"]
    backend.close()


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
    assert raised.value.missing == {3, 4, 5}
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


def test_frames_of_an_image_with_room_are_on_disk_where_another_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ome.zarr"
    backend = opened(path, loops({"t": 4, "p": 2}), shards={"t": 4})
    frames = [FrameWrite(n % 2, (n // 2,), encoded_frame(n + 1, SHAPE)) for n in range(8)]
    write = pixel_file.write_at

    def small(file: Any, at: int, pieces: Any) -> None:
        if "/1/0/c/" in Path(file.name).as_posix():
            raise OSError(28, "No space left on device")
        write(file, at, pieces)

    monkeypatch.setattr(pixel_file, "write_at", small)
    with pytest.raises(PartialWriteError) as raised:
        backend.write_frames(frames)
    monkeypatch.undo()
    assert raised.value.missing == {1, 3, 5, 7}
    backend.finish()
    backend.close()
    found = zarr.open_array(path / "0" / "0", mode="r")[...]
    np.testing.assert_array_equal(found, [frames[n].frame for n in (0, 2, 4, 6)])


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


# ------------------------------------------------------- what a crash leaves, and what is damaged


def left_behind(path: Path, **sizes: Any) -> tuple[Any, list[Path]]:
    """Write some frames and leave the store as a crash would; return pixels and shards."""
    schema = loops(NEST)
    backend = opened(path, schema, **sizes)
    expected = np.zeros((*NEST.values(), *SHAPE), "uint16")
    for index, frame in list(frames_of(schema))[:15]:
        backend.write_frames([FrameWrite(0, index, frame)])
        expected[index] = frame
    backend._files.close()
    return expected, [f for f in sorted((path / "0/c").rglob("*")) if f.is_file()]


@pytest.mark.parametrize("way", [way for way in WAYS if "shards" in WAYS[way]])
def test_array_of_a_crash_is_finished_and_may_be_finished_again(tmp_path: Path, way: str) -> None:
    path = tmp_path / "a.ome.zarr"
    expected, files = left_behind(path, **WAYS[way])
    # killed while it appended: half a chunk that nothing points at, and a file without a name
    with files[0].open("ab") as file:
        file.write(b"torn")
    (files[0].parent / "9.part").write_bytes(b"half")
    # killed while it finished: the index is there, the document is not
    if way == "shards":
        shard.end_existing(files[-1], 12)
    finish_array(path / "0")
    sizes = [file.stat().st_size for file in files]
    assert list(shard_problems(path / "0")) == []
    assert _index_location(path) == ("end", ["bytes", "crc32c"])
    finish_array(path / "0")
    assert [file.stat().st_size for file in files] == sizes
    assert list(path.rglob("*.part")) == []
    for read in READERS:
        np.testing.assert_array_equal(read(path), expected)


def test_finished_array_without_its_document_is_finished_once_more(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    expected, files = left_behind(path, **WAYS["zstd"])
    started = (path / "0/zarr.json").read_bytes()
    finish_array(path / "0")
    sizes = [file.stat().st_size for file in files]
    (path / "0/zarr.json").write_bytes(started)
    for read in READERS:
        np.testing.assert_array_equal(read(path), expected)
    finish_array(path / "0")
    assert [file.stat().st_size for file in files] == sizes, "the index was appended twice"


def test_damaged_shards_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    _, files = left_behind(path, **WAYS["shards"])
    assert list(shard_problems(path / "0")) == []
    finish_array(path / "0")
    content = files[0].read_bytes()
    key = files[0].relative_to(path / "0").as_posix()

    files[0].write_bytes(content[:-1])
    (problem,) = shard_problems(path / "0")
    assert problem == f"shard {key} has no index at its end, or one that differs from its start"

    files[0].write_bytes(content[:400])
    problems = list(shard_problems(path / "0"))
    assert "was cut short" in problems[0]
    assert "chunks are beyond its end" in problems[0]

    files[0].write_bytes(content[:5])
    (problem,) = shard_problems(path / "0")
    assert "cannot be read" in problem


def test_validate_names_a_damaged_shard(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, loops({"t": 3})) as stream:
        for number in range(3):
            stream.append(encoded_frame(number, SHAPE))
    assert po.validate(path) == []
    file = path / "0/c/0/0/0"
    file.write_bytes(file.read_bytes()[:-10])
    (problem,) = po.validate(path)
    assert problem.startswith("image at the root: shard c/0/0/0 has no index at its end")


def test_chunks_of_several_frames_are_written_by_tensorstore(tmp_path: Path) -> None:
    layout = with_chunks(layout_of(loops({"t": 4})), {"t": 2}, None)
    assert default_backend("ome-zarr", layout).name == "tensorstore"
    assert default_backend("ome-zarr", layout_of(loops({"t": 4}))).name == "native"
    with pytest.raises(errors.OptionError, match="along t have to be gathered first"):
        po.open_stream(tmp_path / "a.ome.zarr", loops({"t": 4}), backend="native", chunks={"t": 2})
    with po.open_stream(tmp_path / "a.ome.zarr", loops({"t": 4}), chunks={"t": 2}) as stream:
        stream.append(encoded_frame(1, SHAPE))
    assert po.open_dataset(tmp_path / "a.ome.zarr").record.backend == "tensorstore"


@pytest.mark.parametrize("shards", [None, False])
def test_default_is_one_file_and_false_a_file_a_frame(tmp_path: Path, shards: Any) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, loops({"t": 7, "c": 2}), shards=shards) as stream:
        for number in range(14):
            stream.append(encoded_frame(number, SHAPE))
    files = [file for file in (path / "0/c").rglob("*") if file.is_file()]
    assert len(files) == (1 if shards is None else 14)
    found = np.asarray(zarr.open_array(path / "0", mode="r"))
    np.testing.assert_array_equal(
        found.reshape(14, *SHAPE), [encoded_frame(number, SHAPE) for number in range(14)]
    )


def test_event_driven_runs_have_few_files(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    dims = (*(Dimension(name=name) for name in "tcz"), *loops({"t": 1}).dimensions[-2:])
    schema = StorageSchema(dimensions=dims, dtype="uint16", grows=True)
    with po.open_stream(path, schema) as stream:
        for number in range(200):
            stream.append(encoded_frame(number, SHAPE), at={"t": number // 2, "c": number % 2})
    image = po.open_dataset(path).images[0]
    assert image.shape == (100, 2, 1, *SHAPE)
    assert len([file for file in (path / "0/0/c").rglob("*") if file.is_file()]) == 2
    np.testing.assert_array_equal(image[57, 1, 0], encoded_frame(115, SHAPE))
    assert po.validate(path) == []


def test_frames_before_a_full_disk_are_within_the_shape_of_a_growing_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ome.zarr"
    backend = opened(path, loops({"t": None}), shards={"t": 4})
    backend.write_frames([])
    write = pixel_file.write_at
    room = [2]

    def small(file: Any, at: int, pieces: Any) -> None:
        pieces = list(pieces)
        if "/c/" in str(file.name) and at >= 64 and (len(pieces) > 1 or not room[0]):
            raise OSError(28, "No space left on device")
        room[0] -= at >= 64
        write(file, at, pieces)

    monkeypatch.setattr(pixel_file, "write_at", small)
    backend.grow(0, (4, *SHAPE))
    backend.write_frames([FrameWrite(0, (0,), encoded_frame(1, SHAPE))])
    with pytest.raises(PartialWriteError) as raised:
        backend.write_frames([FrameWrite(0, (t,), encoded_frame(t + 1, SHAPE)) for t in (1, 2, 3)])
    monkeypatch.undo()
    assert raised.value.missing == {2}
    found = in_zarr_python(path)
    for t in range(3):
        np.testing.assert_array_equal(found[t], encoded_frame(t + 1, SHAPE))
    backend.close()


def test_shard_that_was_deleted_is_an_error_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    backend = opened(path, loops({"t": 4}), shards={"t": 4})
    backend.write_frames([FrameWrite(0, (0,), encoded_frame(1, SHAPE))])
    (path / "0/c/0/0/0").unlink()
    with pytest.raises(FileNotFoundError, match="was deleted or moved"):
        backend.finish()
    backend.close()
