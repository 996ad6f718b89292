"""Frames as tables, read back by what people read tables with."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import pymmcore_ome as po
from pymmcore_ome.cli.app import ended


@pytest.fixture
def store(tmp_path: Path, small_schema: po.StorageSchema, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three frames of twelve, with facts of every kind."""
    monkeypatch.chdir(tmp_path)
    with po.open_stream("s.ome.zarr", small_schema) as stream:
        for n, at in enumerate([{"t": 0, "p": 1}, {"t": 2, "p": 1, "c": 1}, {"t": 2}]):
            facts = {
                "exposure_ms": 10, "x_um": 1.5 * n, "note": "a, \"b\"\nµ", "mixed": [7, "x", 7][n],
                "property_values": [{"dev": "Dichroic", "prop": "Label", "val": "400"}],
                "nested": {"a": [1]},
            }  # fmt: skip
            stream.append(np.full((6, 8), n, "uint16"), at=at, metadata=facts)
    return Path("s.ome.zarr")


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["pymmcore-ome", *map(str, words)])
    return ended()


@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_frames_as_text_are_read_back(
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    form: str,
    delimiter: str,
) -> None:
    assert run(monkeypatch, "frames", store, "--to", form) == 0
    text = capfdbinary.readouterr().out.decode()
    rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    assert [(r["image"], r["label"], r["t"], r["c"]) for r in rows] == [
        ("1", "right", "0", "0"), ("1", "right", "2", "1"), ("0", "left", "2", "0"),
    ]  # fmt: skip
    assert [r["x_um"] for r in rows] == ["0.0", "1.5", "3.0"]
    assert rows[0]["channel"] == "DAPI"
    assert rows[0]["event_p"] == "1"
    assert rows[0]["note"] == 'a, "b"\nµ'
    assert rows[0]["Dichroic-Label"] == "400"
    assert json.loads(rows[0]["nested"]) == {"a": [1]}


def test_frames_as_json_are_those_of_the_dataset(
    store: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    wanted = json.loads(json.dumps(po.open_dataset(store).frames()))
    assert run(monkeypatch, "frames", store, "--to", "json") == 0
    assert json.loads(capfdbinary.readouterr().out) == wanted
    assert run(monkeypatch, "frames", store, "--output", "f.jsonl") == 0
    lines = Path("f.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == wanted


def test_frames_as_parquet_are_read_back(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import parquet

    assert run(monkeypatch, "frames", store, "--output", "f.parquet") == 0
    table = parquet.read_table("f.parquet").to_pydict()
    assert table["t"] == [0, 2, 2]
    assert table["x_um"] == [0.0, 1.5, 3.0]
    assert table["label"] == ["right", "right", "left"]
    assert table["mixed"] == ["7", "x", "7"]
    assert table["delta_t_s"] == [None, None, None]


def test_parquet_without_pyarrow_says_how_to_get_it(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(monkeypatch, "frames", store, "--output", "f.parquet") == 1
    assert ".[analysis]" in capsys.readouterr().err
    assert not Path("f.parquet").exists()


def test_a_file_that_exists_is_not_overwritten(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("f.csv").write_text("mine")
    assert run(monkeypatch, "frames", store, "--output", "f.csv") == 1
    assert Path("f.csv").read_text() == "mine"
    assert "--overwrite" in capsys.readouterr().err
    assert run(monkeypatch, "frames", store, "--output", "f.csv", "--overwrite") == 0
    assert Path("f.csv").read_text(encoding="utf-8").startswith("image,label,t,c,")


def test_frames_of_a_damaged_table_are_listed_all_the_same(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = store / "frames.jsonl"
    table.write_text(table.read_text().replace('"image":"0"', '"image":"7"'))
    assert run(monkeypatch, "frames", store, "--output", "f.csv") == 0
    rows = list(csv.DictReader(Path("f.csv").read_text(encoding="utf-8").splitlines()))
    assert [(r["image"], r["label"], r["t"]) for r in rows][1:] == [
        ("1", "right", "2"),
        ("7", "", ""),
    ]
    assert run(monkeypatch, "frames", store) == run(monkeypatch, "info", store) == 0


def test_parquet_is_not_printed(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "frames", store, "--to", "parquet") == 2
    assert "--output" in capsys.readouterr().err


def test_a_store_without_frames_has_an_empty_table(
    tmp_path: Path, small_schema: po.StorageSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    po.open_stream("e.ome.tiff", small_schema).close()
    for name in ("e.csv", "e.json", "e.jsonl"):
        assert run(monkeypatch, "frames", "e.ome.tiff", "--output", name) == 0
    assert Path("e.csv").read_text() == "image\n"
    assert Path("e.json").read_text() == "[]\n"
    assert Path("e.jsonl").read_text() == ""
    assert run(monkeypatch, "frames", "e.ome.tiff") == 0
