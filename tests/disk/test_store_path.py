"""Paths: the format from the suffix; nothing that is not a store is ever deleted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from pymmcore_ome.dataset import open_dataset, validate
from pymmcore_ome.disk import StoreLocation, choose_format, local_path, write_whole
from pymmcore_ome.errors import OptionError, StoreExistsError, StorePathError
from pymmcore_ome.stream import open_stream
from pymmcore_ome.testing.backend_contract import loops

BARE = '{"zarr_format": 3, "node_type": "group", "attributes": {}}'
GROUP = BARE.replace("{}", '{"ome": {"version": "0.5"}}')


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.ome.zarr", "ome-zarr"),
        ("a.ZARR", "ome-zarr"),
        ("x/a.b.ome.tiff", "ome-tiff"),
        ("a.tif", "ome-tiff"),
    ],
)
def test_format_comes_from_the_suffix(path: str, expected: str) -> None:
    assert choose_format(path) == expected


@pytest.mark.parametrize(
    ("path", "asked"), [("a.png", None), ("a", None), ("a.zarr/x", None), ("a.zarr", "zarr")]
)
def test_unknown_format_is_refused(path: str, asked: str | None) -> None:
    with pytest.raises(OptionError):
        choose_format(path, asked)


@pytest.mark.parametrize("path", ["", "s3://bucket/a.zarr", "a\0b.zarr"])
def test_what_is_no_local_path_is_refused(path: str) -> None:
    with pytest.raises(StorePathError):
        local_path(path)


def test_path_through_a_parent_is_followed_as_the_system_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "far" / "away").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert local_path("../a.zarr") == (tmp_path / "a.zarr").resolve()
    assert local_path("none/../../a.zarr") == (tmp_path / "a.zarr").resolve()
    try:
        (tmp_path / "link").symlink_to(tmp_path / "far" / "away", target_is_directory=True)
    except OSError:
        pytest.skip("links need the developer mode of Windows")
    assert local_path("../link/../a.zarr") == (tmp_path / "far" / "a.zarr").resolve()
    assert local_path("../link").is_symlink()


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("a.ome.zarr", "tensorstore"),
        ("a.ome.zarr", "zarr-python"),
        ("a.ome.zarr", "acquire-zarr"),
        ("a.ome.tiff", "tiff"),
    ],
)
def test_store_is_written_and_read_through_a_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, backend: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = f"../{name}"
    with open_stream(path, loops({"t": 2}), backend=backend) as stream:
        for number in (1, 2):
            stream.append(np.full((6, 8), number, "uint16"))
    there = tmp_path / name
    if backend == "tiff":
        read = tifffile.imread(there)
    else:
        read = zarr.open_array(there / "0", mode="r")[:]
    assert read[:, 0, 0].tolist() == [1, 2]
    assert open_dataset(path).images[0][1].max() == 2
    assert validate(path, pixels=True) == []


def test_store_is_replaced_only_when_asked(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    store.mkdir()
    (store / "zarr.json").write_text(GROUP)
    with pytest.raises(StoreExistsError, match="overwrite"):
        StoreLocation(store, "ome-zarr", True).check_free(overwrite=False)
    with StoreLocation(store, "ome-zarr", True).made_free(overwrite=True):
        assert list(store.iterdir()) == []
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("content", [None, "not json", '{"node_type": "array"}', "[]", BARE, GROUP])
def test_folder_that_is_no_store_is_never_deleted(tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "holiday.zarr"
    folder.mkdir()
    (folder / "photo.jpg").write_text("precious")
    if content is not None:
        (folder / "zarr.json").write_text(content)
    with (
        pytest.raises(StoreExistsError, match=r"not an OME-Zarr store|holds 'photo.jpg'"),
        StoreLocation(folder, "ome-zarr", True).made_free(overwrite=True),
    ):
        pass
    assert (folder / "photo.jpg").read_text() == "precious"


def test_folder_with_a_stray_zgroup_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "a.zarr" / "photos").mkdir(parents=True)
    (tmp_path / "a.zarr" / ".zgroup").write_text("")
    with pytest.raises(StoreExistsError, match="not an OME-Zarr store"):
        StoreLocation(tmp_path / "a.zarr", "ome-zarr", True).check_free(overwrite=True)


def test_store_of_the_older_version_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.zarr" / "0").mkdir(parents=True)
    (tmp_path / "a.zarr" / ".zattrs").write_text('{"multiscales": []}')
    (tmp_path / "a.zarr" / "0" / ".zarray").write_text("{}")
    StoreLocation(tmp_path / "a.zarr", "ome-zarr", True).check_free(overwrite=True)


def test_file_and_link_are_never_replaced(tmp_path: Path) -> None:
    real = tmp_path / "real.zarr"
    real.mkdir()
    (real / "zarr.json").write_text(GROUP)
    link, file = tmp_path / "link.zarr", tmp_path / "file.zarr"
    link.symlink_to(real)
    file.write_text("data")
    for path in (link, file):
        with pytest.raises(StoreExistsError):
            StoreLocation(path, "ome-zarr", True).check_free(overwrite=True)


def test_old_store_comes_back_when_the_new_one_cannot_be_made(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    store.mkdir()
    (store / "zarr.json").write_text(GROUP)
    (store / "0").mkdir()
    (store / "0" / "zarr.json").write_text("old")

    def make() -> None:
        with StoreLocation(store, "ome-zarr", True).made_free(overwrite=True):
            (store / "half").write_text("new")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        make()
    assert (store / "0" / "zarr.json").read_text() == "old"
    assert not (store / "half").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_tiff_is_replaced_with_its_frame_table_and_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    tifffile.imwrite(path, np.zeros((4, 4), "uint8"), ome=True)
    table = path.with_name("a.ome.tiff.frames.jsonl")
    table.write_text('{"image":"a"}')
    place = StoreLocation(path, "ome-tiff", False)
    with pytest.raises(StoreExistsError, match="overwrite"):
        place.check_free(overwrite=False)
    with place.made_free(overwrite=True):
        assert path.read_bytes() == b""
        assert not table.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.tiff"]


@pytest.mark.parametrize("content", [b"", b"text", b"II*\0", b"II+\0\x08\0\0\0"])
def test_file_that_is_no_ome_tiff_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(StoreExistsError, match="not an OME-TIFF"):
        StoreLocation(path, "ome-tiff", False).check_free(overwrite=True)
    tifffile.imwrite(path, np.zeros((4, 4), "uint8"), description="a photograph")
    with pytest.raises(StoreExistsError, match="not an OME-TIFF"):
        StoreLocation(path, "ome-tiff", False).check_free(overwrite=True)


def test_what_a_user_put_into_a_store_is_never_deleted(tmp_path: Path) -> None:
    schema = loops({"t": 2, "p": 2})
    for name, options in (("a.ome.zarr", {}), ("b.ome.tiff", {"files": "per-position"})):
        path = tmp_path / name
        open_stream(path, schema, **options).close()
        folders = [path, path / "0", path / "OME"] if name.endswith("zarr") else [path]
        for folder in folders:
            precious = folder / "my_segmentation.tif"
            tifffile.imwrite(precious, np.zeros((4, 4), "uint8"))
            with pytest.raises(StoreExistsError, match="my_segmentation"):
                open_stream(path, schema, overwrite=True, **options)
            precious.unlink()
        open_stream(path, schema, overwrite=True, **options).close()


def test_text_that_is_called_as_a_frame_table_is_never_deleted(tmp_path: Path) -> None:
    notes = tmp_path / "a.ome.tiff.frames.jsonl"
    notes.write_text("my notes")
    with pytest.raises(StoreExistsError, match="not a frame table"):
        open_stream(tmp_path / "a.ome.tiff", loops({"t": 1}), overwrite=True)
    assert notes.read_text() == "my notes"


@pytest.mark.parametrize("first", ["one", "per-position"])
def test_store_of_the_other_form_is_replaced_whole(tmp_path: Path, first: str) -> None:
    path, schema = tmp_path / "a.ome.tiff", loops({"t": 2, "p": 2})
    second = "one" if first == "per-position" else "per-position"
    open_stream(path, schema, files=first).close()  # type: ignore[arg-type]
    open_stream(path, schema, files=second, overwrite=True).close()  # type: ignore[arg-type]
    beside = {p.name for p in tmp_path.iterdir()}
    table = {"a.ome.tiff.frames.jsonl"} if second == "one" else set()
    assert beside == {"a.ome.tiff"} | table


def test_frame_table_left_alone_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.ome.tiff.frames.jsonl").write_text("{}")
    with pytest.raises(StoreExistsError, match=r"frames\.jsonl exists"):
        StoreLocation(tmp_path / "a.ome.tiff", "ome-tiff", False).check_free(overwrite=False)


def test_old_tiff_comes_back_when_the_new_one_cannot_be_made(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    tifffile.imwrite(path, np.zeros((4, 4), "uint8"), ome=True)
    before = path.read_bytes()
    with (
        pytest.raises(OSError, match="disk full"),
        StoreLocation(path, "ome-tiff", False).made_free(overwrite=True),
    ):
        path.write_bytes(b"half")
        raise OSError("disk full")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.tiff"]


def test_parent_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorePathError, match="cannot be made"),
        StoreLocation(tmp_path / "file" / "a.zarr", "ome-zarr", True).made_free(overwrite=False),
    ):
        pass


def test_write_whole_replaces_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "zarr.json"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["zarr.json"]
