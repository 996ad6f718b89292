"""Levels of stores that are closed: made, made again, recovered, and compared."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

import pymmcore_ome as po
from helpers import wait_until
from level_reference import reference_levels
from pymmcore_ome import Dimension, StorageSchema, errors
from pymmcore_ome.backends.tiff.levels import StoredTiffLevels
from pymmcore_ome.backends.zarr.levels import ZarrLevels
from pymmcore_ome.dataset import recovery

SHAPE = (29, 40)
SUFFIXES = (".ome.zarr", ".ome.tiff")
OPTIONS: tuple[dict[str, Any], ...] = (
    {}, {"compression": "zstd"}, {"shards": False}, {"chunks": {"y": 16, "x": 16}},
    {"backend": "tensorstore", "chunks": {"t": 2}}, {"backend": "zarr-python"},
    {"backend": "acquire-zarr"},
)  # fmt: skip


def schema(times: int = 3) -> StorageSchema:
    return StorageSchema(
        dimensions=[
            Dimension(name="p", coords=["left", "right"]), Dimension(name="t", size=times),
            Dimension(name="y", size=SHAPE[0], scale=0.5, unit="micrometer"),
            Dimension(name="x", size=SHAPE[1], scale=0.5, unit="micrometer"),
        ],
        dtype="uint16",
    )  # fmt: skip


def frame(number: int) -> NDArray[Any]:
    return np.random.default_rng(number).integers(0, 65536, SHAPE, dtype="uint16")


def write(path: Path, **options: Any) -> Path:
    with po.open_stream(path, schema(), **options) as stream:
        for number in range(6):
            stream.append(frame(number))
    return path


def check(path: Path, count: int, downsample: str = "mean") -> None:
    """Compare all levels with the definition, by another library; and what the store says."""
    assert po.validate(path, pixels=True) == []
    dataset = po.open_dataset(path)
    for number in range(6):
        image, t = dataset.images[number // 3], number % 3
        assert len(image.levels) == count
        expected = reference_levels(frame(number), count, downsample)
        for level, pixels in enumerate(expected, 1):
            np.testing.assert_array_equal(image.levels[level][t], pixels, strict=True)
            if path.suffix == ".zarr":
                theirs: Any = zarr.open_array(path / image.path / str(level), mode="r")
            else:
                with tifffile.TiffFile(path) as file:
                    theirs = file.series[number // 3].levels[level].asarray()
            np.testing.assert_array_equal(theirs[t], pixels)


def digest(path: Path) -> dict[str, bytes]:
    """Return the content of every file of a store."""
    if path.is_file():
        return {"": path.read_bytes()}
    files = (file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize("options", OPTIONS)
def test_levels_of_a_store_of_any_backend_are_exact(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    path = write(tmp_path / "a.ome.zarr", **options)
    before = digest(path)
    summary = po.build_levels(path, levels=4)
    assert (summary.frames_written, summary.status) == (6, "complete")
    assert summary.bytes_written == 6 * 2 * (15 * 20 + 8 * 10 + 4 * 5)
    check(path, 4)
    after = digest(path)
    for name, content in before.items():  # no frame was touched, and no frame table
        if "/0/c/" in name or name == "frames.jsonl":
            assert after[name] == content


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_levels_are_replaced_only_where_that_is_asked_for(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", levels=3)
    with pytest.raises(errors.StoreExistsError, match="has resolution levels already"):
        po.build_levels(path, levels=3)
    check(path, 3)
    po.build_levels(path, levels=3, downsample="nearest", overwrite=True)
    check(path, 3, "nearest")


def test_fewer_and_more_levels_replace_those_that_were_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr", levels=4)
    for count in (2, 5):
        po.build_levels(path, levels=count, overwrite=True)
        check(path, count)
        folders = {folder.name for folder in (path / "0").iterdir() if folder.is_dir()}
        assert folders == set(map(str, range(count)))
    po.build_levels(path, overwrite=True)  # "auto": the images are small
    check(path, 1)


def test_the_pages_of_a_tiff_get_no_levels_that_they_were_not_made_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.tiff")
    before = digest(path)
    with pytest.raises(errors.OptionError, match="cannot get them later"):
        po.build_levels(path, levels=3)
    assert digest(path) == before
    path = write(tmp_path / "b.ome.tiff", levels=3)
    with pytest.raises(errors.OptionError, match="no room for 2"):
        po.build_levels(path, levels=2, overwrite=True)
    po.build_levels(path, overwrite=True)  # "auto": those that it was made for
    check(path, 3)


@pytest.mark.parametrize("levels", [1, 0, 9, "all", None])
def test_levels_that_cannot_be_are_refused(tmp_path: Path, levels: Any) -> None:
    path = write(tmp_path / "a.ome.zarr")
    before = digest(path)
    with pytest.raises(errors.OptionError):
        po.build_levels(path, levels=levels)
    with pytest.raises(errors.OptionError, match="can have 6"):
        po.build_levels(path, levels=8)
    assert digest(path) == before


def test_what_is_no_level_is_not_deleted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr")
    notes = path / "0" / "1"
    notes.mkdir()
    (notes / "notes.txt").write_text("mine")
    before = digest(path)
    for overwrite in (False, True):
        with pytest.raises(errors.StoreExistsError, match="is not known as a resolution level"):
            po.build_levels(path, levels=3, overwrite=overwrite)
    assert digest(path) == before
    shutil.rmtree(notes)
    zarr.create_array(notes, shape=(1,), dtype="u1")  # perhaps a level of another program
    with pytest.raises(errors.StoreExistsError, match="overwrite"):
        po.build_levels(path, levels=3)
    po.build_levels(path, levels=3, overwrite=True)
    check(path, 3)


def test_a_store_that_is_written_or_was_never_closed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    stream = po.open_stream(path, schema())
    with pytest.raises(errors.StoreExistsError):
        po.build_levels(path, levels=2)
    copy = shutil.copytree(path, tmp_path / "b.ome.zarr", ignore=shutil.ignore_patterns("*.lock"))
    with pytest.raises(errors.StorePathError, match="recover"):
        po.build_levels(copy, levels=2)
    stream.close(status="canceled")
    with pytest.raises(errors.NotAStoreError):
        po.build_levels(tmp_path / "none.ome.zarr")


# -- interrupted


class Dies(BaseException):
    """What a kill is to the code that it meets."""


def dies_after(patch: pytest.MonkeyPatch, kind: type[Any], name: str, calls: int) -> None:
    """Let a method die after some calls."""
    method: Callable[..., Any] = getattr(kind, name)
    left = [calls]

    def dying(self: Any, *args: Any) -> Any:
        if not left[0]:
            raise Dies
        left[0] -= 1
        return method(self, *args)

    patch.setattr(kind, name, dying)


@pytest.mark.parametrize(
    ("suffix", "had_levels"), [(".ome.zarr", True), (".ome.zarr", False), (".ome.tiff", True)]
)
@pytest.mark.parametrize(("name", "calls"), [("write", 0), ("write", 1), ("finish", 0)])
def test_an_interrupted_build_lists_no_level_and_can_be_repeated(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    name: str,
    calls: int,
    had_levels: bool,
) -> None:
    path = write(tmp_path / f"a{suffix}", **({"levels": 3} if had_levels else {}))
    kind = ZarrLevels if suffix == ".ome.zarr" else StoredTiffLevels
    monkeypatch.setattr("pymmcore_ome.backends.levels._BATCH_BYTES", 1)
    with monkeypatch.context() as patch:
        dies_after(patch, kind, name, calls)
        with pytest.raises(Dies):
            po.build_levels(path, levels=3, downsample="nearest", overwrite=True)
    dataset = po.open_dataset(path)
    assert [len(image.levels) for image in dataset.images] == [1, 1]
    assert dataset.status == "complete"
    (problem,) = po.validate(path, pixels=True)
    assert "pymmcore-ome levels" in problem
    if calls:
        po.build_levels(path, levels=3, downsample="nearest")
    else:
        po.recover(path)
    check(path, 3, "nearest")
    assert po.recover(path).record == po.open_dataset(path).record


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_recover_makes_few_levels_and_names_the_command_for_many(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    suffix: str,
) -> None:
    path = tmp_path / f"a{suffix}"
    stream = po.open_stream(path, schema(), levels=3, checkpoint_s=0.01)
    for number in range(6):
        stream.append(frame(number))
    wait_until(lambda: len(po.open_dataset(path).frames()) == 6)
    copy = tmp_path / f"b{suffix}"  # as a process that was killed would leave it
    if path.is_dir():
        shutil.copytree(path, copy, ignore=shutil.ignore_patterns("*.lock"))
    else:
        for file in (path, path.with_name(f"{path.name}.frames.jsonl")):
            shutil.copy(file, file.with_name(file.name.replace("a.", "b.", 1)))
    stream.close()
    monkeypatch.setattr(recovery, "_MOST_BYTES", 6 * frame(0).nbytes - 1)
    assert po.recover(copy).status == "recovered"
    assert f"pymmcore-ome levels {copy}" in caplog.text
    assert len(po.open_dataset(copy).images[0].levels) == 1
    assert any("pymmcore-ome levels" in problem for problem in po.validate(copy))
    monkeypatch.setattr(recovery, "_MOST_BYTES", 6 * frame(0).nbytes)
    po.recover(copy)
    check(copy, 3)


# -- what is wrong


def array_files(path: Path, level: int) -> list[Path]:
    return sorted(file for file in (path / "0" / str(level) / "c").rglob("*") if file.is_file())


def test_validate_reports_a_level_that_is_not_what_its_frame_gives(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr", levels=3, shards=False)
    file = array_files(path, 2)[1]
    content = bytearray(file.read_bytes())
    content[7] ^= 1
    file.write_bytes(content)
    assert po.validate(path) == []
    (problem,) = po.validate(path, pixels=True)
    assert "image 0 (left) t 1: level 2 is not what its full resolution gives" in problem
    os.unlink(file)  # noqa: PTH108
    (problem,) = po.validate(path, pixels=True)
    assert "level 2 is not what" in problem


def test_validate_reports_levels_that_are_missing_or_of_another_form(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr", levels=3)
    document = path / "0" / "1" / "zarr.json"
    content = json.loads(document.read_bytes())
    document.write_text(json.dumps({**content, "data_type": "int16"}))
    assert any("level 1: dtype is int16" in problem for problem in po.validate(path))
    document.write_text(json.dumps({**content, "shape": [2, 15, 20]}))
    assert any("level 1: shape is (2, 15, 20)" in problem for problem in po.validate(path))
    shutil.rmtree(document.parent)
    assert any("level 1" in problem for problem in po.validate(path))
    po.build_levels(path, levels=3, overwrite=True)
    check(path, 3)


def test_validate_reports_documents_that_list_other_levels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr", levels=3)
    document = path / "0" / "zarr.json"
    content = json.loads(document.read_bytes())
    (multiscale,) = content["attributes"]["ome"]["multiscales"]
    full = list(multiscale["datasets"])
    multiscale["datasets"] = full[:2]
    document.write_text(json.dumps(content))
    assert any("datasets has 2 items, expected 3" in problem for problem in po.validate(path))
    moved = json.loads(json.dumps(full))
    moved[1]["coordinateTransformations"][1]["translation"][-1] = 0.0
    multiscale["datasets"] = moved
    document.write_text(json.dumps(content))
    assert any("translation" in problem for problem in po.validate(path))


def test_levels_that_another_program_listed_are_no_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr")
    zarr.create_array(path / "0" / "1", shape=(3, 15, 20), dtype="u2", chunks=(1, 15, 20),
                      dimension_names=("t", "y", "x"))  # fmt: skip
    document = path / "0" / "zarr.json"
    content = json.loads(document.read_bytes())
    (multiscale,) = content["attributes"]["ome"]["multiscales"]
    scale = {"type": "scale", "scale": [1.0, 1.0, 1.0]}
    multiscale["datasets"].append({"path": "1", "coordinateTransformations": [scale]})
    document.write_text(json.dumps(content))
    assert po.validate(path) == []


def test_a_store_with_levels_can_be_replaced_annotated_and_moved(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.zarr", levels=3)
    po.annotate(path, "sample", {"operator": "Ada"})
    check(path, 3)
    moved = path.rename(tmp_path / "b.ome.zarr")
    check(moved, 3)
    write(moved, overwrite=True)
    check(moved, 1)
    assert not (moved / "0" / "1").exists()
