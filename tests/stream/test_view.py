"""Live views: what is read is what was appended, at once, from any thread, for every backend."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pymmcore_ome as po
from conftest import HANG_S
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend
from pymmcore_ome.schema import ImageSchema, Position
from pymmcore_ome.stream import ArrayView
from pymmcore_ome.testing import encoded_frame

SHAPE = (6, 8)
YX = (Dimension(name="y", size=6, scale=0.5), Dimension(name="x", size=8))

WAYS: dict[str, dict[str, Any]] = {
    "native": {"backend": "native"},
    "native tiles": {"backend": "native", "chunks": {"y": 3}, "shards": {"t": 2, "y": 6}},
    "native zstd": {"backend": "native", "compression": "zstd"},
    "tensorstore": {"backend": "tensorstore"},
    "tensorstore chunks": {"chunks": {"z": 2, "y": 3}},
    "tensorstore shards": {"shards": {"t": 2, "z": 4}, "chunks": {"x": 5}},
    "tensorstore parts": {"shards": {"t": 4, "z": 3}, "buffer_bytes": 600},
    "tensorstore gzip": {"compression": "gzip", "chunks": "auto"},
    "zarr-python": {},
    "zarr-python chunks": {"chunks": {"z": 3}},
    "zarr-python parts": {"chunks": {"t": 4}, "buffer_bytes": 800},
    "tiff": {},
    "tiff lzw": {"compression": "lzw"},
    "tiff zstd": {"compression": "zstd", "files": "per-position"},
}


def options(way: str, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    backend = way.partition(" ")[0]
    path = tmp_path / ("a.ome.tiff" if backend == "tiff" else "a.ome.zarr")
    return path, {"backend": backend, **WAYS.get(way, {})}


def nest(sizes: dict[str, int | None], **more: Any) -> StorageSchema:
    dims = tuple(Dimension(name=name, size=size) for name, size in sizes.items())
    return StorageSchema(dimensions=(*dims, *YX), dtype="uint16", **more)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("t", [4, None], ids=["planned", "growing"])
def test_view_has_a_frame_as_soon_as_append_has_returned(
    way: str, t: int | None, tmp_path: Path
) -> None:
    path, how = options(way, tmp_path)
    schema = nest({"t": t, "p": 2, "z": 3})
    full = np.zeros((2, 4, 3, *SHAPE), "uint16")
    order = list(range(23))
    random.Random(0).shuffle(order)
    with po.open_stream(path, schema, **how) as stream:
        one, all_of_them = stream.view(1), stream.view(image=None)
        for number in order:
            at = {"t": number // 6, "p": number // 3 % 2, "z": number % 3}
            place = (at["p"], at["t"], at["z"])
            assert number == order[0] or not full[place].any()
            stream.append(encoded_frame(number, SHAPE), at=at)
            full[place] = encoded_frame(number, SHAPE)
            size = all_of_them.shape[1]
            np.testing.assert_array_equal(all_of_them, full[:, :size])
            np.testing.assert_array_equal(one[..., ::2, 1:], full[1, : one.shape[0], ..., ::2, 1:])
            assert all_of_them.is_acquired(at)
            assert not full[:, size:].any()
    np.testing.assert_array_equal(all_of_them, full)
    np.testing.assert_array_equal(one, po.open_dataset(path).images[1])
    assert not all_of_them.is_acquired((1, 3, 2))


@pytest.mark.parametrize("way", WAYS)
def test_view_never_shows_a_wrong_pixel_to_a_thread_that_reads_meanwhile(
    way: str, tmp_path: Path
) -> None:
    path, how = options(way, tmp_path)
    schema, count = nest({"t": None, "z": 6}), 300
    expected = [encoded_frame(n, SHAPE) for n in range(count)]
    order = [n ^ 5 if n ^ 5 < count else n for n in range(count)]  # cells are written in parts
    wrong: list[str] = []
    seen = 0
    done = threading.Event()

    def read(view: ArrayView, seed: int) -> None:
        nonlocal seen
        rng = random.Random(seed)
        while not done.is_set() or not seen:
            t, z = rng.randrange(view.shape[0]), rng.randrange(6)
            was_there = view.is_acquired((t, z))
            if rng.random() < 0.3:
                z0 = max(0, z - 2)
                found = view[t, z0 : z + 1, ::2][-1]
                want = expected[6 * t + z][::2]
            else:
                found, want = view[t, z], expected[6 * t + z]
            if (was_there or found.any()) and not np.array_equal(found, want):
                wrong.append(f"{t}, {z}: acquired {was_there}")
            seen += was_there

    with po.open_stream(path, schema, **how) as stream:
        readers = [
            threading.Thread(target=read, args=(stream.view(), seed), daemon=True)
            for seed in range(2)
        ]
        for reader in readers:
            reader.start()
        for number in order:
            stream.append(expected[number], at={"t": number // 6, "z": number % 6})
        done.set()
        for reader in readers:
            reader.join(HANG_S)
            assert not reader.is_alive()
    assert wrong == []
    assert seen


@pytest.fixture(scope="module")
def half_written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ArrayView, Any]]:
    """A view of a store some of whose cells are down, some held open, some never acquired."""
    path = tmp_path_factory.mktemp("view") / "a.ome.zarr"
    schema = nest({"t": 5, "c": 2, "z": 4})
    full = np.zeros((5, 2, 4, *SHAPE), "uint16")
    with po.open_stream(path, schema, chunks={"t": 2, "z": 2}, checkpoint_s=3600) as stream:
        for number in range(31):
            if number % 7 == 3:
                continue
            frame = encoded_frame(number, SHAPE)
            index = stream.append(frame, at=po.FrameRouter(schema).index_of(number)).index
            full[index] = frame
        yield stream.view(), full


LISTS = st.lists(st.integers(-3, 3), max_size=6)


@given(key=hnp.basic_indices((5, 2, 4, *SHAPE), allow_newaxis=False))
def test_view_is_indexed_as_numpy(half_written: tuple[ArrayView, Any], key: Any) -> None:
    view, full = half_written
    np.testing.assert_array_equal(view[key], full[key])


@given(st.tuples(LISTS, st.sampled_from([0, -1, slice(None), slice(None, None, -1)]), LISTS))
def test_view_is_indexed_by_lists_as_numpy(
    half_written: tuple[ArrayView, Any], key: tuple[Any, ...]
) -> None:
    view, full = half_written
    for whole in ((*key[:2],), (slice(None), key[1], key[0]), (..., key[2]), (0, ..., key[0], 2)):
        try:
            expected = full[whole]
        except IndexError:
            with pytest.raises(IndexError):
                view[whole]
        else:
            np.testing.assert_array_equal(view[whole], expected)
    mask = np.arange(5) % 2 == 0
    np.testing.assert_array_equal(view[mask, 1], full[mask, 1])


@pytest.mark.parametrize("key", [7, (0, 0, 0, 0, 0, 0), (..., ...), "t", 1.5, [[0]], [True] * 3])
def test_view_refuses_a_key_as_numpy_does(half_written: tuple[ArrayView, Any], key: Any) -> None:
    with pytest.raises(IndexError):
        half_written[0][key]


def test_view_is_what_numpy_and_xarray_ask_of_an_array(tmp_path: Path) -> None:
    schema = nest({"t": None, "c": 2})
    with po.open_stream(tmp_path / "a.ome.zarr", schema) as stream:
        view = stream.view()
        assert (view.shape, view.ndim, view.dtype) == ((1, 2, *SHAPE), 4, np.uint16)
        assert not view[0].any()
        assert not view.is_acquired((0, 1))
        stream.append(encoded_frame(3, SHAPE), at={"t": 2})
        assert (view.dims, view.sizes) == (("t", "c", "y", "x"), {"t": 3, "c": 2, "y": 6, "x": 8})
        assert (len(view), view.size, view.nbytes) == (3, 288, 576)
        assert list(view.coords) == list(view.dims)
        assert view.coords["t"] == range(3)
        assert list(view.coords["y"]) == [0, 0.5, 1, 1.5, 2, 2.5]
        assert np.asarray(view, "float32").dtype == np.float32
        assert [view.is_acquired(i) for i in [(2, 0), (-1, -2), {"t": 2}, (2, 1)]] == [1, 1, 1, 0]
        for outside in [(3, 0), (0,), {"q": 1}]:
            with pytest.raises(IndexError):
                view.is_acquired(outside)
        for number in (1, -1, "a", True):
            with pytest.raises(errors.OptionError, match="1 images"):
                stream.view(number)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="copy"):
            np.asarray(view, copy=False)
        found = view[2, 0]
        found[:] = 0  # a reader's own copy
        assert view[2, 0].any()


def test_images_of_different_axes_are_joined_with_blanks(tmp_path: Path) -> None:
    sizes: list[dict[str, int]] = [{"z": 3}, {"c": 2}, {"t": 2, "z": 2}, {}]
    plans = tuple(
        ImageSchema(
            at={"p": n},
            position=Position(name=f"image {n}"),
            dimensions=tuple(Dimension(name=name, size=size) for name, size in axes.items()),
        )
        for n, axes in enumerate(sizes)
    )
    schema = StorageSchema(dimensions=YX, dtype="uint16", images=plans)
    full = np.zeros((4, 2, 2, 3, *SHAPE), "uint16")
    with po.open_stream(tmp_path / "a.ome.zarr", schema) as stream:
        view = stream.view(None)
        assert view.dims == ("p", "t", "c", "z", "y", "x")
        assert view.coords["p"] == ("image 0", "image 1", "image 2", "image 3")
        number = 0
        for p, axes in enumerate(sizes):
            for index in np.ndindex(*axes.values()):
                number += 1
                at = {"p": p, **dict(zip(axes, index, strict=True))}
                stream.append(encoded_frame(number, SHAPE), at=at)
                full[p, at.get("t", 0), at.get("c", 0), at.get("z", 0)] = encoded_frame(
                    number, SHAPE
                )
                assert view.is_acquired(at)
        np.testing.assert_array_equal(view, full)
        np.testing.assert_array_equal(
            view[[3, 0], :, 0, ::-2, 1::3], full[[3, 0], :, 0, ::-2, 1::3]
        )
        assert not view.is_acquired({"p": 1, "t": 1})
        assert not view.is_acquired({"p": 3, "z": 2})


def test_cameras_that_differ_are_joined_with_blanks(tmp_path: Path) -> None:
    cameras = [po.Camera(name="A", height=4, width=8, dtype="uint8"),
               po.Camera(name="B", height=6, width=5, dtype="uint16")]  # fmt: skip
    dims = (Dimension(name="t", size=2), Dimension(name="cam", coords=cameras))
    schema = StorageSchema(dimensions=(*dims, *YX), dtype="uint16")
    with po.open_stream(tmp_path / "a.ome.zarr", schema) as stream:
        view = stream.view(None)
        assert (view.shape, view.dtype) == ((2, 2, 6, 8), np.uint16)
        first, second = np.full((4, 8), 7, "uint8"), np.full((6, 5), 700, "uint16")
        stream.append(first, at={"t": 1, "cam": 0})
        stream.append(second, at={"t": 1, "cam": 1})
        full = np.zeros(view.shape, "uint16")
        full[0, 1, :4, :8], full[1, 1, :6, :5] = first, second
        np.testing.assert_array_equal(view, full)
        np.testing.assert_array_equal(view[:, 1, ::3, 2::4], full[:, 1, ::3, 2::4])
        np.testing.assert_array_equal(view[:, 1, 5, 6:], full[:, 1, 5, 6:])
        assert stream.view(0).dtype == np.uint8


@pytest.mark.parametrize("way", ["tensorstore", "tensorstore chunks", "tiff", "tiff lzw"])
def test_samples_of_rgb_frames_are_channels(way: str, tmp_path: Path) -> None:
    path, how = options(way, tmp_path)
    schema = nest({"t": 3, "c": 2, "z": 2}).replace(rgb=True)
    frames = {n: encoded_frame(n, (6, 24)).reshape(6, 8, 3) for n in range(12)}
    full = np.zeros((3, 6, 2, *SHAPE), "uint16")
    with po.open_stream(path, schema, **how) as stream:
        view = stream.view()
        for n, frame in frames.items():
            address = stream.append(frame)
            full[address.index[0], address.index[1] : address.index[1] + 3, address.index[2]] = (
                np.moveaxis(frame, -1, 0)
            )
            np.testing.assert_array_equal(view, full)
            assert view.is_acquired((n // 4, n // 2 % 2 * 3 + 2, n % 2))
    for key in [(0, 4), (..., [1, 5, 2], 0, 2, 2), (slice(None), slice(1, None, 3), -1)]:
        np.testing.assert_array_equal(view[key], full[key])


def test_images_that_nobody_knew_of_appear(tmp_path: Path) -> None:
    dims = tuple(Dimension(name=name) for name in "tcz")
    schema = StorageSchema(dimensions=(*dims, *YX), dtype="uint16", grows=True)
    with po.open_stream(tmp_path / "a.ome.zarr", schema) as stream:
        view = stream.view(None)
        assert view.shape == (1, 1, 1, 1, *SHAPE)
        for number, (p, t, z) in enumerate([(0, 2, 0), (5, 0, 1), (0, 3, 1)]):
            stream.append(encoded_frame(number, SHAPE), at={"p": p, "t": t, "z": z})
        assert view.shape == (2, 4, 1, 2, *SHAPE)
        assert view.is_acquired((1, 0, 0, 1))
    np.testing.assert_array_equal(view[1, 0, 0, 1], encoded_frame(1, SHAPE))
    np.testing.assert_array_equal(view[0, 3, 0, 1], encoded_frame(2, SHAPE))
    assert np.count_nonzero(np.asarray(view).any(axis=(-1, -2))) == 3


def test_far_jump_on_an_axis_that_grows_takes_no_memory(tmp_path: Path) -> None:
    with po.open_stream(tmp_path / "a.ome.zarr", nest({"t": None})) as stream:
        view = stream.view()
        far = 10**12
        stream.append(encoded_frame(1, SHAPE), at={"t": far})
        stream.append(encoded_frame(2, SHAPE), at={"t": 3})
        assert view.shape == (far + 1, *SHAPE)
        assert [view.is_acquired((t,)) for t in (far, 3, 4)] == [True, True, False]
        np.testing.assert_array_equal(view[[far, 3]], [encoded_frame(n, SHAPE) for n in (1, 2)])


# ------------------------------------------------------- a backend that lets nobody read


def test_backend_that_lets_nobody_read_keeps_the_newest_frames(tmp_path: Path) -> None:
    schema, budget = nest({"p": 2, "t": 20}), 4 * 96
    with po.open_stream(
        tmp_path / "a.ome.zarr", schema, backend="acquire-zarr", buffer_bytes=budget
    ) as stream:
        view = stream.view(None)
        for number in range(30):
            stream.append(encoded_frame(number, SHAPE))
            p, t = divmod(number, 20)
            np.testing.assert_array_equal(view[p, t], encoded_frame(number, SHAPE))
            if number == 10:
                # no more than four frames are in memory, on their way and kept together
                with pytest.raises(
                    errors.UnreadableFrameError,
                    match=r"frame image 0 \(Pos0\) t 0: acquire-zarr images",
                ):
                    view[0, 0]
                with pytest.raises(errors.UnreadableFrameError):
                    view[:]
                assert view.is_acquired((0, 0))
        # the first image is full, so it is closed, and is read from disk
        np.testing.assert_array_equal(view[0], [encoded_frame(n, SHAPE) for n in range(20)])
    np.testing.assert_array_equal(view[1, :10], [encoded_frame(n, SHAPE) for n in range(20, 30)])
    assert not view[1, 10:].any()


def test_frames_of_a_backend_that_lets_nobody_read_are_kept_for_a_view_alone(
    tmp_path: Path,
) -> None:
    schema = nest({"t": 20})
    with po.open_stream(tmp_path / "a.ome.zarr", schema, backend="acquire-zarr") as stream:
        for number in range(20):
            stream.append(encoded_frame(number, SHAPE))
    np.testing.assert_array_equal(stream.view()[7], encoded_frame(7, SHAPE))


# ------------------------------------------------------------------ endings and failures


class FailingBackend(TensorstoreBackend):
    """Fails to write the frame of time 3."""

    name = "failing"

    def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
        if start[0] == 3:
            failed: Future[None] = Future()
            failed.set_exception(OSError("the disk is full"))
            return failed
        return super().write(image, start, block)


def test_frames_that_were_lost_are_not_acquired(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, nest({"t": None}), backend=FailingBackend)
    view = stream.view()
    with pytest.raises(errors.WriteError):
        for number in range(100):
            stream.append(encoded_frame(number, SHAPE))
        stream.close()
    with pytest.raises(errors.WriteError):
        stream.close()
    listed = {frame["index"][0] for frame in po.open_dataset(path).frames()}
    acquired = {t for t in range(view.shape[0]) if view.is_acquired((t,))}
    assert acquired == listed
    assert 3 not in acquired
    for t in acquired:
        np.testing.assert_array_equal(view[t], encoded_frame(t, SHAPE))


@pytest.mark.parametrize("way", ["tensorstore", "zarr-python", "acquire-zarr", "tiff"])
def test_view_outlives_the_stream_and_never_shows_another_store(way: str, tmp_path: Path) -> None:
    path, how = options(way, tmp_path)
    schema = nest({"t": 3})
    with po.open_stream(path, schema, **how) as stream:
        for number in range(3):
            stream.append(encoded_frame(number, SHAPE))
        view = stream.view()
    del stream
    np.testing.assert_array_equal(view[1], encoded_frame(1, SHAPE))
    with po.open_stream(path, schema, overwrite=True, **how) as other:
        for number in range(3):
            other.append(encoded_frame(number + 10, SHAPE))
    with pytest.raises(errors.NotAStoreError, match="replaced"):
        view[1]
    np.testing.assert_array_equal(other.view()[1], encoded_frame(11, SHAPE))


@pytest.mark.parametrize("frames", [0, 5])
def test_view_of_a_failed_acquire_zarr_stream_has_the_frames_that_are_proven(
    frames: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, nest({"p": 2, "t": 5}), backend="acquire-zarr")
    view = stream.view(None)
    for number in range(frames + 2):
        stream.append(encoded_frame(number, SHAPE))
    stream.close(status="failed", reason="the stage broke")
    dataset = po.open_dataset(path)
    numbers = {image.path: n for n, image in enumerate(dataset.images)}
    listed = {(numbers[row["image"]], *row["index"]) for row in dataset.frames()}
    assert {place for place in np.ndindex(2, 5) if view.is_acquired(place)} == listed
    for p, t in listed:
        np.testing.assert_array_equal(view[p, t], encoded_frame(5 * p + t, SHAPE))
    assert len(listed) >= frames


@pytest.mark.parametrize("way", ["native", "tiff"])
def test_frames_of_each_image_are_counted_as_acquired_skipped_or_lost(
    tmp_path: Path, way: str
) -> None:
    path, how = options(way, tmp_path)
    with po.open_stream(path, nest({"p": 3, "t": 4}), **how) as stream:
        joined, single = stream.view(None), stream.view(1)
        assert joined.frame_counts().newest is None
        assert joined.frame_counts().acquired.tolist() == [0, 0, 0]
        for number in range(3):
            stream.append(encoded_frame(number, SHAPE))
        stream.skip(2)  # t 3 of p 0, and t 0 of p 1
        stream.append(encoded_frame(5, SHAPE))
        stream.skip(at={"p": 2, "t": 3})
        stream.skip(at={"p": 0, "t": 0})  # it has a frame
        for view in (joined, single):
            assert len(view.images) == 3
            counts = view.frame_counts()
            assert counts.acquired.tolist() == [3, 1, 0]
            assert counts.skipped.tolist() == [1, 1, 1]
            assert counts.newest == 1
    after = joined.frame_counts()
    assert after.acquired.tolist() == [3, 1, 0]
    assert after.lost.tolist() == [0, 0, 0]
    with po.open_stream(path, nest({"p": 3, "t": 4}), resume=True, **how) as resumed:
        assert resumed.view(None).frame_counts().acquired.tolist() == [3, 1, 0]
        resumed.append(encoded_frame(3, SHAPE), at={"p": 0, "t": 3})
        assert resumed.view(None).frame_counts().acquired.tolist() == [4, 1, 0]


def test_frames_that_are_not_on_disk_at_the_end_are_counted_as_lost(tmp_path: Path) -> None:
    class Broken(TensorstoreBackend):
        def write(self, *args: Any, **values: Any) -> Any:
            raise OSError(28, "No space left on device")

    stream = po.open_stream(tmp_path / "a.ome.zarr", nest({"p": 2, "t": 3}), backend=Broken)
    view = stream.view(None)
    stream.append(encoded_frame(0, SHAPE))
    with pytest.raises(errors.WriteError):
        stream.close()
    counts = view.frame_counts()
    assert counts.acquired.tolist() == [0, 0]
    assert counts.lost.tolist() == [1, 0]


# ------------------------------------------------------------------------------- signals


def test_signals_tell_of_growth_and_of_frames(tmp_path: Path) -> None:
    with po.open_stream(tmp_path / "a.ome.zarr", nest({"t": None, "p": 2})) as stream:
        views = [stream.view(1), stream.view(None)]
        grew, last = threading.Semaphore(0), threading.Semaphore(0)
        threads = set()

        def on_data(index: tuple[int, ...]) -> None:
            threads.add(threading.current_thread())
            if index in ((3,), (1, 3)):
                last.release()

        for view in views:
            view.coords_changed.connect(lambda: grew.release())
            view.data_changed.connect(on_data)
        for number in range(8):
            stream.append(encoded_frame(number, SHAPE))
        for semaphore in (grew, grew, last, last):
            assert semaphore.acquire(timeout=HANG_S)
    assert threads
    assert threading.current_thread() not in threads


def test_slot_that_fails_or_hangs_neither_holds_nor_ends_the_acquisition(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entered, release, failed = threading.Event(), threading.Event(), threading.Event()

    def hang(index: tuple[int, ...]) -> None:
        entered.set()
        release.wait(HANG_S)

    def fail(index: tuple[int, ...]) -> None:
        failed.set()
        raise ValueError("a slot's own mistake")

    with po.open_stream(tmp_path / "a.ome.zarr", nest({"t": None})) as stream:
        views = [stream.view(), stream.view()]
        views[0].data_changed.connect(hang)
        views[1].data_changed.connect(fail)
        stream.append(encoded_frame(0, SHAPE))
        assert entered.wait(HANG_S)
        for number in range(1, 50):
            stream.append(encoded_frame(number, SHAPE))
    assert stream.close().frames_written == 50
    release.set()
    assert failed.wait(HANG_S)
