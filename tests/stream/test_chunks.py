"""Chunk assembly: whole chunks and shards at once, within the budget, nothing lost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pymmcore_ome as po
from helpers import read_by_zarr
from pymmcore_ome import Dimension, FrameRouter, StorageSchema, errors
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend
from pymmcore_ome.backends.zarr.zarr_python import ZarrPythonBackend
from pymmcore_ome.layout import FrameAddress, layout_of, with_chunks
from pymmcore_ome.stream.chunk_assembler import CHECKPOINT_S, Block, ChunkAssembler
from pymmcore_ome.stream.frame_buffer import ArrayPool, QueuedFrame, SkippedFrames
from pymmcore_ome.testing import encoded_frame

SHAPE = (3, 4)
NBYTES = 24  # of one frame
PLENTY = 1 << 20


def schema(sizes: dict[str, Any], **fields: Any) -> StorageSchema:
    dims = [
        size if isinstance(size, Dimension) else Dimension(name=name, size=size)
        for name, size in sizes.items()
    ]
    plane = [Dimension(name="y", size=3), Dimension(name="x", size=4)]
    return StorageSchema(dimensions=[*dims, *plane], dtype="uint16", **fields)


def frame_of(number: int, rgb: bool = False) -> np.ndarray:
    return encoded_frame(number, (3, 12)).reshape(3, 4, 3) if rgb else encoded_frame(number, SHAPE)


class UsedArrays(ArrayPool):
    """Arrays in which something else was before."""

    def acquire(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        return np.full(shape, 0xEE, dtype)


class Bench:
    """An assembler without threads and disk: what it hands out goes into numpy arrays.

    Its clock stands still until it is told otherwise.
    """

    def __init__(
        self, sizes: dict[str, Any], chunks: Any, shards: Any = None,
        budget: int = PLENTY, **fields: Any,
    ) -> None:  # fmt: skip
        self.layout = with_chunks(layout_of(schema(sizes, **fields)), chunks, shards)
        self.router = FrameRouter(self.layout)
        self.now = 100.0
        self.assembler = ChunkAssembler(
            self.layout, budget, pool=UsedArrays(), clock=lambda: self.now
        )
        self.arrays: dict[int, np.ndarray] = {}
        self.expected: dict[tuple[int, ...], int] = {}
        self.blocks: list[Block] = []
        self.bytes_held = 0

    def append(self, number: int) -> list[tuple[Any, ...]]:
        """Append the frame of the plan with that number; return the blocks it brought."""
        address = self.router.by_number(number)
        rgb = self.layout.schema.rgb
        self.expected[address.image_number, *address.index] = number
        self.bytes_held += NBYTES * (3 if rgb else 1)
        self.last = frame_of(number, rgb)
        queued = QueuedFrame(self.last, address, {}, {"delta_t_s": number})
        return self._take([*self.assembler.add(queued), *self.assembler.due()])

    def skip(self, *numbers: int) -> list[tuple[Any, ...]]:
        """Announce that these frames will not come."""
        addresses = [self.router.by_number(number) for number in numbers]
        return self._take(self.assembler.add(SkippedFrames(addresses)))

    def wait(self, seconds: float) -> list[tuple[Any, ...]]:
        self.now += seconds
        return self._take(self.assembler.due())

    def rest(self) -> list[tuple[Any, ...]]:
        return self._take(self.assembler.rest())

    def check(self) -> None:
        """Assert that all is handed out once, in its place, and the arrays are no larger."""
        assert self.bytes_held == 0
        assert self.assembler.open_bytes == 0
        numbers = [int(queued.numbers[0]) for b in self.blocks for queued in b.frames]
        assert sorted(numbers) == sorted(self.expected.values())
        expected = {n: np.zeros_like(array) for n, array in self.arrays.items()}
        for (image, *index), number in self.expected.items():
            axis = self.layout.images[image].spec.channel_axis
            where: list[Any] = list(index)
            block = frame_of(number, self.layout.schema.rgb)
            if self.layout.schema.rgb:
                assert axis is not None
                where[axis] = slice(index[axis], index[axis] + 3)
                block = np.moveaxis(block, -1, 0)
            expected[image][tuple(where)] = block
        for n, array in self.arrays.items():
            np.testing.assert_array_equal(array, expected[n])
            for axis in self.layout.images[n].spec.unbounded_axes:
                reached = [key[1 + axis] for key in self.expected if key[0] == n]
                assert array.shape[axis] == max(reached) + 1

    def _take(self, blocks: Iterable[Block]) -> list[tuple[Any, ...]]:
        """Write the blocks; return (image, first frame, frames along each axis, numbers)."""
        made = []
        for block in blocks:
            image = self.layout.images[block.image]
            array = self.arrays.setdefault(block.image, np.zeros(image.shape, image.dtype))
            grow = [
                (0, max(0, end - have) if n in image.spec.unbounded_axes else 0)
                for n, (end, have) in enumerate(zip(block.end, array.shape, strict=True))
            ]
            array = self.arrays[block.image] = np.pad(array, grow)
            pixels = block.pixels_within(array.shape)
            region = tuple(slice(a, a + n) for a, n in zip(block.start, pixels.shape, strict=True))
            assert array[region].shape == pixels.shape, "a block never leaves the array"
            array[region] = pixels
            self.bytes_held -= sum(queued.nbytes for queued in block.frames)
            self.blocks.append(block)
            numbers = [int(queued.numbers[0]) for queued in block.frames]
            made.append((block.image, block.start[:-2], pixels.shape[:-2], numbers))
        return made


def test_frames_are_held_until_their_chunk_is_full() -> None:
    bench = Bench({"t": 10}, {"t": 4})
    assert [bench.append(n) for n in range(3)] == [[], [], []]
    assert bench.assembler.open_bytes == 4 * NBYTES
    assert bench.append(3) == [(0, (0,), (4,), [0, 1, 2, 3])]
    assert [bench.append(n) for n in range(4, 7)] == [[], [], []]
    assert bench.append(7) == [(0, (4,), (4,), [4, 5, 6, 7])]
    # the last chunk is cut by the edge of the image
    assert (bench.append(8), bench.append(9)) == ([], [(0, (8,), (2,), [8, 9])])
    bench.check()


def test_records_are_in_order_of_arrival() -> None:
    bench = Bench({"t": 4, "z": 2}, {"t": 2, "z": 2})
    assert [bench.append(n) for n in (7, 3, 0, 2)] == [[]] * 4
    assert bench.append(1) == [(0, (0, 0), (2, 2), [3, 0, 2, 1])]
    assert bench.rest() == [(0, (2, 0), (2, 2), [7])]
    bench.check()


def test_a_shard_is_written_at_once() -> None:
    bench = Bench({"t": 8, "z": 2}, {"t": 2}, {"t": 4, "z": 2})
    made = [block for n in range(16) for block in bench.append(n)]
    assert made == [
        (0, (0, 0), (4, 2), list(range(8))), (0, (4, 0), (4, 2), list(range(8, 16))),
    ]  # fmt: skip
    bench.check()


def test_chunks_of_interleaved_positions_are_gathered_side_by_side() -> None:
    bench = Bench({"t": 4, "p": 2}, {"t": 2})
    made = [bench.append(n) for n in range(8)]
    assert made[2:4] == [[(0, (0,), (2,), [0, 2])], [(1, (0,), (2,), [1, 3])]]
    bench.check()


@pytest.mark.parametrize(
    ("chunk", "cells"), [(1, 0), (2, 2), (3, 0), (6, 2), (4, 4), (12, 4)]
)  # a chunk of 4 samples holds no whole number of frames: 12 samples, 4 frames, do
def test_rgb_frames_are_gathered_in_whole_frames(chunk: int, cells: int) -> None:
    bench = Bench({"t": 2, "c": 4}, {"c": chunk}, rgb=True)
    made = [bench.append(n) for n in range(8)]
    if not cells:
        assert made == [[(0, (n // 4, n % 4 * 3), (1, 3), [n])] for n in range(8)]
    else:
        first = list(range(cells))
        assert made[:cells] == [*[[]] * (cells - 1), [(0, (0, 0), (1, 3 * cells), first)]]
    bench.check()


def test_one_frame_a_chunk_passes_through_without_a_copy() -> None:
    bench = Bench({"t": 3}, None)
    assert not bench.assembler.is_gathering
    bench.append(0)
    assert np.shares_memory(bench.blocks[0].pixels, bench.last)
    assert bench.assembler.open_bytes == 0
    bench.check()


def test_array_that_grows_is_never_larger_than_its_last_frame() -> None:
    bench = Bench({"t": None, "z": 2}, {"t": 4, "z": 2})
    for n in range(11):
        bench.append(n)
    assert bench.arrays[0].shape[:2] == (4, 2)
    assert bench.rest() == [(0, (4, 0), (2, 2), [8, 9, 10])]
    bench.check()


def test_skipped_places_complete_a_chunk() -> None:
    bench = Bench({"t": 9}, {"t": 4})
    bench.append(0)
    bench.append(1)
    assert bench.skip(2) == []
    assert bench.skip(2) == [], "announcing a hole again changes nothing"
    assert bench.skip(3, 4) == [(0, (0,), (4,), [0, 1])]
    assert [bench.append(n) for n in (5, 6)] == [[], []]
    assert bench.append(7) == [(0, (4,), (4,), [5, 6, 7])]
    assert bench.skip(8) == []
    bench.check()


def test_chunk_of_holes_alone_is_never_written() -> None:
    bench = Bench({"t": None}, {"t": 2})
    assert bench.skip(0, 1, 2, 3) == []
    bench.append(4)
    assert bench.skip(5) == [(0, (4,), (1,), [4])]
    bench.check()


@pytest.mark.parametrize("whole", [True, False])
def test_frame_that_comes_where_a_hole_was_announced_is_written_alone(whole: bool) -> None:
    bench = Bench({"t": 4}, {"t": 4})
    for n in (0, 1):
        bench.append(n)
    if whole:
        assert bench.skip(2, 3) == [(0, (0,), (4,), [0, 1])]
        assert bench.append(3) == [(0, (3,), (1,), [3])]
        assert bench.skip(2) == []
    else:
        bench.skip(3)
        assert bench.append(3) == []
        assert bench.append(2) == [(0, (0,), (4,), [0, 1, 3, 2])]
    bench.check()


def test_hole_that_is_announced_where_a_frame_came_loses_nothing() -> None:
    bench = Bench({"t": 4}, {"t": 4})
    bench.append(0)
    bench.wait(CHECKPOINT_S)
    bench.append(2)
    assert bench.skip(0, 1, 2) == []
    assert bench.skip(3) == [(0, (2,), (1,), [2])]
    bench.check()


def test_places_that_the_plan_leaves_out_are_not_waited_for() -> None:
    channels = [po.Channel(name="a"), po.Channel(name="b", every=2), po.Channel(name="d", plane=1)]
    bench = Bench(
        {"t": 4, "c": Dimension(name="c", coords=channels), "z": 3}, {"t": 2, "c": 3, "z": 3}
    )
    count = len(bench.router)
    assert count == 4 * 3 + 2 * 3 + 4
    made = [block for n in range(count) for block in bench.append(n)]
    assert [(start, shape) for _, start, shape, _ in made] == [
        ((0, 0, 0), (2, 3, 3)), ((2, 0, 0), (2, 3, 3)),
    ]  # fmt: skip
    assert bench.rest() == []
    bench.check()


def test_cameras_of_a_sparse_plan_are_told_from_channels() -> None:
    channels = [po.Channel(name="a"), po.Channel(name="b", every=2)]
    sizes = {"t": 2, "c": Dimension(name="c", coords=channels), "cam": 2}
    bench = Bench(sizes, {"t": 2, "c": 4})
    made = [bench.append(n) for n in range(6)]
    assert made[-1] == [(0, (0, 0), (2, 4), list(range(6)))]
    bench.check()


def test_oldest_chunk_is_written_incomplete_when_room_is_needed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench({"p": 3, "t": 4}, {"t": 4}, budget=2 * 2 * 4 * NBYTES)
    assert [bench.append(n) for n in (0, 4, 5)] == [[], [], []]
    assert bench.append(8) == [(0, (0,), (4,), [0])]
    # later frames of what was evicted must not overwrite it: in runs, without what is down
    assert [bench.append(n) for n in (1, 3)] == [[(1, (0,), (4,), [4, 5])], []]
    assert bench.append(2) == [(0, (1,), (3,), [1, 3, 2])]
    assert bench.append(7) == []
    assert sorted(bench.rest()) == [(1, (3,), (1,), [7]), (2, (0,), (4,), [8])]
    assert len(caplog.records) == 1, "it is said once"
    assert "Raise buffer_bytes" in caplog.text
    bench.check()


def test_runs_that_came_later_are_written_in_as_few_boxes_as_rows_allow() -> None:
    bench = Bench({"t": 4, "z": 4}, {"t": 4, "z": 4})
    bench.append(0)
    bench.wait(CHECKPOINT_S)
    for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13):
        assert bench.append(n) == []
    assert [block[1:3] for block in bench.rest()] == [
        ((0, 1), (1, 3)), ((1, 0), (2, 4)), ((3, 1), (1, 1)),
    ]  # fmt: skip
    bench.check()


def test_half_filled_chunk_is_written_after_a_while() -> None:
    bench = Bench({"p": 2, "t": 4}, {"t": 4})
    bench.append(0)
    assert bench.wait(CHECKPOINT_S - 1) == []
    bench.append(4)
    assert bench.wait(1) == [(0, (0,), (4,), [0])]
    assert bench.append(1) == []
    assert bench.wait(CHECKPOINT_S - 1) == [(1, (0,), (4,), [4])]
    assert bench.wait(1) == [(0, (1,), (1,), [1])]
    assert bench.skip(2) == []
    assert bench.append(3) == [(0, (3,), (1,), [3])]
    bench.check()


def test_chunk_larger_than_half_of_the_budget_passes_through_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench({"p": 2, "t": 4}, {"t": 4}, budget=8 * NBYTES - 1)
    assert "Set buffer_bytes to 192 or more" in caplog.text
    assert not bench.assembler.is_gathering
    assert [bench.append(n) for n in (0, 5)] == [
        [(0, (0,), (1,), [0])], [(1, (1,), (1,), [5])],
    ]  # fmt: skip
    assert bench.skip(1) == []
    assert len(caplog.records) == 1
    bench.check()
    assert Bench({"p": 2, "t": 4}, {"t": 4}, budget=8 * NBYTES).assembler.is_gathering


@dataclass
class Case:
    sizes: dict[str, Any]
    chunks: dict[str, int]
    shards: dict[str, int]
    budget: int
    steps: list[tuple[str, int]] = field(default_factory=list)
    rgb: bool = False


@st.composite
def cases(draw: st.DrawFn, kinds: str = "append skip wait") -> Case:
    names = draw(st.permutations(["t", "p", "c", "z"]))[: draw(st.integers(1, 4))]
    sizes: dict[str, Any] = {name: draw(st.integers(1, 4)) for name in names}
    count = int(np.prod(list(sizes.values())))
    if names[0] != "p" and draw(st.booleans()):
        sizes[names[0]] = None
    rgb = "c" in names and sizes["c"] is not None and draw(st.booleans())
    axes = [name for name in names if name != "p"]
    chunks = {name: draw(st.integers(1, 5)) for name in axes}
    shards: dict[str, int] = {}
    if draw(st.booleans()):
        for name in axes:
            size = sizes[name] and sizes[name] * (3 if rgb and name == "c" else 1)
            chunk = min(chunks[name], size or chunks[name])
            shards[name] = chunk * draw(st.integers(1, 3))
    order = draw(st.permutations(range(count)))
    steps = [(draw(st.sampled_from(kinds.split())), number) for number in order]
    # a frame may come where a hole was announced, and a hole be announced where one came
    late = [("append" if kind == "skip" else "skip", n) for kind, n in steps if draw(st.booleans())]
    budget = draw(st.integers(1, 40 * NBYTES * (3 if rgb else 1)))
    return Case(sizes, chunks, shards, budget, [*steps, *late], rgb)


@settings(max_examples=300)
@given(cases())
def test_every_frame_is_handed_out_once_in_its_place_and_within_the_budget(case: Case) -> None:
    bench = Bench(case.sizes, case.chunks, case.shards, case.budget, rgb=case.rgb)
    for kind, number in case.steps:
        if kind == "append":
            bench.append(number)
        elif kind == "skip":
            bench.skip(number)
        else:
            bench.wait(CHECKPOINT_S / 2)
        assert bench.bytes_held <= bench.assembler.open_bytes <= case.budget // 2
    bench.rest()
    bench.check()
    whole = [b.chunk for b in bench.blocks if b.is_whole]
    assert len(whole) == len(set(whole)), "a cell is written whole once at most"


# ------------------------------------------------------------------- with threads and a disk


class RecordingBackend(TensorstoreBackend):
    """Remembers the place and shape of every write."""

    name = "recording"
    writes: list[tuple[int, tuple[int, ...], tuple[int, ...]]]

    def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
        self.writes.append((image, start[:-2], block.shape[:-2]))
        return super().write(image, start, block)


def recording(base: type = RecordingBackend) -> Any:
    return type("Recording", (base,), {"writes": []})


def check_pixels(path: Path, plan: StorageSchema, numbers: Iterable[int]) -> None:
    """Assert that the store holds exactly these frames of the plan, as zarr-python reads it."""
    router = FrameRouter(plan)
    places: dict[str, dict[tuple[int, ...], int]] = {}
    for number in numbers:
        address = router.by_number(number)
        places.setdefault(address.image, {})[address.index] = number
    for image in po.open_dataset(path).images:
        found = read_by_zarr(path, image.path)
        expected = np.zeros_like(found)
        for index, number in places.get(image.path, {}).items():
            where: list[Any] = list(index)
            frame = frame_of(number, plan.rgb)
            if plan.rgb:
                axis = image.axes.index("c")
                where[axis] = slice(index[axis], index[axis] + 3)
                frame = np.moveaxis(frame, -1, 0)
            expected[tuple(where)] = frame
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("options", "writes"),
    [
        ({"chunks": {"t": 4}}, [((0,), (4,)), ((4,), (4,)), ((8,), (2,))]),
        ({"chunks": {"t": 2}, "shards": {"t": 6}}, [((0,), (6,)), ((6,), (4,))]),
        ({"chunks": "auto"}, [((0,), (10,))]),
        ({"chunks": {"y": 2}}, [((n,), (1,)) for n in range(10)]),
        ({"chunks": {"y": 2}, "shards": {"t": 10, "y": 4}}, [((0,), (10,))]),
    ],
)
@pytest.mark.parametrize("size", [10, None])
def test_whole_chunks_and_shards_reach_the_backend(
    tmp_path: Path, options: dict[str, Any], writes: list[Any], size: int | None
) -> None:
    backend, path = recording(), tmp_path / "a.ome.zarr"
    plan = schema({"t": size})
    with po.open_stream(path, plan, backend=backend, **options) as stream:
        for n in range(10):
            stream.append(frame_of(n))
    assert [write[1:] for write in backend.writes] == writes
    assert read_by_zarr(path, "").shape == (10, 3, 4)
    check_pixels(path, plan, range(10))
    assert [f["index"] for f in po.open_dataset(path).frames()] == [(n,) for n in range(10)]


def test_backend_that_takes_frames_in_order_gets_every_frame_alone(tmp_path: Path) -> None:
    backend, path = recording(), tmp_path / "a.ome.zarr"
    backend.is_sequential = True
    with po.open_stream(path, schema({"t": 4}), backend=backend, chunks={"t": 2}) as stream:
        for n in range(3):
            stream.append(frame_of(n))
        stream.skip()
    assert backend.writes == [(0, (n,), (1,)) for n in range(3)]


def test_skip_in_both_forms_completes_chunks_and_a_late_frame_is_kept(tmp_path: Path) -> None:
    backend, path = recording(), tmp_path / "a.ome.zarr"
    plan = schema({"t": 8})
    with po.open_stream(path, plan, backend=backend, chunks={"t": 4}) as stream:
        stream.append(frame_of(0))
        stream.skip(2)
        stream.append(frame_of(3))
        stream.skip(at={"t": 6})
        for n in (4, 5, 7):
            stream.append(frame_of(n), at={"t": n})
        stream.append(frame_of(6), at={"t": 6})
    assert backend.writes == [(0, (0,), (4,)), (0, (4,), (4,)), (0, (6,), (1,))]
    check_pixels(path, plan, [0, 3, 4, 5, 6, 7])
    assert stream.close().frames_skipped == 3


class LazyBackend(RecordingBackend):
    """Writes large blocks only when somebody waits for them, and small ones at once."""

    def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
        if block.shape[0] == 1:
            super().write(image, start, block).result()
            return None
        later = super().write

        class Later(Future[None]):
            def done(self) -> bool:
                return False

            def result(self, timeout: float | None = None) -> None:
                later(image, start, block).result()

        return Later()


def test_later_block_of_a_chunk_never_overtakes_the_one_under_it(tmp_path: Path) -> None:
    path, plan = tmp_path / "a.ome.zarr", schema({"t": 5})
    with po.open_stream(path, plan, backend=recording(LazyBackend), chunks={"t": 4}) as stream:
        for n in (0, 1, 3):
            stream.append(frame_of(n), at={"t": n})
        stream.skip(at={"t": 2})
        stream.append(frame_of(2), at={"t": 2})
        stream.append(frame_of(4), at={"t": 4})
    check_pixels(path, plan, range(5))
    assert [f["index"] for f in po.open_dataset(path).frames()] == [(0,), (1,), (3,), (2,), (4,)]


def test_frames_are_listed_in_order_of_arrival_also_when_chunks_are_full_in_another(
    tmp_path: Path,
) -> None:
    backend, path = recording(), tmp_path / "a.ome.zarr"
    plan = schema({"t": 4, "p": 2})
    with po.open_stream(path, plan, backend=backend, chunks={"t": 2}) as stream:
        for n in (7, 0, 2, 1, 4, 3):
            stream.append(frame_of(n), at=stream_index(n))
    assert backend.writes[0][:2] == (0, (0,)), "the first that came is not written first"
    listed = [frame["event_index"] for frame in po.open_dataset(path).frames()]
    assert listed == [stream_index(n) for n in (7, 0, 2, 1, 4, 3)]
    assert "arrival" not in po.open_dataset(path).frames()[0]


def stream_index(number: int) -> dict[str, int]:
    return {"t": number // 2, "p": number % 2}


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), ValueError("mine")])
def test_incomplete_chunks_are_written_however_the_stream_ends(
    tmp_path: Path, error: BaseException | None
) -> None:
    path, plan = tmp_path / "a.ome.zarr", schema({"t": 8, "p": 2})

    def work() -> None:
        with po.open_stream(path, plan, chunks={"t": 4}) as stream:
            for n in range(11):
                stream.append(frame_of(n))
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(type(error)):
            work()
    check_pixels(path, plan, range(11))
    assert len(po.open_dataset(path).frames()) == 11


class FailingBackend(RecordingBackend):
    """Fails at its third write, at once or when the future is asked."""

    name = "failing"
    late = False

    def write(self, image: int, start: tuple[int, ...], block: Any) -> Any:
        if len(self.writes) != 2:
            return super().write(image, start, block)
        self.writes.append((image, start[:-2], block.shape[:-2]))
        if not self.late:
            raise OSError(28, "No space left on device")
        future: Future[None] = Future()
        future.set_exception(OSError(28, "No space left on device"))
        return future


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("budget", [8 * NBYTES, PLENTY])
def test_only_frames_of_blocks_that_are_down_are_recorded(
    tmp_path: Path, late: bool, budget: int
) -> None:
    backend = type("Failing", (FailingBackend,), {"late": late, "writes": []})
    path = tmp_path / "a.ome.zarr"
    plan = schema({"t": 40})
    stream = po.open_stream(path, plan, backend=backend, chunks={"t": 4}, buffer_bytes=budget)

    def fill() -> None:
        for n in range(40):
            stream.append(frame_of(n))
        stream.close()

    with pytest.raises(errors.WriteError, match=r"4 frames, the first at t 8, .*No space left"):
        fill()
    with pytest.raises(errors.WriteError):
        stream.close()
    listed = [f["index"][0] for f in po.open_dataset(path).frames()]
    assert listed[:8] == list(range(8))
    assert set(listed).isdisjoint(range(8, 12))
    assert len(listed) % 4 == 0
    assert po.open_dataset(path).status == "failed"


def test_chunks_of_images_that_nobody_knew_of_are_gathered(tmp_path: Path) -> None:
    backend, path = recording(), tmp_path / "a.ome.zarr"
    dims = {"t": Dimension(name="t", chunk_size=2), "c": None}
    plan = schema(dims, grows=True)
    with po.open_stream(path, plan, backend=backend) as stream:
        for n in range(5):
            stream.append(frame_of(n), at={"t": n, "p": n % 2})
        stream.append(frame_of(5), at={"t": 5, "p": 1})
    assert sorted(w for w in backend.writes if w[0] == 1) == [
        (1, (0, 0), (2, 1)), (1, (2, 0), (2, 1)), (1, (4, 0), (2, 1)),
    ]  # fmt: skip
    assert read_by_zarr(path, "0")[:, 0, 0, 0].tolist() == [
        frame_of(n)[0, 0] if n % 2 == 0 else 0 for n in range(5)
    ]
    assert po.validate(path) == []


@settings(max_examples=60)
@given(cases("append append skip"), st.sampled_from([TensorstoreBackend, ZarrPythonBackend]))
def test_any_chunks_budget_and_order_read_back_by_zarr_python(case: Case, backend: Any) -> None:
    plan = schema(case.sizes, rgb=case.rgb)
    router = FrameRouter(plan)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ome.zarr"
        with po.open_stream(
            path, plan, backend=backend, buffer_bytes=case.budget,
            chunks=case.chunks, shards=case.shards,
        ) as stream:  # fmt: skip
            for kind, number in case.steps:
                if kind == "append":
                    address = stream.append(frame_of(number, case.rgb), at=router.index_of(number))
                    assert isinstance(address, FrameAddress)
                else:
                    stream.skip(at=router.index_of(number))
        taken = [number for kind, number in case.steps if kind == "append"]
        assert stream.close().frames_written == len(taken)
        check_pixels(path, plan, taken)
        assert len(po.open_dataset(path).frames()) == len(taken)
