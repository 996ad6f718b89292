"""The frame table: one JSON line a frame, whatever the metadata holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymmcore_ome.frames import COLUMNS, FrameRecord, FrameTableWriter, read_table


def record(metadata: dict[str, object] | None = None) -> FrameRecord:
    return FrameRecord("0", (1, 2), {"t": 1}, metadata)


def test_known_keys_become_columns_and_the_rest_is_kept() -> None:
    row = json.loads(
        record({"delta_t_s": 1, "x_um": np.float32(2.5), "exposure_ms": None, "foo": [1]}).to_line()
    )
    assert (row["delta_t_s"], row["x_um"], row["exposure_ms"]) == (1.0, 2.5, None)
    assert row["metadata"] == {"foo": [1]}
    assert row["channel"] is None
    assert list(row) == ["image", "index", "event_index", *COLUMNS, "metadata"]


def test_column_that_is_no_number_is_kept_in_metadata() -> None:
    row = json.loads(record({"z_um": "high", "x_um": 2**2000, "channel": "Cy5"}).to_line())
    assert row["z_um"] is row["x_um"] is None
    assert row["metadata"] == {"z_um": "high", "x_um": 2**2000}
    assert row["channel"] == "Cy5"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (np.int64(3), 3),
        (np.arange(2), [0, 1]),
        (b"\xff", "_w=="),
        ({1: 2}, {"1": 2}),
        (Path("a"), "a"),
        ("\ud800", "\\ud800"),
        ({frozenset({1}): 2}, {"frozenset({1})": 2}),
        ({1, 2}, [1, 2]),
    ],
)
def test_metadata_that_json_cannot_hold_is_said_otherwise(value: object, expected: object) -> None:
    assert json.loads(record({"v": value}).to_line())["metadata"]["v"] == expected


def test_object_without_any_json_form_is_its_text() -> None:
    text = json.loads(record({"v": object()}).to_line())["metadata"]["v"]
    assert text.startswith("<object object")


@given(st.lists(st.dictionaries(st.text(), st.one_of(st.text(), st.floats(), st.integers()))))
def test_table_reads_back_what_was_appended(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "frames.jsonl"
    journal = FrameTableWriter(path)
    for row in rows:
        journal.append(record(row))
    journal.close()
    found = list(read_table(path))
    expected = [json.loads(record(r).to_line())["metadata"].keys() for r in rows]
    assert [row["metadata"].keys() for row in found] == expected
    assert all(row["index"] == (1, 2) for row in found)


def test_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    journal = FrameTableWriter(path)
    journal.append(record())
    journal.append(record())
    journal.close()
    path.write_bytes(path.read_bytes()[:-5])
    assert len(list(read_table(path))) == 1


def test_object_that_cannot_even_say_what_it_is_does_no_harm() -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert json.loads(record({"v": [Mute()]}).to_line())["metadata"]["v"] == [
        "<Mute: RuntimeError>"
    ]


def test_value_that_contains_itself_does_no_harm() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert json.loads(record({"v": loop}).to_line())["metadata"]["v"]


def test_metadata_is_kept_as_it_was_when_the_frame_was_handed_over() -> None:
    reused = {"stage": {"x": 1}}
    made = record(reused)
    reused["stage"]["x"] = 2
    assert json.loads(made.to_line())["metadata"] == {"stage": {"x": 1}}


@pytest.mark.parametrize("garbage", [b"{}\n", b"\0\0\0\n", b"\xff\n", b"not json\n", b"[]\n"])
def test_line_that_cannot_be_read_is_left_out_and_told(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_bytes(record().to_line() + garbage + record().to_line())
    bad: list[int] = []
    assert len(list(read_table(path, bad))) == 2
    assert bad == [2]


def test_missing_table_has_no_frames(tmp_path: Path) -> None:
    assert list(read_table(tmp_path / "none.jsonl")) == []


def test_planes_are_those_of_the_table_where_it_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FrameTableWriter(tmp_path / "frames.jsonl")
    journal.append(record({"delta_t_s": 1.0}))
    journal.flush()

    class Full:
        closed = False

        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    journal.append(record({"delta_t_s": 2.0}))
    with monkeypatch.context() as patched:
        patched.setattr(journal, "_file", Full())
        with pytest.raises(OSError, match="No space"):
            journal.flush()
        (image,) = {row["image"] for row in read_table(tmp_path / "frames.jsonl")}
        rank = len(record().index)
        assert journal.planes().of([image], rank).values[:, 0].tolist() == [1.0]
    journal.confirm()  # writes the line that is left
    assert journal.planes().of([image], rank).values[:, 0].tolist() == [1.0, 2.0]
