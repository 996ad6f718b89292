"""Closing and checking many planes: everything is read once, in few pieces, into plain arrays."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import tifffile
from ome_types import from_xml

import pymmcore_ome as po
from pymmcore_ome.backends import TiffPages
from pymmcore_ome.frames import PlaneMetadata
from pymmcore_ome.frames import table as journal
from pymmcore_ome.layout import layout_of
from pymmcore_ome.metadata.ome_planes import plane_elements
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import jagged, loops

COUNT = 20_000


class Counted:
    """An open file that counts how often it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.reads = 0
        self._file = file

    def read(self, size: int) -> bytes:
        self.reads += 1
        return self._file.read(size)

    def seek(self, at: int) -> int:
        return self._file.seek(at)


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry a line of a frame table that is read."""
    read: list[None] = []
    row = journal._row

    def noted(found: Any) -> Any:
        read.append(None)
        return row(found)

    monkeypatch.setattr(journal, "_row", noted)
    return read


def planes_in(path: Path) -> list[Any]:
    """Return the planes of the only image's OME-XML, as ome-types reads them."""
    if path.is_dir():
        xml = (path / "OME" / "METADATA.ome.xml").read_text("utf-8")
    else:
        with tifffile.TiffFile(path) as file:
            xml = file.ome_metadata or ""
    return list(from_xml(xml).images[0].pixels.planes)


@pytest.mark.parametrize("name", ["a.ome.tiff", "a.ome.zarr"])
@pytest.mark.parametrize(("most", "read"), [(100, 0), (99, 100)])
def test_close_reads_a_long_frame_table_once_and_validate_twice(
    tmp_path: Path,
    rows_read: list[None],
    name: str,
    most: int,
    read: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "_MOST_PLANES", most)
    stream = po.open_stream(tmp_path / name, loops({"t": 50, "c": 2}))
    for number in range(100):
        metadata = {"delta_t_s": number / 7, "x_um": float(number)}
        stream.append(encoded_frame(number, (6, 8)), metadata=metadata)
    stream.close()
    assert len(rows_read) == read
    planes = planes_in(tmp_path / name)
    assert [plane.delta_t for plane in planes] == [number / 7 for number in range(100)]
    assert [plane.position_x for plane in planes] == list(range(100))
    rows_read.clear()
    assert po.validate(tmp_path / name) == []
    assert len(rows_read) == 200  # for the planes in the documents, and for the frames


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_pages_are_checked_thousands_at_once(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "a.ome.tiff"
    written = {0, 7, 16_383, 16_384, COUNT - 1}
    with po.open_stream(path, loops({"t": COUNT}), compression=compression) as stream:
        for number in written:
            stream.append(encoded_frame(number, (6, 8)), at={"t": number})
    with path.open("rb") as opened:
        file = Counted(opened)
        spans = list(TiffPages(path).spans(file))  # type: ignore[arg-type]
    assert file.reads < 30
    at, nbytes = (np.concatenate([getattr(s, name) for s in spans]) for name in ("at", "nbytes"))
    is_blank = np.concatenate([s.is_blank for s in spans])
    assert set(np.flatnonzero(~is_blank).tolist()) == written
    with tifffile.TiffFile(path) as tiff:
        for page in (*written, 1, 500):
            assert tiff.pages[page].dataoffsets == (at[page],)
            assert tiff.pages[page].databytecounts == (nbytes[page],)


def test_planes_take_few_bytes_of_memory_each() -> None:
    """Peak of all that the end of an acquisition holds of its planes."""
    image = layout_of(loops({"t": 4 * COUNT})).images[0]

    def peak(count: int) -> int:
        rows = ({"image": "", "index": (n,), "delta_t_s": n / 10} for n in range(count))
        tracemalloc.start()
        try:
            for pieces in plane_elements([image], (count, 6, 8), PlaneMetadata(rows)):
                for piece in pieces:
                    del piece
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    assert peak(4 * COUNT) - peak(2 * COUNT) < 300 * 2 * COUNT


@pytest.mark.parametrize(
    ("schema", "left_out", "named"),
    [
        (loops({"t": 3, "c": 2}), [2, 5], "t 1 c 0, t 2 c 1"),
        (loops({"t": 3, "c": 2}).replace(rgb=True), [4], "t 2 c 0"),
        (jagged(3), [1, 5], "image 1 (image 1) z 0, image 2 (image 2) c 1"),
        (jagged(3, ordered=True), [0], "image 2 (image 2) c 0"),
    ],
    ids=["loops", "rgb", "jagged", "jagged in order"],
)  # fmt: skip
def test_missing_frames_are_named(
    tmp_path: Path, schema: po.StorageSchema, left_out: list[int], named: str
) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, schema) as stream:
        places = [
            {"p": image.number, **dict(zip(image.axis_names, index, strict=False))}
            for image in stream.layout.images
            for index in np.ndindex(image.shape[:-2])
            if image.spec.samples == 1 or index[1] % 3 == 0
        ]
        if schema.rgb:
            places = [{**at, "c": at["c"] // 3} for at in places]
        if schema.order is not None:  # the last image comes first
            places.sort(key=lambda at: -at["p"])
        shape = (6, 8, 3) if schema.rgb else (6, 8)
        for number, at in enumerate(places):
            if number not in left_out:
                at.pop("p") if not schema.images else None
                stream.append(np.full(shape, number, "uint16"), at=at)
    missing = f"{len(left_out)} of 6 planned frames are missing (they read as 0)"
    assert po.validate(path)[0] == f"{missing}: {named}"
