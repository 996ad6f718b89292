"""A store whose process died is finished, without touching a pixel, and only when nobody writes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from ome_types import from_xml

import pymmcore_ome as po
from pymmcore_ome import errors
from pymmcore_ome.disk import read_description, write_whole
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import loops

SHAPE = (6, 8)
WRITE = """
import sys, time, pymmcore_ome as po
from pymmcore_ome import Dimension, StorageSchema
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import loops
path, kind, options = sys.argv[1], sys.argv[2], eval(sys.argv[3])
dims = [Dimension(name=name) for name in "tcz"] + list(loops({"t": 1}).dimensions[-2:])
schemas = {
    "bounded": loops({"t": 40, "p": 3, "c": 2}),
    "unbounded": loops({"t": None, "p": 3, "c": 2}),
    "event-driven": StorageSchema(dimensions=dims, dtype="uint16", grows=True),
}
stream = po.open_stream(path, schemas[kind], checkpoint_s=0.1, **options)
for number in range(100):
    at = {"t": number // 6, "p": number // 2 % 3, "c": number % 2}
    channel = {"channel": ["DAPI", "FITC"][number % 2]} if kind == "event-driven" else {}
    stream.append(encoded_frame(number, (6, 8)), at=at, metadata={"delta_t_s": number, **channel})
table = po.open_dataset(path).location.table
while not table.exists() or table.read_bytes().count(b"\\n") < 100:
    time.sleep(0.01)
print("written", flush=True)
time.sleep(600)
"""

STORES = [
    ("a.ome.zarr", {"backend": "native"}),
    ("a.ome.zarr", {"backend": "native", "compression": "zstd"}),
    ("a.ome.zarr", {"backend": "tensorstore"}),
    ("a.ome.zarr", {"backend": "zarr-python"}),
    ("a.ome.tiff", {}),
    ("a.ome.tiff", {"compression": "zstd"}),
    ("a.ome.tiff", {"files": "per-position"}),
]


@contextmanager
def killed_in_the_end(arguments: list[str]) -> Iterator[None]:
    """Start a writer, wait until it has written, and kill it in the end."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "written"
            yield
        finally:
            process.kill()


def killed(path: Path, kind: str, options: dict[str, str]) -> None:
    """Write a store in a process that is killed before it closes it."""
    arguments = [sys.executable, "-c", WRITE, str(path), kind, repr(options)]
    with (
        killed_in_the_end(arguments),
        pytest.raises(errors.StoreExistsError, match="being written"),
    ):
        po.recover(path)


def pixels_hash(path: Path) -> str:
    return hashlib.sha256(
        b"".join(image[...].tobytes() for image in po.open_dataset(path).images)
    ).hexdigest()


@pytest.mark.parametrize("kind", ["bounded", "unbounded", "event-driven"])
@pytest.mark.parametrize(("name", "options"), STORES, ids=str)
def test_killed_store_is_recovered(
    tmp_path: Path, name: str, options: dict[str, str], kind: str
) -> None:
    if kind == "event-driven" and options.get("files"):
        kind = "unbounded"
    path = tmp_path / name
    killed(path, kind, options)
    left = po.open_dataset(path)
    assert left.status == "incomplete"
    started = datetime.fromisoformat(left.record.started or "")
    written = started.timestamp() + 0.01  # of its last frame; the run may have been hours ago
    os.utime(left.location.table, (written, written))

    dataset = po.recover(path)
    assert datetime.fromisoformat(dataset.record.ended or "").timestamp() == pytest.approx(
        written, abs=0.002
    )
    assert datetime.fromisoformat(dataset.record.recovered or "") >= started
    assert dataset.status == "recovered"
    assert "ended without closing" in (dataset.record.reason or "")
    assert dataset.record.frames["written"] == 100
    rows = dataset.frames()
    assert len(rows) == 100
    images = {image.path: image for image in dataset.images}
    for number, row in enumerate(rows):
        found = images[row["image"]][row["index"]]
        np.testing.assert_array_equal(found, encoded_frame(number, SHAPE))
    assert dataset.images[0].shape == ((40 if kind == "bounded" else 17), 2, *(
        (1,) if kind == "event-driven" else ()), *SHAPE)  # fmt: skip
    assert all("frame table" not in problem for problem in po.validate(path))

    xml = (path / "OME" / "METADATA.ome.xml").read_bytes() if path.suffix == ".zarr" else None
    file = path / "0.ome.tiff" if options.get("files") else path
    planes = from_xml(xml or read_description(file) or b"").images[0].pixels.planes
    assert [plane.delta_t for plane in planes[:4]] == [0, 1, 6, 7]
    if kind == "event-driven":
        found = from_xml(xml or read_description(file) or b"").images
        assert [[c.name for c in image.pixels.channels] for image in found] == [
            ["DAPI", "FITC"]
        ] * 3

    before = pixels_hash(path)
    again = po.recover(path)
    assert again.record == dataset.record
    assert pixels_hash(path) == before
    assert not list(tmp_path.rglob("*.lock"))


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_closed_store_is_left_as_it_is(tmp_path: Path, name: str, small_schema: object) -> None:
    path = tmp_path / name
    po.open_stream(path, small_schema).close(status="canceled", reason="enough")  # type: ignore[arg-type]
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert po.recover(path).status == "canceled"
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tiff").write_bytes(b"text")
    for name in ("a.tiff", "b.zarr"):
        with pytest.raises(errors.NotAStoreError):
            po.recover(tmp_path / name)


def test_half_a_line_of_the_frame_table_is_cut(tmp_path: Path, small_schema: object) -> None:
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, small_schema)  # type: ignore[arg-type]
    stream.append(encoded_frame(0, SHAPE))
    stream.close()
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["pymmcore_ome"]["status"] = "incomplete"
    (path / "zarr.json").write_text(json.dumps(root))
    whole = (path / "frames.jsonl").read_bytes()
    (path / "frames.jsonl").write_bytes(whole + b'{"image": "0", "ind')
    assert po.recover(path).record.frames["written"] == 1
    assert (path / "frames.jsonl").read_bytes() == whole


def test_two_programs_cannot_write_to_one_path(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    arguments = [sys.executable, "-c", WRITE, str(path), "bounded", "{}"]
    from pymmcore_ome.testing.backend_contract import loops

    with killed_in_the_end(arguments):
        before = path.read_bytes()
        with pytest.raises(errors.StoreExistsError, match="another program"):
            po.open_stream(path, loops({"t": 2}), overwrite=True)
        assert path.read_bytes() == before
    po.open_stream(path, loops({"t": 2}), overwrite=True).close()


@pytest.mark.parametrize("kind", ["documents", "frame table", "lock", "part", "pixels"])
def test_recover_writes_through_no_link(tmp_path: Path, kind: str) -> None:
    path, outside = tmp_path / "a.ome.zarr", tmp_path / "outside"
    stream = po.open_stream(path, loops({"t": 2, "p": 2}))
    stream.append(np.ones((6, 8), "uint16"))
    stream.close()
    root = path / "zarr.json"
    root.write_text(root.read_text().replace('"status": "complete"', '"status": "incomplete"'))
    outside.mkdir()
    (outside / "notes.txt").write_text("the first line\nthe last line")
    (outside / "METADATA.ome.xml").write_text("mine")
    link, target = {
        "documents": (path / "OME", outside),
        "frame table": (path / "frames.jsonl", outside / "notes.txt"),
        "lock": (path / "frames.jsonl.lock", outside / "notes.txt"),
        "part": (path / "zarr.json.part", outside / "notes.txt"),
        "pixels": (path / "0" / "0" / "c", outside),
    }[kind]
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    with pytest.raises(po.errors.StorePathError, match="is a link"):
        po.recover(path)
    root.write_text(root.read_text().replace('"status": "incomplete"', '"status": "complete"'))
    with pytest.raises(po.errors.StorePathError, match="is a link"):
        po.annotate(path, "sample", {"stain": "DAPI"})
    assert (outside / "notes.txt").read_text() == "the first line\nthe last line"
    assert (outside / "METADATA.ome.xml").read_text() == "mine"
    assert len(list(outside.iterdir())) == 2


def test_temporary_file_is_made_anew_where_a_link_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "zarr.json.part").symlink_to(tmp_path / "notes.txt")
    write_whole(tmp_path / "zarr.json", b"{}")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "zarr.json").read_bytes() == b"{}"
    assert not (tmp_path / "zarr.json").is_symlink()


def test_recover_deletes_no_pixels_where_the_array_document_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, loops({"t": 3}), backend="tensorstore", compression="zstd")
    stream.append(np.ones((6, 8), "uint16"))
    stream.append(np.ones((6, 8), "uint16"))
    stream.close()
    root = path / "zarr.json"
    root.write_text(root.read_text().replace('"status": "complete"', '"status": "failed"'))
    (path / "frames.jsonl").unlink()
    document = path / "0" / "zarr.json"
    whole = document.read_text()
    document.write_text(whole.replace('"uint16"', '"uint32"'))
    pixels = {file.read_bytes() for file in (path / "0" / "c").rglob("*") if file.is_file()}
    assert po.recover(path).status == "failed"
    kept = [file for file in (path / "0" / "c").rglob("*") if file.is_file()]
    assert {file.read_bytes() for file in kept} == pixels
    assert {file.suffix for file in kept} == {".torn"}


def test_torn_shards_are_set_aside_and_those_with_listed_frames_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    frames = [np.full((6, 8), 1 + t, "uint16") for t in range(8)]
    with po.open_stream(
        path, loops({"t": 8}), backend="tensorstore", chunks={"t": 1}, shards={"t": 2}
    ) as stream:
        for pixels in frames:
            stream.append(pixels)
    root, table = path / "zarr.json", path / "frames.jsonl"
    root.write_text(root.read_text().replace('"status": "complete"', '"status": "failed"'))
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(rows[2:6]))
    torn = [path / "0" / "c" / number / "0" / "0" for number in "03"]
    for file in torn:
        file.write_bytes(file.read_bytes()[:-30])  # without its index
    problems = po.validate(path, pixels=True)
    assert [any(str(file) in problem for problem in problems) for file in torn] == [True, True]
    recovered = po.recover(path)
    assert sorted(path.rglob("*.torn")) == [file.with_name("0.torn") for file in torn]
    expected = [pixels if 2 <= t < 6 else 0 * pixels for t, pixels in enumerate(frames)]
    np.testing.assert_array_equal(recovered.images[0][...], expected)
