"""What is peculiar to acquire-zarr: it checks nothing, and tells of little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import useq
import zarr
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import HANG_S
from helpers import delete, index_of, listening, read_by_zarr, wait_until
from pymmcore_ome import errors
from pymmcore_ome.backends.zarr.acquire import AcquireArray
from pymmcore_ome.backends.zarr.documents import write_array_documents
from pymmcore_ome.layout import layout_of, order_problems
from pymmcore_ome.schema import EventOrder, StorageSchema
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import SHAPE, jagged, loops

BACKEND = "acquire-zarr"


def array_of(folder: Path, schema: StorageSchema) -> AcquireArray:
    image = layout_of(schema).images[0]
    write_array_documents(folder, [image], None)
    order = tuple(range(image.spec.rank))
    return AcquireArray(folder / "0", image, order, blosc_level=None, threads=1, queue_bytes=1)


@pytest.mark.parametrize(
    ("start", "block"),
    [
        ((0, 0, 0, 0), np.zeros((1, 1, 6, 8), "int16")),
        ((0, 0, 0, 0), np.zeros((1, 1, 6, 4), "uint16")),
        ((0, 0, 0, 0), np.zeros((1, 6, 8), "uint16")),
        ((0, 0, 1, 0), np.zeros((1, 1, 6, 8), "uint16")),
        ((3, 0, 0, 0), np.zeros((1, 1, 6, 8), "uint16")),
        ((0, 1, 0, 0), np.zeros((1, 2, 6, 8), "uint16")),
        ((0, -1, 0, 0), np.zeros((1, 1, 6, 8), "uint16")),
        ((1, 0, 0, 0), np.zeros((2, 1, 6, 8), "uint16")),
        ((0, 0, 0, 0), np.zeros((1, 1, 6, 8), "uint16")),
    ],
    ids=["dtype", "width", "axes", "rows", "outside", "beyond", "negative", "gaps", "written"],
)
def test_block_that_does_not_fit_is_refused(
    tmp_path: Path, start: tuple[int, ...], block: Any
) -> None:
    array = array_of(tmp_path, loops({"t": 3, "c": 2}))
    array.write((0, 0, 0, 0), np.full((1, 1, 6, 8), 5, "uint16"))
    with pytest.raises(ValueError, match="a block of"):
        array.write(start, block)
    array.write((1, 0, 0, 0), np.full((2, 2, 6, 8), 7, "uint16"))
    assert array.is_full
    array.end()
    found = zarr.open_array(tmp_path / "0")[...]
    assert np.asarray(found)[:, :, 0, 0].tolist() == [[5, 0], [7, 7], [7, 7]]


@pytest.mark.parametrize("compression", [None, "blosc:5"])
def test_documents_are_there_from_the_beginning_and_stay(
    tmp_path: Path, compression: str | None
) -> None:
    path = tmp_path / "a.ome.zarr"
    schema = loops({"t": 3, "p": 2})
    with po.open_stream(path, schema, backend=BACKEND, compression=compression) as stream:
        before = {p.relative_to(path): p.read_bytes() for p in path.rglob("zarr.json")}
        for number in range(3):
            stream.append(encoded_frame(number, SHAPE))
    after = {p.relative_to(path): p.read_bytes() for p in path.rglob("zarr.json")}
    assert before.keys() == after.keys()
    for key in before:
        old, new = json.loads(before[key]), json.loads(after[key])
        if key == Path("zarr.json"):
            continue  # our page, with the status
        new.pop("storage_transformers", None)
        assert new == old, key
    assert {p.name for p in path.iterdir()} == {"0", "1", "OME", "zarr.json", "frames.jsonl"}


def test_process_that_is_killed_leaves_a_readable_store(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    script = f"""
import os, time
import pymmcore_ome as po
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import loops
stream = po.open_stream({str(path)!r}, loops({{"t": 9, "p": 2}}), backend={BACKEND!r})
for number in range(6):
    stream.append(encoded_frame(number, (6, 8)))
chunk = os.path.join({str(path)!r}, "1", "0", "c", "2", "0", "0")
while not (os.path.exists(chunk) and os.path.getsize(chunk) == 6 * 8 * 2 + 20):
    time.sleep(0.01)
table = os.path.join({str(path)!r}, "frames.jsonl.unconfirmed")
while open(table, "rb").read().count(b"\\n") < 6:
    time.sleep(0.01)
os._exit(9)
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False, timeout=HANG_S)
    assert ended.returncode == 9
    dataset = po.open_dataset(path)
    assert dataset.status == "incomplete"
    np.testing.assert_array_equal(dataset.images[1][2], encoded_frame(5, SHAPE))
    assert dataset.frames() == [], "nobody knows yet which frames are down"
    recovered = po.recover(path)
    assert [image.shape for image in recovered.images] == [(9, *SHAPE), (9, *SHAPE)]
    listed = [row["event_index"]["t"] * 2 + row["event_index"]["p"] for row in recovered.frames()]
    assert 5 in listed
    assert listed == sorted(set(listed))
    for row, number in zip(recovered.frames(), listed, strict=True):
        image = recovered.images[int(row["image"])]
        np.testing.assert_array_equal(image[row["index"]], encoded_frame(number, SHAPE))
    assert [p.name for p in path.iterdir() if p.name.endswith((".part", ".unconfirmed"))] == []
    problems = po.validate(path, pixels=True)
    assert all("missing" in problem or "recovered" in problem for problem in problems), problems


def test_store_that_is_deleted_is_a_failure_and_no_store_again(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, loops({"t": 9}), backend=BACKEND)
    stream.append(encoded_frame(0, SHAPE))
    wait_until(lambda: stream.progress.frames_written == 1)
    delete(path)
    with pytest.raises(errors.WriteError, match="deleted"):
        stream.close()
    # acquire-zarr itself may still write the shard that it held, at a moment of its own
    assert not (path / "zarr.json").exists()
    assert not (path / "frames.jsonl").exists()
    with pytest.raises(errors.NotAStoreError):
        po.open_dataset(path)


def test_disk_that_refuses_is_a_failure_that_the_store_tells(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, loops({"t": 9}), backend=BACKEND)
    (path / "0" / "c").write_text("where the chunks should go")
    stream.append(encoded_frame(0, SHAPE))
    with pytest.raises(errors.WriteError, match="unknown which frames acquire-zarr wrote"):
        stream.close()
    assert po.open_dataset(path).status == "incomplete"
    assert po.open_dataset(path).frames() == []
    (path / "0" / "c").unlink()
    recovered = po.recover(path)
    assert (recovered.status, recovered.frames()) == ("recovered", [])


@pytest.mark.parametrize(
    ("nest", "expected"),
    [({"t": 2, "p": 5}, 5), ({"p": 5, "t": 2}, 1), ({"p": 5, "t": 2, "g": 3}, 3),
     ({"p": 5, "t": 1, "g": 3}, 1), ({"t": None, "p": 4}, 4), ({"c": 2}, 1)],
)  # fmt: skip
def test_images_open_at_once_are_counted(nest: dict[str, Any], expected: int) -> None:
    assert order_problems(layout_of(loops(nest))).open_at_once == expected


def test_images_open_at_once_are_counted_event_by_event() -> None:
    plan = jagged(3, ordered=True)
    assert order_problems(layout_of(plan)) == ([], 1)
    rows = ((1, 0), (1, 1), (0, 0), (1, 2))
    mixed = plan.replace(order=EventOrder(axes=("p", "z"), rows=rows))
    assert order_problems(layout_of(mixed)) == ([], 2)


def test_more_images_than_can_be_open_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    with pytest.raises(errors.OptionError, match="600 images would be open at once"):
        po.open_stream(path, loops({"t": 2, "p": 600}), backend=BACKEND)
    assert not path.exists()


@pytest.mark.parametrize("order", ["tpzc", "tzpc", "pzc", "ptzc"])
def test_channels_at_each_plane_of_a_stack_are_saved(
    core: CMMCorePlus, tmp_path: Path, order: str
) -> None:
    path = tmp_path / "a.ome.zarr"
    sequence = useq.MDASequence(
        axis_order=order,
        stage_positions=[(0, 0, 0), (1, 1, 1)],
        time_plan={"interval": 0, "loops": 2} if "t" in order else None,
        z_plan={"range": 2, "step": 1},
        channels=["DAPI", {"config": "FITC", "do_stack": False}],
    )
    with po.install(core, backend=BACKEND), listening(core) as got:
        if "t" not in order:
            with pytest.raises(errors.OptionError, match=r"\(z, c\) and stored as \(c, z\)"):
                core.mda.run(sequence, output=path)
            return
        core.mda.run(sequence, output=path)
    assert po.validate(path, pixels=True) == []
    rows = po.open_dataset(path).frames()
    assert [row["event_index"] for row in rows] == [index_of(event) for _, event, _ in got]
    for row, (pixels, _, _) in zip(rows, got, strict=True):
        found = read_by_zarr(path, row["image"])[tuple(row["index"])]
        np.testing.assert_array_equal(found, pixels)


def test_killed_process_leaves_frames_of_another_order_to_recover(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    script = f"""
import os, time
import pymmcore_ome as po
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import loops
stream = po.open_stream({str(path)!r}, loops({{"t": 9, "z": 3, "c": 2}}), backend={BACKEND!r})
for number in range(20):
    stream.append(encoded_frame(number, (6, 8)))
for number in range(12):
    at = [str(number // 6), str(number // 3 % 2), str(number % 3)]
    chunk = os.path.join({str(path)!r}, "0", "c", *at, "0", "0")
    while not (os.path.exists(chunk) and os.path.getsize(chunk) == 6 * 8 * 2 + 20):
        time.sleep(0.01)
table = os.path.join({str(path)!r}, "frames.jsonl.unconfirmed")
while open(table, "rb").read().count(b"\\n") < 20:
    time.sleep(0.01)
os._exit(9)
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False, timeout=HANG_S)
    assert ended.returncode == 9
    recovered = po.recover(path)
    rows = recovered.frames()
    assert len(rows) >= 12
    for row in rows:
        at = row["event_index"]
        expected = encoded_frame(at["t"] * 6 + at["z"] * 2 + at["c"], SHAPE)
        assert list(row["index"]) == [at["t"], at["c"], at["z"]]
        np.testing.assert_array_equal(recovered.images[0][tuple(row["index"])], expected)
