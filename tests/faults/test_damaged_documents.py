"""Every verb answers a damaged store by a result or by our error, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pymmcore_ome as po
from faults import damage
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.cli.contents import Contents

GUARD_S = 1200


def answers(folder: Path, form: str, first: int, count: int) -> list[list[object]]:
    """Return what `damage.py` printed, but for what it tried."""
    done = subprocess.run(
        [sys.executable, damage.__file__, str(folder), form, str(first), str(count)],
        capture_output=True, text=True, check=False, timeout=GUARD_S,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1:], done.stderr)
    return [line for line in lines if line[0] != "trying"]


@pytest.mark.parametrize("form", damage.FORMS)
def test_damaged_document_gets_an_answer_or_our_error(tmp_path: Path, form: str) -> None:
    assert answers(tmp_path, form, 0, 75) == [["ended"]]


@pytest.mark.slow
@pytest.mark.parametrize("form", damage.FORMS)
def test_thousands_of_damaged_documents_get_an_answer_or_our_error(
    tmp_path: Path, form: str
) -> None:
    assert answers(tmp_path, form, 1000, 2500) == [["ended"]]


def row_line(path: Path, **values: object) -> bytes:
    """Return a line of the frame table for the last time point of the first image."""
    image = po.open_dataset(path).images[0].path
    row = {"image": image, "index": [2], "event_index": {"t": 2}, "arrival": 5, **values}
    return json.dumps(row).encode() + b"\n"


BAD_ROWS: list[dict[str, object]] = [
    {"index": "ab"}, {"index": [0.5]}, {"index": [-1]}, {"index": [10**30]}, {"index": [2, 1]},
    {"index": []}, {"x_um": "far"}, {"x_um": [1]}, {"event_index": 3}, {"event_index": {"t": "x"}},
    {"metadata": [1]}, {"arrival": 0.5}, {"image": ["0"]}, {"image": "../../x"},
]  # fmt: skip


@pytest.mark.parametrize("form", damage.FORMS)
@pytest.mark.parametrize("values", BAD_ROWS, ids=json.dumps)
def test_damaged_row_keeps_no_other_frame_from_recovery(
    tmp_path: Path, form: str, values: dict[str, object]
) -> None:
    path = tmp_path / form
    damage.made(path, damage.FORMS[form])
    table = po.open_dataset(path).location.table
    with table.open("ab") as file:
        file.write(row_line(path, **values))
    dataset = po.recover(path)
    assert dataset.status == "recovered"
    rows = [row for row in dataset.frames() if row["index"] in [(0,), (1,), (2,)]]
    assert len([row for row in rows if not row["image"].startswith("..")]) == 5
    problems = po.validate(path, pixels=True)
    assert any("line 6" in one or "outside" in one or "../../x" in one for one in problems)


@pytest.mark.parametrize("form", damage.FORMS)
def test_damaged_times_do_not_keep_recovery_from_ending(tmp_path: Path, form: str) -> None:
    path = tmp_path / form
    damage.made(path, damage.FORMS[form])
    table = po.open_dataset(path).location.table
    table.write_bytes(table.read_bytes().replace(b'"delta_t_s":null', b'"delta_t_s":1e300'))
    assert po.recover(path).status == "recovered"


def test_store_of_more_frames_than_any_plan_is_described_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    damage.made(path, {"shards": False})
    root = path / "zarr.json"
    document = json.loads(root.read_text())
    document["attributes"]["pymmcore_ome"]["schema"]["dimensions"][0]["size"] = 10**15
    root.write_text(json.dumps(document))
    dataset = po.open_dataset(path)
    contents = Contents.of(dataset)
    assert contents.frames_missing == 2 * 10**15 - 5
    assert contents.first_missing == {"0": [(3,), (4,), (5,)], "1": [(2,), (3,), (4,)]}


def test_schema_of_more_images_than_any_store_has_is_refused() -> None:
    dims = [Dimension(name=name, size=size) for name, size in (("p", 10**8), ("y", 4), ("x", 4))]
    with pytest.raises(errors.SchemaError, match="100000000 images"):
        StorageSchema(dimensions=dims, dtype="uint8")


def test_schema_of_more_pixels_than_64_bits_count_is_refused() -> None:
    dims = [Dimension(name=name, size=size) for name, size in (("t", 10**30), ("y", 4), ("x", 4))]
    with pytest.raises(errors.SchemaError, match="the most in a store"):
        StorageSchema(dimensions=dims, dtype="uint8")


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array["codecs"].clear(),
        lambda array: array["codecs"][0]["configuration"].pop("index_location"),
        lambda array: array["chunk_grid"].update(configuration=None),
    ],
)
def test_damaged_array_document_is_named(tmp_path: Path, change: Callable[[Any], object]) -> None:
    path = tmp_path / "a.ome.zarr"
    damage.made(path, {})
    file = path / "1" / "0" / "zarr.json"
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    assert any("zarr.json" in problem for problem in po.validate(path)), po.validate(path)
    with pytest.raises(errors.NotAStoreError, match="array document"):
        po.recover(path)
