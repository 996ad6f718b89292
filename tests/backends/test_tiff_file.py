"""OME-TIFF: valid after every single write, by arrival in any order, and within its limits."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import pymmcore_ome as po
from helpers import wait_until
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.backends import pixel_file
from pymmcore_ome.backends.tiff import backend as tiff_backend
from pymmcore_ome.backends.tiff import format as format_
from pymmcore_ome.backends.tiff.format import TiffForm
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import loops

SHAPE = (6, 8)


@pytest.fixture
def snapshots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """A copy of the file after every single write to it."""
    taken: list[Path] = []
    write = pixel_file.write_at

    def write_and_copy(file: Any, at: int, pieces: Any) -> None:
        for piece in pieces:  # what is written at once may come down piece by piece
            write(file, at, [piece])
            at += len(memoryview(piece).cast("B"))
            taken.append(tmp_path / f"snapshot {len(taken)}.ome.tiff")
            shutil.copy(file.name, taken[-1])

    monkeypatch.setattr(pixel_file, "write_at", write_and_copy)
    return taken


@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("first", [6, None])
def test_file_is_valid_after_every_single_write(
    tmp_path: Path, snapshots: list[Path], first: int | None, compression: str | None
) -> None:
    """What a kill at any instant would leave: pages so far, holes blank, never anything else."""
    schema = loops({"t": first, "p": 2, "z": 11})
    order = [5, 60, 3, 64, 0, 1, 22, 44, 100, 131]
    with po.open_stream(tmp_path / "a.ome.tiff", schema, compression=compression) as stream:
        is_made = len(snapshots)
        for number in order:
            at = {"t": number // 22, "p": number // 11 % 2, "z": number % 11}
            stream.append(encoded_frame(number, SHAPE), at=at)
    assert len(snapshots) > is_made + 2 * len(order)
    allowed = {number: encoded_frame(number, SHAPE) for number in order}
    seen: set[int] = set()
    for snapshot in snapshots[is_made - 1 :]:
        with tifffile.TiffFile(snapshot) as tiff:
            assert [series.name for series in tiff.series] == ["Pos0", "Pos1"]
            now = set()
            for p, series in enumerate(tiff.series):
                pixels = series.asarray().reshape(-1, 11, *SHAPE)
                for t, z in np.ndindex(pixels.shape[:2]):
                    if pixels[t, z].any():
                        number = t * 22 + p * 11 + z
                        np.testing.assert_array_equal(pixels[t, z], allowed[number])
                        now.add(number)
        assert seen <= now, "a frame that was there is gone"
        seen = now
    assert seen == set(order)


KILLED = """
import sys, time, pymmcore_ome as po
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import loops
compression = None if sys.argv[2] == "None" else sys.argv[2]
stream = po.open_stream(sys.argv[1], loops({"t": None, "p": 3}), compression=compression)
for number in range(10_000_000):
    stream.append(encoded_frame(number, (6, 8)))
    if number > 200:
        time.sleep(0.001)  # a fast machine would write more than is read back in a minute
"""


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_killed_writer_leaves_every_frame_of_its_table(
    tmp_path: Path, compression: str | None
) -> None:
    path = tmp_path / "a.ome.tiff"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path), str(compression)])
    table = path.with_name("a.ome.tiff.frames.jsonl")
    with process:
        wait_until(lambda: table.exists() and table.stat().st_size > 20_000, process)
        process.kill()
    dataset = po.open_dataset(path)
    assert dataset.status == "incomplete"
    rows = dataset.frames()
    assert len(rows) > 50
    with tifffile.TiffFile(path) as tiff:
        pixels = {series.name: series.asarray() for series in tiff.series}
    for number, row in enumerate(rows):
        np.testing.assert_array_equal(
            pixels[row["image"]][row["index"]], encoded_frame(number, SHAPE)
        )


def test_unbounded_axis_leaves_only_the_planes_that_came(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    with po.open_stream(path, loops({"t": None, "c": 2})) as stream:
        for number in range(201):
            stream.append(encoded_frame(number, SHAPE))
        stream.append(encoded_frame(777, SHAPE), at={"t": 300, "c": 1})
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].shape == (301, 2, *SHAPE)
        pixels = tiff.series[0].asarray()
    np.testing.assert_array_equal(pixels[100, 0], encoded_frame(200, SHAPE))
    np.testing.assert_array_equal(pixels[300, 1], encoded_frame(777, SHAPE))
    assert not pixels[100, 1].any()
    assert not pixels[101:300].any()
    assert po.validate(path) == []


def test_one_file_a_position_is_a_folder_of_complete_files(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    schema = loops({"t": 2, "p": 3})
    with po.open_stream(path, schema, files="per-position") as stream:
        for number in range(6):
            stream.append(encoded_frame(number, SHAPE))
    assert sorted(p.name for p in path.iterdir()) == [
        "0.ome.tiff", "1.ome.tiff", "2.ome.tiff", "frames.jsonl", "store.json",
    ]  # fmt: skip
    for position in range(3):
        with tifffile.TiffFile(path / f"{position}.ome.tiff") as tiff:
            assert [(s.name, s.axes) for s in tiff.series] == [(f"Pos{position}", "TYX")]
            np.testing.assert_array_equal(
                tiff.series[0].asarray()[1], encoded_frame(3 + position, SHAPE)
            )
    with pytest.raises(errors.StoreExistsError):
        po.open_stream(path, schema)
    (path / "notes.txt").write_text("precious")
    with pytest.raises(errors.StoreExistsError, match=r"notes\.txt"):
        po.open_stream(path, schema, overwrite=True)
    (path / "notes.txt").unlink()
    po.open_stream(path, schema, overwrite=True).close()
    assert path.is_file()


def test_more_files_than_may_be_open_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    with po.open_stream(
        path, loops({"t": 2, "p": 300}), files="per-position", compression="zstd"
    ) as stream:
        for number in range(600):
            stream.append(encoded_frame(number, SHAPE))
    dataset = po.open_dataset(path)
    for position, t in itertools.product((0, 127, 128, 299), range(2)):
        np.testing.assert_array_equal(
            dataset.images[position][t], encoded_frame(t * 300 + position, SHAPE)
        )


def test_classic_tiff_that_would_pass_its_limit_is_refused_at_open(tmp_path: Path) -> None:
    large = StorageSchema(
        dimensions=[
            Dimension(name="t", size=600), Dimension(name="y", size=2048),
            Dimension(name="x", size=2048),
        ],
        dtype="uint16",
    )  # fmt: skip
    for schema in (large, loops({"t": None})):
        with pytest.raises(errors.OptionError, match="4 GiB"):
            po.open_stream(tmp_path / "a.ome.tiff", schema, bigtiff=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("side", [1, 16])
def test_classic_tiff_has_room_for_its_planes_up_to_its_end(
    tmp_path: Path, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, made = 1 << 18, TiffForm.__init__

    def small(form: TiffForm, big: bool) -> None:
        made(form, big)
        form.limit = limit

    monkeypatch.setattr(TiffForm, "__init__", small)
    monkeypatch.setattr(tiff_backend, "_CLASSIC_LIMIT", limit - (1 << 14))
    facts = dict.fromkeys(("delta_t_s", "exposure_ms", "x_um", "y_um", "z_um"), -1 / 3 * 1e-5)

    def opened(count: int) -> Any:
        dims = [("t", count), ("c", 1), ("z", 1), ("y", side), ("x", side)]
        schema = StorageSchema(
            dimensions=[Dimension(name=name, size=size) for name, size in dims], dtype="uint16"
        )
        return po.open_stream(tmp_path / "a.ome.tiff", schema, bigtiff=False)

    with pytest.raises(errors.OptionError, match="4 GiB"):
        opened(limit // (640 + 2 * side * side))
    with opened((limit - (1 << 14)) // (640 + 2 * side * side)) as stream:
        for _ in range(stream.progress.frames_planned):
            stream.append(np.ones((side, side), "uint16"), metadata=facts)
    assert po.validate(tmp_path / "a.ome.tiff", pixels=True) == []


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(33, 47), (1, 1), (64, 64), (5, 3)])
@pytest.mark.parametrize("order", ["tpc", "ptc"])
def test_uncompressed_frames_of_an_image_can_be_mapped_into_memory(
    tmp_path: Path, dtype: str, shape: tuple[int, int], order: str
) -> None:
    sizes = {"t": 3, "p": 2, "c": 2}
    schema = po.StorageSchema(
        dimensions=[
            *(po.Dimension(name=name, size=sizes[name]) for name in order),
            *(po.Dimension(name=name, size=n) for name, n in zip("yx", shape, strict=True)),
        ],
        dtype=dtype,
    )
    with po.open_stream(tmp_path / "a.ome.tiff", schema) as stream:
        for number in range(12):
            stream.append(np.full(shape, number + 1, dtype))
    dataset = po.open_dataset(tmp_path / "a.ome.tiff")
    for number, image in enumerate(dataset.images):
        if order == "ptc":  # frames of one image are contiguous
            mapped = tifffile.memmap(tmp_path / "a.ome.tiff", series=number, mode="r")
            assert np.array_equal(mapped.reshape(image.shape), image[...])
        assert np.array_equal(image[..., 0, 0].ravel() % 2, np.array([1, 0] * 3))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chunks": {"t": 2}}, "whole frames"),
        ({"shards": {"t": 2}}, "whole frames"),
        ({"compression": "blosc"}, "zstd:-7..22, deflate:0..9, lzw"),
        ({"compression": "lzw:3"}, "lzw"),
        ({"files": "many"}, "files must be 'one' or 'per-position'"),
        ({"bigtiff": 1}, "bigtiff must be True or False"),
    ],
)
def test_options_that_tiff_has_not_are_refused_with_what_it_has(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(errors.OptionError, match=words):
        po.open_stream(tmp_path / "a.ome.tiff", loops({"t": 2}), **options)
    assert list(tmp_path.iterdir()) == []


def test_custom_axis_is_refused_all_reasons_at_once(tmp_path: Path) -> None:
    schema = loops({"t": 2, "angle": 3})
    with pytest.raises(errors.OptionError, match=r"t, c and z only.*supported here"):
        po.open_stream(tmp_path / "a.ome.tiff", schema, compression="gzip")


def test_deleted_file_is_an_error_not_a_success(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    stream = po.open_stream(path, loops({"t": 2}))
    stream.append(encoded_frame(0, SHAPE))
    path.unlink()
    with pytest.raises(errors.WriteError, match="deleted, moved or replaced"):
        stream.close()


def test_validate_finds_a_file_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    schema = StorageSchema(
        dimensions=[
            Dimension(name="t", size=3), Dimension(name="y", size=512),
            Dimension(name="x", size=512),
        ],
        dtype="uint16",
    )  # fmt: skip
    with po.open_stream(path, schema) as stream:
        for number in range(3):
            stream.append(encoded_frame(number, (512, 512)))
    assert po.validate(path) == []
    with tifffile.TiffFile(path) as tiff:
        last = tiff.pages[2].dataoffsets[0]
        xml = tiff.pages[0].tags[270].valueoffset
    assert xml > last, "the final OME-XML is at the end"
    whole = path.read_bytes()
    path.write_bytes(whole[: xml - 1000])
    assert any("cannot be read" in problem or "not" in problem for problem in po.validate(path))


def test_event_driven_run_without_a_frame_opens(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    dims = [Dimension(name=name) for name in "tcz"]
    dims += [Dimension(name="y", size=6), Dimension(name="x", size=8)]
    schema = StorageSchema(dimensions=dims, dtype="uint16", grows=True)
    po.open_stream(path, schema).close()
    dataset = po.open_dataset(path)
    assert (dataset.status, dataset.images, dataset.frames()) == ("complete", [], [])
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) == 1


def test_numbers_are_those_of_tifffile() -> None:
    """Ours are written out, so that opening a store does not wait for tifffile's import."""
    tags = tifffile.TIFF.TAGS
    assert tags["ImageDescription"] == format_.IMAGE_DESCRIPTION
    assert tags["StripOffsets"] == format_.STRIP_OFFSETS
    assert tags["StripByteCounts"] == format_.STRIP_BYTE_COUNTS
    types = tifffile.DATATYPE
    assert (types.ASCII, types.SHORT, types.LONG, types.RATIONAL, types.LONG8) == (
        format_._ASCII, format_._SHORT, format_._LONG, format_._RATIONAL, format_._LONG8
    )  # fmt: skip
    formats = {"u": tifffile.SAMPLEFORMAT.UINT, "i": tifffile.SAMPLEFORMAT.INT}
    assert {**formats, "f": tifffile.SAMPLEFORMAT.IEEEFP} == format_._SAMPLE_FORMATS
    names = {"zstd": "ZSTD", "deflate": "ADOBE_DEFLATE", "lzw": "LZW"}
    assert set(format_._IDS) == set(names)
    for name, number in format_._IDS.items():
        assert number == tifffile.COMPRESSION[names[name]]
