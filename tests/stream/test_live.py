"""`ChunkLocks` and `PendingFrames`: no chunk is read while it is replaced."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from conftest import HANG_S
from pymmcore_ome import Dimension, StorageSchema
from pymmcore_ome.layout import FrameAddress, Layout, layout_of, with_chunks
from pymmcore_ome.stream.chunk_assembler import ChunkAssembler
from pymmcore_ome.stream.frame_buffer import QueuedFrame
from pymmcore_ome.stream.live import ChunkLocks, PendingFrames


def layout(**chunks: int) -> Layout:
    dims = [Dimension(name=n, size=s) for n, s in {"t": 8, "y": 2, "x": 3}.items()]
    return with_chunks(layout_of(StorageSchema(dimensions=dims, dtype="uint8")), chunks, None)


def queued(t: int) -> QueuedFrame:
    return QueuedFrame(np.full((2, 3), t, "uint8"), FrameAddress("", (t,), 0), {"t": t})


def in_thread(action: Any) -> tuple[threading.Thread, threading.Event]:
    done = threading.Event()

    def run() -> None:
        action()
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, done


def test_writer_waits_for_a_reader_of_the_same_chunk_alone() -> None:
    plan = layout(t=4)
    locks = ChunkLocks(plan.images, is_needed=True)
    with locks.reading((0, (0,))):
        locks.lock(0, (4,))  # another chunk
        locks.unlock(0, (4,))
        thread, closed = in_thread(lambda: locks.lock(0, (1,)))
        assert not closed.is_set()
    thread.join(HANG_S)
    assert closed.is_set()


def test_reader_waits_until_every_block_of_its_chunk_is_written() -> None:
    plan = layout(t=4)
    locks = ChunkLocks(plan.images, is_needed=True)
    locks.lock(0, (1,))
    locks.lock(0, (2,))
    thread, read = in_thread(lambda: locks.reading((0, (0,))).__enter__())
    locks.unlock(0, (2,))
    assert not read.is_set()
    locks.unlock(0, (1,))
    thread.join(HANG_S)
    assert read.is_set()


@pytest.mark.parametrize(("plan", "is_needed"), [(layout(), True), (layout(t=4), False)])
def test_frames_that_share_no_chunk_have_no_lock(plan: Layout, is_needed: bool) -> None:
    locks = ChunkLocks(plan.images, is_needed=is_needed)
    assert locks.grid(0) is None
    locks.lock(0, (1,))
    locks.lock(0, (1,))  # would wait for itself


def test_frames_that_cannot_be_read_are_kept_in_what_the_budget_leaves_free() -> None:
    plan = layout()
    frames = PendingFrames(plan.images, keeps=True)
    frames.on_change = lambda: None
    picks = [np.arange(8)]
    for t in range(5):
        frames.add(queued(t), 100)
        frames.settle([queued(t)], 100)
    assert sorted(frames.snapshot(0, picks).frames) == [(t,) for t in range(5)]
    frames.add(queued(5), 12)  # two frames of 6 bytes
    assert sorted(frames.snapshot(0, picks).frames) == [(3,), (4,), (5,)]
    frames.settle([queued(5)], -1)
    assert sorted(frames.snapshot(0, picks).frames) == [(5,)]
    assert frames.snapshot(0, picks).acquired.tolist() == [True] * 6 + [False] * 2


def test_frames_are_let_go_as_soon_as_they_are_down() -> None:
    plan = layout()
    frames = PendingFrames(plan.images)
    frames.on_change = lambda: None
    for t in range(5):
        frames.add(queued(t), 100)
    frames.settle([queued(1)], 100)
    found = frames.snapshot(0, [np.array([0, 1, 7])])
    assert (found.acquired.tolist(), list(found.frames)) == ([True, True, False], [(0,)])
    frames.end()
    assert [frames.is_accepted(0, (t,)) for t in range(5)] == [False, True, False, False, False]


def test_gathered_frame_is_held_once() -> None:
    plan, frames = layout(t=4), PendingFrames(layout(t=4).images)
    assembler = ChunkAssembler(plan, 1000)
    first = queued(1)
    acquired = first.frame
    frames.add(first, 100)
    assert np.shares_memory(frames.snapshot(0, [np.array([1])]).frames[1,], acquired)
    assert list(assembler.add(first)) == []
    moved = frames.snapshot(0, [np.array([1])]).frames[1,]
    assert not np.shares_memory(moved, acquired)
    (whole,) = assembler.rest()
    assert np.shares_memory(moved, whole.pixels)
    np.testing.assert_array_equal(moved[0], acquired)
