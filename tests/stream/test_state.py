"""The life of a stream: which state leads where, and which error outlives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pymmcore_ome as po
from pymmcore_ome import StorageSchema, errors
from pymmcore_ome.errors import MapErrors, StalledError
from pymmcore_ome.stream.state import StreamLife, StreamState
from pymmcore_ome.testing import encoded_frame

SHAPE = (6, 8)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("STALLED ENDING CLOSED", "CLOSED"),
        ("ENDING CLOSED", "CLOSED"),
        ("FAILED CLOSED", "CLOSED"),
        ("FAILED ENDING", "FAILED"),
        ("FAILED STALLED", "FAILED"),
        ("ENDING STALLED", "ENDING"),
        ("CLOSED", "OPEN"),
        ("ENDING CLOSED FAILED", "CLOSED"),
        ("ENDING CLOSED ENDING", "CLOSED"),
    ],
)
def test_stream_moves_only_where_its_state_leads(states: str, expected: str) -> None:
    life = StreamLife()
    for name in states.split():
        life.go_to(StreamState[name])
    assert life.state is StreamState[expected]


def test_first_failure_is_kept_and_outlives_the_stream() -> None:
    life = StreamLife()
    life.stalled(StalledError("slow"))
    assert (life.state, life.is_over) == (StreamState.STALLED, False)
    first, later = OSError("first"), OSError("later")
    life.fail(first)
    life.fail(later)
    assert (life.state, life.failure, life.is_over) == (StreamState.FAILED, first, True)
    life.go_to(StreamState.CLOSED)
    life.fail(later)
    assert (life.state, life.failure) == (StreamState.CLOSED, first)


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
def test_peak_of_the_buffer_is_the_most_that_it_held(
    tmp_path: Path, small_schema: StorageSchema, suffix: str
) -> None:
    nbytes = encoded_frame(0, SHAPE).nbytes
    with po.open_stream(tmp_path / f"a{suffix}", small_schema, buffer_bytes=3 * nbytes) as stream:
        assert stream.progress.peak_buffer_bytes == 0
        for number in range(12):
            stream.append(encoded_frame(number, SHAPE))
            peak = stream.progress.peak_buffer_bytes
            assert stream.progress.bytes_in_flight <= peak <= 3 * nbytes
    assert nbytes <= stream.progress.peak_buffer_bytes <= 3 * nbytes


def _unreadable(error: Exception) -> errors.StorePathError:
    return errors.StorePathError(f"not made: {error}")


def test_foreign_error_becomes_one_of_ours_with_its_cause() -> None:
    foreign, match = KeyError("zarr"), "not made: 'zarr'"
    with pytest.raises(errors.StorePathError, match=match) as raised, MapErrors(_unreadable):
        raise foreign
    assert raised.value.__cause__ is foreign


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (errors.OptionError("ours"), ()),
        (KeyboardInterrupt(), ()),
        (ValueError("of another kind"), (RuntimeError, OSError)),
    ],
)
def test_error_of_ours_or_of_another_kind_passes_as_it_is(
    error: BaseException, kinds: tuple[Any, ...]
) -> None:
    with pytest.raises(type(error)) as raised, MapErrors(_unreadable, *kinds):
        raise error
    assert raised.value is error
