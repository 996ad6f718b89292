"""The stream: frames in, a store out; refusals lose nothing, failures are never silent."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from conftest import HANG_S
from helpers import delete, read_by_zarr, wait_until
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend
from pymmcore_ome.testing import encoded_frame

SHAPE = (6, 8)


def check_pixels(path: Path, schema: StorageSchema, numbers: dict[int, int]) -> None:
    """Assert that place n of the plan holds the frame of that number, and all else is 0."""
    for place, address in enumerate(po.FrameRouter(schema)):
        found = read_by_zarr(path, address.image)[address.index]
        number = numbers.get(place)
        expected = np.zeros(SHAPE) if number is None else encoded_frame(number, SHAPE)
        np.testing.assert_array_equal(found, expected)


def test_append_by_arrival_fills_the_plan_in_order(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, small_schema) as stream:
        addresses = [stream.append(encoded_frame(n, SHAPE)) for n in range(12)]
    assert addresses == list(po.FrameRouter(small_schema))
    check_pixels(path, small_schema, {n: n for n in range(12)})
    assert po.open_dataset(path).status == "complete"


def test_append_by_index_in_any_order_leaves_holes_where_frames_are_missing(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    path = tmp_path / "a.ome.zarr"
    router = po.FrameRouter(small_schema)
    order = [11, 3, 0, 7]
    with po.open_stream(path, small_schema) as stream:
        for number in order:
            stream.append(encoded_frame(number, SHAPE), at=router.index_of(number))
    check_pixels(path, small_schema, {n: n for n in order})
    frames = po.open_dataset(path).frames()
    assert [f["event_index"] for f in frames] == [router.index_of(n) for n in order]
    assert [(f["image"], f["index"]) for f in frames] == [router.by_number(n)[:2] for n in order]
    assert po.open_dataset(path).status == "complete"
    assert "8 of 12 planned frames are missing" in po.validate(path)[0]


def test_skip_leaves_places_empty_and_shifts_nothing(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, small_schema) as stream:
        stream.append(encoded_frame(0, SHAPE))
        stream.skip(frames=10)
        stream.append(encoded_frame(11, SHAPE))
        with pytest.raises(errors.PlanFullError, match="0 are left"):
            stream.skip()
    summary = stream.close()
    assert (summary.frames_written, summary.frames_skipped, summary.frames_missing) == (2, 10, 10)
    check_pixels(path, small_schema, {0: 0, 11: 11})


def test_copy_true_lets_the_caller_reuse_its_array(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    path = tmp_path / "a.ome.zarr"
    buffer = np.empty(SHAPE, "uint16")
    with po.open_stream(path, small_schema) as stream:
        for n in range(12):
            buffer[:] = encoded_frame(n, SHAPE)
            stream.append(buffer)
            buffer[:] = 65535
    check_pixels(path, small_schema, {n: n for n in range(12)})


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.astype(">u2"),
        lambda f: np.asfortranarray(f),
        lambda f: np.repeat(f, 2, axis=1)[:, ::2],
        lambda f: f.tolist() and np.array(f),
    ],
    ids=["big-endian", "fortran", "strided", "plain"],
)
def test_frame_in_any_memory_layout_keeps_its_values(
    tmp_path: Path, small_schema: StorageSchema, change: Any, copy: bool
) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, small_schema) as stream:
        stream.append(change(encoded_frame(5, SHAPE)), copy=copy)
    check_pixels(path, small_schema, {0: 5})


def test_read_only_frame_is_accepted(tmp_path: Path, small_schema: StorageSchema) -> None:
    frame = encoded_frame(0, SHAPE)
    frame.flags.writeable = False
    with po.open_stream(tmp_path / "a.ome.zarr", small_schema) as stream:
        stream.append(frame, copy=False)
    check_pixels(tmp_path / "a.ome.zarr", small_schema, {0: 0})


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int8", "int16", "int32",
                                   "float32", "float64"])  # fmt: skip
@pytest.mark.parametrize("compression", [None, "zstd", "gzip:1", "blosc:9"])
def test_every_dtype_and_compression_reads_back(
    tmp_path: Path, dtype: str, compression: str | None
) -> None:
    path = tmp_path / "a.ome.zarr"
    dims = [Dimension(name="z", size=2), Dimension(name="y", size=6), Dimension(name="x", size=8)]
    schema = StorageSchema(dimensions=dims, dtype=dtype)
    with po.open_stream(path, schema, compression=compression) as stream:
        for n in range(2):
            stream.append(encoded_frame(n, SHAPE, dtype))
    found = read_by_zarr(path, "")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [encoded_frame(n, SHAPE, dtype) for n in range(2)])


@pytest.mark.parametrize(
    ("chunks", "shards"),
    [({"y": 3, "x": 4}, None), ({"t": 2, "c": 2}, None), ({"y": 3}, {"t": 3, "c": 2, "y": 6})],
)
def test_chunks_and_shards_hold_the_same_pixels(
    tmp_path: Path, small_schema: StorageSchema, chunks: Any, shards: Any
) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, small_schema, chunks=chunks, shards=shards) as stream:
        for n in range(12):
            stream.append(encoded_frame(n, SHAPE))
    check_pixels(path, small_schema, {n: n for n in range(12)})


@pytest.mark.parametrize("order", ["tc", "ct", "zt"])
def test_unbounded_axis_grows_as_frames_come(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.ome.zarr"
    dims = [
        Dimension(name=order[0]), Dimension(name="p", size=2), Dimension(name=order[1], size=2),
        Dimension(name="y", size=6), Dimension(name="x", size=8),
    ]  # fmt: skip
    schema = StorageSchema(dimensions=dims, dtype="uint16")
    router = po.FrameRouter(schema)
    with po.open_stream(path, schema) as stream:
        for n in range(18):
            stream.append(encoded_frame(n, SHAPE))
    assert po.validate(path) == []
    dataset = po.open_dataset(path)
    for n in range(18):
        image, index, number = router.by_number(n)
        np.testing.assert_array_equal(read_by_zarr(path, image)[index], encoded_frame(n, SHAPE))
        np.testing.assert_array_equal(dataset.images[number][index], encoded_frame(n, SHAPE))
    axis = dataset.images[0].axes.index(order[0])
    assert dataset.images[0].shape[axis] == 5
    assert dataset.images[1].shape[axis] == 4
    assert f'Size{order[0].upper()}="5"' in (path / "OME/METADATA.ome.xml").read_text()


@pytest.mark.parametrize(
    ("frame", "error", "words"),
    [
        (
            np.zeros((8, 6), "uint16"),
            errors.FrameError,
            r"got \(8, 6\) uint16, the schema declares",
        ),
        (np.zeros(SHAPE, "uint8"), errors.FrameError, "got .* uint8"),
        (np.zeros(SHAPE, "int16"), errors.FrameError, "got .* int16"),
        (np.zeros((*SHAPE, 3), "uint16"), errors.FrameError, "got"),
    ],
)
def test_frame_that_does_not_fit_is_refused_and_the_stream_goes_on(
    tmp_path: Path, small_schema: StorageSchema, frame: Any, error: Any, words: str
) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, small_schema) as stream:
        stream.append(encoded_frame(0, SHAPE))
        with pytest.raises(error, match=words):
            stream.append(frame)
        stream.append(encoded_frame(1, SHAPE))
    check_pixels(path, small_schema, {0: 0, 1: 1})


def test_one_frame_too_many_is_refused_and_the_rest_is_readable(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, small_schema) as stream:
        for n in range(12):
            stream.append(encoded_frame(n, SHAPE))
        with pytest.raises(errors.PlanFullError):
            stream.append(encoded_frame(12, SHAPE))
        with pytest.raises(errors.OutsidePlanError):
            stream.append(encoded_frame(12, SHAPE), at={"t": 3})
    check_pixels(path, small_schema, {n: n for n in range(12)})


def test_repeated_index_is_refused_and_names_both_frames(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, small_schema) as stream:
        stream.append(encoded_frame(0, SHAPE))
        stream.append(encoded_frame(1, SHAPE), at={"t": 1, "p": 1})
        with pytest.raises(errors.RepeatedFrameError, match=r"Frame 2 at .* holds frame 1"):
            stream.append(encoded_frame(2, SHAPE), at={"t": 1, "p": 1})
    check_pixels(path, small_schema, {0: 0, 6: 1})


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("a.png", {}, errors.OptionError),
        ("a.ome.zarr", {"format": "hdf5"}, errors.OptionError),
        ("a.ome.zarr", {"backend": "nonesuch"}, errors.OptionError),
        ("a.ome.zarr", {"compression": "rar"}, errors.OptionError),
        ("a.ome.zarr", {"compression": "zstd:99"}, errors.OptionError),
        ("a.ome.zarr", {"chunks": "big"}, errors.OptionError),
        ("a.ome.zarr", {"chunks": {"q": 1}}, errors.OptionError),
        ("a.ome.zarr", {"buffer_bytes": 0}, errors.OptionError),
        ("file/b/a.ome.zarr", {}, errors.StorePathError),
        ("there.ome.zarr", {}, errors.StoreExistsError),
        ("there.ome.zarr", {"overwrite": True}, errors.StoreExistsError),
    ],
)
def test_open_refuses_before_anything_is_created(
    tmp_path: Path, small_schema: StorageSchema, name: str, options: Any, error: Any
) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "there.ome.zarr").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error) as caught:
        po.open_stream(tmp_path / name, small_schema, **options)
    assert isinstance(caught.value, errors.PymmcoreOmeError)
    assert sorted(tmp_path.rglob("*")) == before


def test_open_lists_all_reasons_that_the_format_cannot_hold_it(tmp_path: Path) -> None:
    dims = [Dimension(name=n, size=2) for n in ("z", "angle", "c", "t", "y", "x")]
    schema = StorageSchema(dimensions=dims, dtype="uint8", storage_order="acquisition")
    with pytest.raises(errors.OptionError) as caught:
        po.open_stream(tmp_path / "a.ome.zarr", schema, compression="rar")
    for words in ("5 axes", "one channel or custom axis", "storage_order='ome'", "rar"):
        assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_overwrite_replaces_a_store(tmp_path: Path, small_schema: StorageSchema) -> None:
    path = tmp_path / "a.ome.zarr"
    for n in (1, 2):
        with po.open_stream(path, small_schema, overwrite=n == 2) as stream:
            stream.append(encoded_frame(n, SHAPE))
    check_pixels(path, small_schema, {0: 2})
    assert len(po.open_dataset(path).frames()) == 1


def test_progress_counts_what_is_down(tmp_path: Path, small_schema: StorageSchema) -> None:
    stream = po.open_stream(tmp_path / "a.ome.zarr", small_schema, buffer_bytes=10_000)
    assert stream.progress.frames_planned == 12
    for n in range(5):
        stream.append(encoded_frame(n, SHAPE))
    assert stream.progress.frames_appended == 5
    stream.close()
    after = stream.progress
    assert (after.frames_written, after.bytes_written, after.bytes_in_flight) == (5, 5 * 96, 0)


def test_closed_stream_takes_no_frame_and_closes_again_harmlessly(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    stream = po.open_stream(tmp_path / "a.ome.zarr", small_schema)
    first = stream.close()
    assert stream.close() == first
    with pytest.raises(errors.StreamClosedError):
        stream.append(encoded_frame(0, SHAPE))
    with pytest.raises(errors.StreamClosedError):
        stream.skip()


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), "canceled"), (ValueError("mine"), "failed")]
)
def test_error_in_the_block_ends_the_store_with_its_status(
    tmp_path: Path, small_schema: StorageSchema, error: BaseException, status: str
) -> None:
    path = tmp_path / "a.ome.zarr"
    with pytest.raises(type(error)), po.open_stream(path, small_schema) as stream:
        stream.append(encoded_frame(0, SHAPE))
        raise error
    dataset = po.open_dataset(path)
    assert dataset.status == status
    assert type(error).__name__ in (dataset.record.reason or "")
    check_pixels(path, small_schema, {0: 0})


def test_unfinished_store_opens_and_says_so(tmp_path: Path, small_schema: StorageSchema) -> None:
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, small_schema)
    stream.append(encoded_frame(0, SHAPE))
    wait_until(lambda: stream.progress.frames_written == 1)
    assert po.open_dataset(path).status == "incomplete"
    np.testing.assert_array_equal(po.open_dataset(path).images[0][0, 0], encoded_frame(0, SHAPE))
    stream.close()


class FailingBackend(TensorstoreBackend):
    """Fails at its fourth write, at once or when the future is asked."""

    name = "failing"
    late = False
    written = 0

    def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
        type(self).written += 1
        if self.written != 4:
            return super().write(image, start, block)
        if not self.late:
            raise OSError(28, "No space left on device")
        future: Future[None] = Future()
        future.set_exception(OSError(28, "No space left on device"))
        return future


@pytest.mark.parametrize("late", [False, True])
def test_write_error_reaches_append_and_close_and_the_store(
    tmp_path: Path, small_schema: StorageSchema, late: bool
) -> None:
    backend = type("Failing", (FailingBackend,), {"late": late, "written": 0})
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, small_schema, backend=backend, buffer_bytes=100)

    def fill() -> None:
        for n in range(12):
            stream.append(encoded_frame(n, SHAPE))

    with pytest.raises(errors.WriteError, match="No space left"):
        fill()
    with pytest.raises(errors.WriteError, match="No space left"):
        stream.append(encoded_frame(0, SHAPE))
    for _ in range(2):
        with pytest.raises(errors.WriteError, match="No space left"):
            stream.close()
    dataset = po.open_dataset(path)
    assert dataset.status == "failed"
    assert "No space left" in (dataset.record.reason or "")
    assert "Make room on the disk" in (dataset.record.reason or "")
    assert len(dataset.frames()) == 3
    check_pixels(path, small_schema, {n: n for n in range(3)})


def test_error_in_the_block_does_not_hide_a_lost_frame(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    backend = type("Failing", (FailingBackend,), {"late": True, "written": 0})

    def work() -> None:
        with po.open_stream(tmp_path / "a.ome.zarr", small_schema, backend=backend) as stream:
            for n in range(4):
                stream.append(encoded_frame(n, SHAPE))
            raise ValueError("mine")

    with pytest.raises(errors.WriteError) as caught:
        work()
    assert isinstance(caught.value.__cause__, ValueError)


class SlowBackend(TensorstoreBackend):
    """Holds every write until the gate opens, and remembers how much it held."""

    name = "slow"
    gate: threading.Event

    def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
        assert self.gate.wait(HANG_S)
        return super().write(image, start, block)


def test_producer_waits_at_the_budget_and_nothing_is_dropped(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    gate = threading.Event()
    backend = type("Slow", (SlowBackend,), {"gate": gate})
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, small_schema, backend=backend, buffer_bytes=3 * 96)
    producer = threading.Thread(
        target=lambda: [stream.append(encoded_frame(n, SHAPE)) for n in range(12)]
    )
    producer.start()
    wait_until(lambda: stream.progress.frames_appended >= 3)
    producer.join(0.1)
    assert producer.is_alive(), "the producer must wait at the budget"
    assert stream.progress.bytes_in_flight <= 3 * 96
    gate.set()
    producer.join(HANG_S)
    summary = stream.close()
    assert summary.frames_written == 12
    assert stream.progress.blocked_s > 0
    check_pixels(path, small_schema, {n: n for n in range(12)})


@pytest.mark.parametrize("way", ["Ctrl-C", "close"])
def test_frame_that_waits_at_the_budget_is_rejected_when_the_run_is_canceled(
    tmp_path: Path, small_schema: StorageSchema, way: str
) -> None:
    gate = threading.Event()
    backend = type("Slow", (SlowBackend,), {"gate": gate})
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, small_schema, backend=backend, buffer_bytes=3 * 96)

    def cancel() -> None:
        wait_until(lambda: stream._buffer._wanted_room > 0)
        if way == "Ctrl-C":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            closing = threading.Thread(target=lambda: stream.close(status="canceled"))
            closing.start()
            wait_until(lambda: stream._life.is_over)
            gate.set()
            closing.join(HANG_S)

    if way == "Ctrl-C" and not hasattr(signal, "pthread_kill"):
        pytest.skip("Windows interrupts no wait; the buffer waits half a second at most")
    canceling = threading.Thread(target=cancel)
    canceling.start()
    appended = 0
    with pytest.raises((KeyboardInterrupt, errors.StreamClosedError)):
        for n in range(12):
            stream.append(encoded_frame(n, SHAPE))
            appended += 1
    gate.set()
    canceling.join(HANG_S)
    summary = stream.close(status="canceled", reason="Ctrl-C")
    assert (summary.status, summary.frames_written) == ("canceled", appended)
    assert stream.progress.frames_appended == appended
    dataset = po.open_dataset(path)
    assert (dataset.status, len(dataset.frames())) == ("canceled", appended)


def test_frame_that_ctrl_c_rejected_can_be_appended_again(
    tmp_path: Path, small_schema: StorageSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(nbytes: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.ome.zarr"
    index = {"t": 1, "p": 1}
    with po.open_stream(path, small_schema, buffer_bytes=1) as stream:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(stream._buffer, "_wait_for_room", interrupted)
            stream.append(encoded_frame(0, SHAPE), at=index)
        stream.append(encoded_frame(7, SHAPE), at=index)
        with pytest.raises(errors.RepeatedFrameError):
            stream.append(encoded_frame(8, SHAPE), at=index)
    (row,) = po.open_dataset(path).frames()
    assert row["event_index"] == index


def test_failed_writer_wakes_a_blocked_producer(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    gate = threading.Event()

    class Stuck(SlowBackend):
        def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
            assert gate.wait(HANG_S)
            raise OSError("the disk is gone")

    caught: list[BaseException] = []
    stream = po.open_stream(tmp_path / "a.ome.zarr", small_schema, backend=Stuck, buffer_bytes=96)

    def produce() -> None:
        try:
            for n in range(12):
                stream.append(encoded_frame(n, SHAPE))
        except errors.WriteError as error:
            caught.append(error)

    producer = threading.Thread(target=produce)
    producer.start()
    wait_until(lambda: stream.progress.frames_appended >= 1)
    producer.join(0.1)
    assert producer.is_alive()
    gate.set()
    producer.join(HANG_S)
    assert not producer.is_alive()
    assert "the disk is gone" in str(caught[0])
    with pytest.raises(errors.WriteError):
        stream.close()


def test_frame_larger_than_the_budget_passes_alone(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    with po.open_stream(tmp_path / "a.ome.zarr", small_schema, buffer_bytes=1) as stream:
        for n in range(12):
            stream.append(encoded_frame(n, SHAPE))
    check_pixels(tmp_path / "a.ome.zarr", small_schema, {n: n for n in range(12)})


def test_store_deleted_while_writing_is_an_error_not_a_success(
    tmp_path: Path, small_schema: StorageSchema
) -> None:
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, small_schema)
    stream.append(encoded_frame(0, SHAPE))
    wait_until(lambda: stream.progress.frames_written == 1)
    delete(path)
    with pytest.raises(errors.WriteError):
        stream.close()
