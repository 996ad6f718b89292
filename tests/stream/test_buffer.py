"""`FrameBuffer`: what is handed out together, who is woken, and the byte budget."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from pymmcore_ome.errors import StalledError
from pymmcore_ome.layout import FrameAddress
from pymmcore_ome.stream.frame_buffer import FrameBuffer, QueuedFrame, SkippedFrames

KB = 1024
FOREVER = 60.0


def queued(number: int, nbytes: int = KB) -> QueuedFrame:
    frame = np.zeros((1, nbytes), "uint8")
    return QueuedFrame(frame, FrameAddress("", (number,), 0), {"t": number})


def numbers(batch: list[QueuedFrame | SkippedFrames]) -> list[int]:
    return [each.index[0] for each in batch if isinstance(each, QueuedFrame)]


def test_frames_are_handed_out_in_order_and_within_the_bytes_asked_for() -> None:
    buffer = FrameBuffer(100 * KB)
    for number in range(10):
        assert buffer.put(queued(number))
    assert numbers(buffer.take(FOREVER, 4 * KB)) == [0, 1, 2, 3]
    assert numbers(buffer.take(FOREVER, 1)) == [4], "one frame may be larger"
    assert numbers(buffer.take(FOREVER)) == [5, 6, 7, 8, 9]
    assert buffer.bytes_held == 10 * KB, "until their pixels are on disk"
    buffer.release(10 * KB)
    assert (buffer.bytes_held, buffer.peak_bytes) == (0, 10 * KB)


@pytest.mark.parametrize("announce", [FrameBuffer.end, lambda b: b.fail(OSError("full"))])
def test_writer_that_waits_is_woken_at_the_end(announce: object) -> None:
    buffer = FrameBuffer(100 * KB)
    batches: list[list[QueuedFrame | SkippedFrames]] = []
    writer = threading.Thread(target=lambda: batches.append(buffer.take(FOREVER)))
    writer.start()
    announce(buffer)  # type: ignore[operator]
    writer.join(FOREVER)
    assert batches == [[]]
    assert buffer.is_drained
    assert not buffer.put(queued(0))


@pytest.mark.parametrize("first", [queued(0), SkippedFrames([FrameAddress("", (0,), 0)])])
def test_writer_that_waits_is_woken_by_whatever_is_first(first: object) -> None:
    buffer = FrameBuffer(100 * KB)
    batches: list[list[QueuedFrame | SkippedFrames]] = []
    writer = threading.Thread(target=lambda: batches.append(buffer.take(FOREVER)))
    writer.start()
    assert buffer.put(first)  # type: ignore[arg-type]
    writer.join(FOREVER)
    assert batches == [[first]]


def test_producer_that_waits_for_room_does_not_wait_for_a_writer_that_gathers() -> None:
    """The budget is smaller than the batch for which the writer would linger."""
    buffer = FrameBuffer(2 * KB)
    total, seen = 50, list[int]()

    def write() -> None:
        while len(seen) < total:
            batch = buffer.take(FOREVER)
            seen.extend(numbers(batch))
            buffer.release(sum(each.nbytes for each in batch))

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(total):
        assert buffer.put(queued(number))
    writer.join(FOREVER)
    assert seen == list(range(total))
    assert buffer.peak_bytes <= 2 * KB


def test_queued_frames_are_kept_when_a_producer_gives_up() -> None:
    buffer = FrameBuffer(2 * KB, stall_s=0.05)
    for number in range(2):
        assert buffer.put(queued(number))
    with pytest.raises(StalledError, match=r"No data .* 0\.05 s; 2048 bytes are still buffered"):
        buffer.put(queued(2))
    assert numbers(buffer.take(FOREVER)) == [0, 1]
    buffer.release(2 * KB)
    assert buffer.put(queued(2)), "there is room again"


def test_failure_wakes_a_producer_that_waits_for_room() -> None:
    buffer = FrameBuffer(KB)
    assert buffer.put(queued(0))
    accepted: list[bool] = []
    producer = threading.Thread(target=lambda: accepted.append(buffer.put(queued(1))))
    producer.start()
    while not buffer._wanted_room:
        time.sleep(0.001)
    buffer.fail(OSError("full"))
    producer.join(FOREVER)
    assert accepted == [False]
