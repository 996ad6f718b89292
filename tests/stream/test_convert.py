"""Converted stores: every kind of store, in both directions, stopped and resumed, and refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

import pymmcore_ome as po
from level_reference import reference_levels
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.stream import Conversion, ConversionPlan, SaveOptions, copying
from readers.corpus import DATA_SETS, DataSet, schema

SHAPE = (37, 50)
#: What a store may be converted into, and whether chunks have several frames.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "zarr": (".ome.zarr", {}),
    "zarr zstd levels": (".ome.zarr", {"compression": "zstd", "levels": 3}),
    "zarr tiles": (".ome.zarr", {"chunks": {"y": 7, "x": 11}, "compression": "blosc"}),
    "zarr without shards": (".ome.zarr", {"shards": False, "levels": 2}),
    "zarr one at a time": (".ome.zarr", {"workers": 1, "buffer_bytes": 50_000}),
    "tiff": (".ome.tiff", {}),
    "tiff zstd levels": (".ome.tiff", {"compression": "zstd", "levels": 3}),
    "tiff folder": (".ome.tiff", {"files": "per-position"}),
}


def stack(**sizes: int) -> StorageSchema:
    """Return the schema of positions ``a`` and ``b``, with these loops."""
    dims = [Dimension(name="p", coords=["a", "b"])]
    dims += [Dimension(name=name, size=size) for name, size in sizes.items()]
    dims += [
        Dimension(name=name, size=size, scale=0.5, unit="micrometer")
        for name, size in zip("yx", SHAPE, strict=True)
    ]
    return StorageSchema(dimensions=dims, dtype="uint16")


def frame(number: int) -> NDArray[Any]:
    return np.random.default_rng(number).integers(0, 65536, SHAPE, dtype="uint16")


def write(path: Path, skipped: tuple[int, ...] = (), **options: Any) -> Path:
    """Write 24 frames of two positions, but for those that are skipped."""
    with po.open_stream(path, stack(t=3, z=4), **options) as stream:
        for number in range(24):
            if number in skipped:
                stream.skip()
            else:
                stream.append(frame(number), metadata={"delta_t_s": number / 8, "Gain": number})
    return path


def problems(path: Path) -> list[str]:
    """Return the problems of a store, but for frames that were never acquired."""
    found = po.validate(path, pixels=True)
    return [problem for problem in found if "planned frames are missing" not in problem]


def assert_same(source: Path, copy: Path) -> None:
    """Compare two stores: pixels, frame tables, and what is known of the images."""
    one, other = po.open_dataset(source), po.open_dataset(copy)
    assert [image.name for image in one.images] == [image.name for image in other.images]
    for mine, theirs in zip(one.images, other.images, strict=True):
        np.testing.assert_array_equal(mine[...], theirs[...], strict=True)
        assert mine.axes == theirs.axes
        assert mine.position == theirs.position
        assert mine.channels == theirs.channels
        for name, values in mine.coords.items():
            np.testing.assert_array_equal(values, theirs.coords[name])
    names = [{image.path: image.name for image in dataset.images} for dataset in (one, other)]
    rows = [
        [{**row, "image": known[row["image"]]} for row in dataset.frames()]
        for known, dataset in zip(names, (one, other), strict=True)
    ]
    assert rows[0] == rows[1]
    assert (one.status, one.record.reason) == (other.status, other.record.reason)
    assert one.acquisition == other.acquisition
    assert one.annotations == other.annotations


def assert_levels(path: Path, downsample: str = "mean") -> None:
    """Compare all levels with their definition, by other libraries."""
    dataset = po.open_dataset(path)
    for number, image in enumerate(dataset.images):
        full = np.asarray(image[...])
        for level in range(1, len(image.levels)):
            if path.suffix == ".zarr":
                theirs: Any = zarr.open_array(path / image.path / str(level), mode="r")[...]
            else:
                with tifffile.TiffFile(path) as file:
                    theirs = file.series[number].levels[level].asarray()
            frames = full.reshape(-1, *full.shape[-2:])
            expected = [reference_levels(f, level + 1, downsample)[-1] for f in frames]
            np.testing.assert_array_equal(
                np.asarray(theirs).reshape(-1, *theirs.shape[-2:]), np.stack(expected)
            )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["plate", "jagged", "holes", "RGB", "growing", "single"])
@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
def test_every_kind_of_store_is_the_same_after_it_was_converted(
    tmp_path: Path, name: str, suffix: str, way: str
) -> None:
    data = DATA_SETS[name]
    source = data.write(tmp_path / f"source{suffix}")
    ending, options = WAYS[way]
    summary = po.convert(source, tmp_path / f"copy{ending}", **options)
    assert summary.frames_written == len(data.events)
    assert summary.status == "complete"
    assert problems(summary.path) == []
    assert_same(source, summary.path)
    check_by_another_library(data, summary.path)


def check_by_another_library(data: DataSet, path: Path) -> None:
    """Compare the pixels with those that were appended, by zarr-python or tifffile."""
    for picture in data.pictures:
        expected = data.pixels(picture)
        if path.suffix == ".zarr":
            found: Any = zarr.open_array(path / picture.path / "0", mode="r")[...]
        else:
            number = data.pictures.index(picture)
            file = path / f"{number}.ome.tiff" if path.is_dir() else path
            with tifffile.TiffFile(file) as tiff:
                found = tiff.series[0 if path.is_dir() else number].asarray()
            if data.schema.rgb:
                found = np.moveaxis(found, -1, -3)
            expected = expected.reshape(found.shape) if found.size == expected.size else expected
        if expected.size == np.asarray(found).size and not data.schema.rgb:
            np.testing.assert_array_equal(np.asarray(found).ravel(), expected.ravel())


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
def test_holes_metadata_and_levels_go_along(tmp_path: Path, suffix: str) -> None:
    source = write(tmp_path / "a.ome.zarr", skipped=(3, 4, 5, 22))
    po.annotate(source, "sample", {"name": "HeLa"})
    copy = po.convert(source, tmp_path / f"b{suffix}", levels=4, compression="zstd").path
    assert problems(copy) == []
    assert_same(source, copy)
    assert_levels(copy)
    dataset = po.open_dataset(copy)
    assert [len(image.levels) for image in dataset.images] == [4, 4]
    origin = dataset.record.converted_from
    assert origin is not None
    assert origin["path"] == str(source.absolute())
    assert dataset.record.started == po.open_dataset(source).record.started
    back = po.convert(copy, tmp_path / "c.ome.zarr", levels=2, downsample="nearest").path
    assert problems(back) == []
    assert_same(source, back)
    assert_levels(back, "nearest")


@pytest.mark.parametrize(
    ("options", "chunks", "shards"),
    [
        ({}, (1, 1, *SHAPE), (3, 4, *SHAPE)),
        ({"shards": {"z": 2}}, (1, 1, *SHAPE), (1, 2, *SHAPE)),
        ({"chunks": {"z": 2, "x": 20}}, (1, 2, 37, 20), None),
        ({"chunks": {"z": 2, "x": 25}, "shards": {"t": 2, "z": 4, "x": 50}},
         (1, 2, 37, 25), (2, 4, 37, 50)),
        ({"chunks": "auto", "shards": False}, (3, 4, *SHAPE), None),
    ],
)  # fmt: skip
def test_chunks_and_shards_are_as_chosen(
    tmp_path: Path, options: dict[str, Any], chunks: Any, shards: Any
) -> None:
    source = write(tmp_path / "a.ome.zarr", skipped=(7,))
    copy = po.convert(source, tmp_path / "b.ome.zarr", levels=2, **options).path
    assert problems(copy) == []
    assert_same(source, copy)
    assert_levels(copy)
    array = zarr.open_array(copy / "0" / "0", mode="r")
    assert (array.chunks, array.shards) == (chunks, shards)
    # chunks of several frames, read and written back as one frame a chunk
    assert_same(source, po.convert(copy, tmp_path / "c.ome.zarr").path)


def test_some_images_are_copied_by_number_and_by_name(tmp_path: Path) -> None:
    for name in ("plate", "jagged", "RGB", "grid", "growing"):
        data = DATA_SETS[name]
        source = data.write(tmp_path / f"{name}.ome.zarr")
        before = po.open_dataset(source)
        wanted = [0, before.images[-1].name]
        copy = po.convert(source, tmp_path / f"{name}.part.ome.zarr", images=wanted).path
        assert problems(copy) == [], name
        found = po.open_dataset(copy).images
        for mine, theirs in zip([before.images[0], before.images[-1]], found, strict=True):
            assert (mine.name, mine.label, mine.axes) == (theirs.name, theirs.label, theirs.axes)
            assert mine.position.x_um == theirs.position.x_um
            np.testing.assert_array_equal(mine[...], theirs[...], strict=True)


def test_cameras_of_their_own_are_copied(tmp_path: Path) -> None:
    left = po.Camera("Left", 20, 30, "uint16")
    right = po.Camera("Right", 24, 16, "uint8", rgb=True)
    dims = [Dimension(name="t", size=3), Dimension(name="cam", coords=[left, right])]
    with po.open_stream(tmp_path / "a.ome.zarr", schema(*dims)) as stream:
        for t in range(3):
            stream.append(np.full((20, 30), 500 + t, "uint16"), at={"t": t, "cam": 0})
            stream.append(np.full((24, 16, 3), t + 1, "uint8"), at={"t": t, "cam": 1})
    copy = po.convert(tmp_path / "a.ome.zarr", tmp_path / "b.ome.tiff", compression="lzw").path
    assert problems(copy) == []
    assert_same(tmp_path / "a.ome.zarr", copy)
    one = po.convert(copy, tmp_path / "c.ome.zarr", images=["Right"]).path
    assert problems(one) == []
    assert po.open_dataset(one).images[0].name == "Right"


def test_a_canceled_run_stays_canceled(tmp_path: Path) -> None:
    with po.open_stream(tmp_path / "a.ome.zarr", stack(t=5)) as stream:
        stream.append(frame(1))
        stream.close(status="canceled", reason="by the user")
    summary = po.convert(tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr")
    assert (summary.status, summary.reason, summary.frames_written) == (
        "canceled", "by the user", 1,
    )  # fmt: skip
    assert_same(tmp_path / "a.ome.zarr", summary.path)


def test_a_store_without_frames_is_converted(tmp_path: Path) -> None:
    po.open_stream(tmp_path / "a.ome.zarr", stack(t=5)).close()
    for suffix in (".ome.zarr", ".ome.tiff"):
        summary = po.convert(tmp_path / "a.ome.zarr", tmp_path / f"b{suffix}", levels=2)
        assert summary.frames_written == 0
        assert problems(summary.path) == []


# -- refusals


def test_what_cannot_be_converted_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ome.zarr")
    before = sorted(tmp_path.rglob("*"))
    cases: list[tuple[type[Exception], str, Any, dict[str, Any]]] = [
        (errors.StorePathError, "outside it", source, {"overwrite": True}),
        (errors.StorePathError, "outside it", source / "b.ome.zarr", {}),
        (errors.StorePathError, "outside it", tmp_path, {"format": "ome-zarr", "overwrite": True}),
        (errors.OptionError, "no image 7", "b.ome.zarr", {"images": [7]}),
        (errors.OptionError, "no image 'x'", "b.ome.zarr", {"images": ["x"]}),
        (errors.OptionError, "at least one image", "b.ome.zarr", {"images": []}),
        (errors.OptionError, "workers", "b.ome.zarr", {"workers": 0}),
        (errors.OptionError, "levels", "b.ome.zarr", {"levels": 7}),
        (errors.OptionError, "compression", "b.ome.tiff", {"compression": "blosc"}),
        (errors.OptionError, "Raise buffer_bytes", "b.ome.zarr", {"buffer_bytes": 100}),
        (errors.OptionError, "verify", "b.ome.zarr", {"verify": 1}),
        (errors.OptionError, "exclude", "b.ome.zarr", {"resume": True, "overwrite": True}),
        (errors.OptionError, "suffix", "b.png", {}),
    ]
    for kind, words, target, options in cases:
        with pytest.raises(kind, match=words):
            po.convert(source, tmp_path / target, **options)
    with pytest.raises(errors.NotAStoreError, match="does not exist"):
        po.convert(tmp_path / "none.ome.zarr", tmp_path / "b.ome.zarr")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_there_is_replaced_only_when_asked_for(tmp_path: Path) -> None:
    source, other = write(tmp_path / "a.ome.zarr"), write(tmp_path / "b.ome.zarr", (1, 2))
    with pytest.raises(errors.StoreExistsError):
        po.convert(source, other)
    assert len(po.open_dataset(other).frames()) == 22
    po.convert(source, other, overwrite=True)
    assert_same(source, other)


def test_a_store_that_was_never_closed_is_refused(tmp_path: Path) -> None:
    stream = po.open_stream(tmp_path / "a.ome.zarr", stack(t=5))
    with pytest.raises(errors.StorePathError, match="never closed"):
        po.convert(tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr")
    stream.close()
    assert not (tmp_path / "b.ome.zarr").exists()


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
def test_a_damaged_frame_ends_the_conversion_and_is_named(tmp_path: Path, suffix: str) -> None:
    source = write(tmp_path / "a.ome.zarr")
    shard = next((source / "1" / "0" / "c").rglob("0/0/0/0"))
    content = bytearray(shard.read_bytes())
    at = content.index(frame(17).tobytes()[:64])
    content[at] ^= 1
    shard.write_bytes(content)
    copy = tmp_path / f"b{suffix}"
    with pytest.raises(errors.NotAStoreError, match="t 1 z 1 does not match its checksum"):
        po.convert(source, copy)
    assert po.open_dataset(copy).status == "incomplete"


def test_a_damaged_frame_table_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ome.zarr")
    table = source / "frames.jsonl"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[3]]) + "\n")
    with pytest.raises(errors.NotAStoreError, match="2 frames at"):
        po.convert(source, tmp_path / "b.ome.zarr")
    assert not (tmp_path / "b.ome.zarr").exists()


def test_frames_without_checksums_get_one(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ome.zarr", checksums=False)
    copy = po.convert(source, tmp_path / "b.ome.zarr").path
    assert po.validate(copy, pixels=True) == []
    lines = (copy / "frames.jsonl").read_text().splitlines()
    assert all("checksum" in json.loads(line) for line in lines)


# -- stopped, killed, resumed


def plan_of(source: Path, copy: Path, resume: bool = False, **options: Any) -> ConversionPlan:
    """Return a conversion into many tasks: a time point each."""
    return ConversionPlan(source, copy, SaveOptions(resume=resume, **options), workers=1)


SMALL_TASKS: dict[str, dict[str, Any]] = {
    ".ome.zarr": {"shards": {"z": 4}, "levels": 3, "compression": "zstd"},
    ".ome.tiff": {"levels": 3, "compression": "zstd"},
}


def digest(path: Path) -> dict[str, bytes]:
    """Return the files of a store that hold pixels, or say where they are."""
    files = (file for file in path.rglob("*") if file.is_file())
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in files
        if file.name not in ("frames.jsonl", "METADATA.ome.xml")
        and "converted_from" not in file.read_text(errors="replace")
    }


@contextmanager
def tasks_of_four_frames() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pymmcore_ome.stream.conversion_plan.TASK_BYTES", 4 * 2 * SHAPE[0] * SHAPE[1])
        yield


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
def test_a_conversion_stopped_after_any_task_is_resumed_to_the_same_bytes(
    tmp_path: Path, suffix: str
) -> None:
    source = write(tmp_path / "a.ome.zarr", skipped=(3, 22))
    options = SMALL_TASKS[suffix]
    with tasks_of_four_frames():
        whole = Conversion(plan_of(source, tmp_path / f"whole{suffix}", **options)).run().path
        plan = plan_of(source, tmp_path / f"b{suffix}", **options)
        assert plan.task_count == 6
        for last in range(plan.task_count):
            copy = tmp_path / f"{last}{suffix}"
            reports = []

            def stop(progress: po.Progress, last: int = last, reports: Any = reports) -> None:
                reports.append(progress.frames_written)
                if len(reports) > last:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                Conversion(plan_of(source, copy, **options)).run(stop)
            assert po.open_dataset(copy).status == "incomplete"
            assert len(po.open_dataset(copy).images[0].levels) == 1
            assert any("incomplete" in problem for problem in po.validate(copy))
            with pytest.raises(errors.StorePathError, match="--resume"):
                po.convert(copy, tmp_path / "c.ome.zarr")
            again: list[int] = []
            summary = Conversion(plan_of(source, copy, resume=True, **options)).run(
                lambda progress, again=again: again.append(progress.frames_written)
            )
            assert again[0] == reports[-1]
            assert (again[-1], summary.frames_written) == (22, 22)
            assert problems(copy) == []
            assert_same(source, copy)
            assert_levels(copy)
            if suffix == ".ome.zarr":
                assert digest(copy) == digest(whole)
            shutil.rmtree(copy) if copy.is_dir() else copy.unlink()


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
def test_resuming_begins_anew_and_ends_at_once(tmp_path: Path, suffix: str) -> None:
    source, copy = write(tmp_path / "a.ome.zarr"), tmp_path / f"b{suffix}"
    po.convert(source, copy, resume=True, levels=2)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    assert po.convert(source, copy, resume=True, levels=2).frames_written == 24
    after = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    assert before == after
    assert po.convert(copy, tmp_path / "c.ome.zarr").frames_written == 24  # it is not claimed


def test_only_the_same_conversion_is_resumed(tmp_path: Path) -> None:
    source, other = write(tmp_path / "a.ome.zarr"), write(tmp_path / "z.ome.zarr", (3,))

    def stop(progress: po.Progress) -> None:
        raise KeyboardInterrupt

    copy = tmp_path / "b.ome.zarr"
    with pytest.raises(KeyboardInterrupt):
        Conversion(plan_of(source, copy, compression="zstd")).run(stop)
    for start, options, words in (
        (source, {}, "compression"),
        (source, {"compression": "zstd", "levels": 2}, "levels"),
        (source, {"compression": "zstd", "shards": {"z": 2}}, "shards"),
        (source, {"compression": "zstd", "images": [1]}, "images"),
        (other, {"compression": "zstd"}, "source.started"),
    ):
        before = sorted(copy.rglob("*"))
        with pytest.raises(errors.ResumeError, match=words):
            po.convert(start, copy, resume=True, **options)
        assert sorted(copy.rglob("*")) == before
    with pytest.raises(errors.ResumeError, match="not written by convert"):
        po.convert(source, other, resume=True)
    po.convert(source, copy, resume=True, compression="zstd")
    assert_same(source, copy)


def test_what_recover_closed_is_not_resumed(tmp_path: Path) -> None:
    source, copy = write(tmp_path / "a.ome.zarr"), tmp_path / "b.ome.zarr"

    def stop(progress: po.Progress) -> None:
        if progress.frames_written:
            raise KeyboardInterrupt

    with tasks_of_four_frames(), pytest.raises(KeyboardInterrupt):
        Conversion(plan_of(source, copy, shards={"z": 4}, levels=2)).run(stop)
    recovered = po.recover(copy)
    assert (recovered.status, len(recovered.frames())) == ("recovered", 4)
    with pytest.raises(errors.ResumeError, match="closed by `pymmcore-ome recover`"):
        po.convert(source, copy, resume=True, shards={"z": 4}, levels=2)
    po.convert(source, copy, overwrite=True)
    assert_same(source, copy)


def test_a_full_disk_leaves_a_store_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copy = write(tmp_path / "a.ome.zarr"), tmp_path / "b.ome.zarr"
    options = {"shards": {"z": 4}, "levels": 2}
    from pymmcore_ome.backends.zarr import whole_files

    renamed: list[str] = []
    replace_file = whole_files.replace_file

    def fails_later(part: str, final: str) -> None:
        renamed.append(final)
        if len(renamed) > 5:
            raise OSError(28, "No space left on device")
        replace_file(part, final)

    with tasks_of_four_frames(), monkeypatch.context() as patch:
        patch.setattr(whole_files, "replace_file", fails_later)
        with pytest.raises(errors.WriteError, match="No space left"):
            Conversion(plan_of(source, copy, **options)).run()
    assert list(copy.rglob("*.part")) == []
    assert len(po.open_dataset(copy).frames()) == 8
    with tasks_of_four_frames():
        Conversion(plan_of(source, copy, resume=True, **options)).run()
    assert_same(source, copy)
    assert problems(copy) == []


def test_a_frame_that_reads_back_changed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "a.ome.zarr")
    publish = copying.file_writer

    class Spoiled:
        """Writes the first pixel of every frame anew."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._writer: Any = publish(*args, **kwargs)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._writer, name)

        def write(self, frames: Any) -> None:
            for one in frames:
                one.frame[0, 0] ^= 1
            self._writer.write(frames)

    monkeypatch.setattr(copying, "file_writer", Spoiled)
    with pytest.raises(errors.WriteError, match="reads back changed at t 0 z 0"):
        po.convert(source, tmp_path / "b.ome.zarr", workers=1)
    po.convert(source, tmp_path / "c.ome.zarr", verify=False)
    assert any("checksum mismatch" in p for p in po.validate(tmp_path / "c.ome.zarr", pixels=True))
