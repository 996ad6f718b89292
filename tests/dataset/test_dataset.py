"""Reading back: numpy-style, lazily, and validation that finds what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

import pymmcore_ome as po
from pymmcore_ome import StorageSchema, errors
from pymmcore_ome.testing import encoded_frame

SHAPE = (6, 8)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pymmcore_ome import Dimension

    path = tmp_path_factory.mktemp("dataset") / "a.ome.zarr"
    dims = [
        Dimension(name="t", size=3), Dimension(name="p", coords=["left", "right"]),
        Dimension(name="c", coords=["DAPI", "FITC"]),
        Dimension(name="y", size=6), Dimension(name="x", size=8),
    ]  # fmt: skip
    with po.open_stream(path, StorageSchema(dimensions=dims, dtype="uint16")) as stream:
        for n in range(12):
            stream.append(encoded_frame(n, SHAPE), metadata={"exposure_ms": n})
    return path


def test_images_tell_their_name_axes_shape_and_position(store: Path) -> None:
    dataset = po.open_dataset(store)
    assert [i.name for i in dataset.images] == ["left", "right"]
    assert dataset.images[0].axes == ("t", "c", "y", "x")
    assert dataset.images[0].shape == (3, 2, 6, 8)
    assert dataset.images[1].dtype == np.uint16
    assert dataset.images[1].position.name == "right"
    assert "left" in repr(dataset.images[0])
    assert "complete" in repr(dataset)


@settings(max_examples=150)
@given(st.data())
def test_reading_is_numpy_style(store: Path, data: st.DataObject) -> None:
    image = po.open_dataset(store).images[1]
    whole = image[...]
    key = data.draw(basic_indices(whole.shape, allow_newaxis=False))
    np.testing.assert_array_equal(image[key], whole[key])


@pytest.mark.parametrize(
    "key",
    [([0, 2],), (slice(None), [1, 0]), (0, 1, [True] * 6), (0, slice(None), [0, 1]),
     ([0, 2], slice(None, None, -1), [1, 2]), (-1, [1, 0], 3, slice(5, 1, -2))],
)  # fmt: skip
def test_reading_by_lists_works_as_in_numpy(store: Path, key: Any) -> None:
    image = po.open_dataset(store).images[0]
    np.testing.assert_array_equal(image[key], image[...][key])


@pytest.mark.parametrize(
    "key", [3, (0, 2), (0,) * 5, (..., ...), (slice(None), None), True, [[True]], "t", 1.0]
)
def test_reading_outside_is_an_index_error(store: Path, key: Any) -> None:
    with pytest.raises(IndexError):
        po.open_dataset(store).images[0][key]


def test_frames_are_listed_in_order_of_arrival_with_the_contracts_keys(store: Path) -> None:
    frames = po.open_dataset(store).frames()
    assert [f["exposure_ms"] for f in frames] == list(range(12))
    assert frames[3]["event_index"] == {"t": 0, "p": 1, "c": 1}
    assert frames[3]["channel"] == "FITC"
    assert set(frames[0]) == {
        "image", "index", "event_index", "delta_t_s", "exposure_ms", "x_um", "y_um", "z_um",
        "channel", "metadata",
    }  # fmt: skip


def test_valid_store_has_no_problems(store: Path) -> None:
    assert po.validate(store) == []


def drop_frame(path: Path) -> None:
    lines = (path / "frames.jsonl").read_bytes().splitlines(keepends=True)
    (path / "frames.jsonl").write_bytes(b"".join(lines[:-1]))


def repeat_frame(path: Path) -> None:
    with (path / "frames.jsonl").open("ab") as file:
        file.write((path / "frames.jsonl").read_bytes().splitlines(keepends=True)[0])


def edit(name: str, old: str, new: str) -> Any:
    def change(path: Path) -> None:
        text = (path / name).read_text()
        assert old in text
        (path / name).write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (drop_frame, "1 of 12 planned frames are missing"),
        (drop_frame, "12 frames were written, but the frame table lists 11"),
        (repeat_frame, "the frame table lists 2 frames at"),
        (lambda path: shutil.rmtree(path / "1" / "0"), "not valid"),
        (lambda path: (path / "OME/METADATA.ome.xml").unlink(), "METADATA.ome.xml"),
        (edit("OME/METADATA.ome.xml", "<Image", "<Imagine"), "METADATA.ome.xml"),
        (edit("0/0/zarr.json", '"uint16"', '"uint8"'), "dtype is uint8"),
        (edit("1/zarr.json", '"0.5"', '"9.9"'), "not valid"),
        (
            edit("zarr.json", '"status": "complete"', '"status": "incomplete"'),
            "the run is incomplete",
        ),
        (
            edit("frames.jsonl", '"index":[2,', '"index":[7,'),
            "a frame at image 1 (right) t 7 c 0, outside its image (t: 3, c: 2)",
        ),
        (edit("frames.jsonl", '"index":[2,', '"where":[2,'), "cannot be read"),
        (edit("frames.jsonl", '"image":"1"', '"image":"9"'), "does not have"),
        (edit("zarr.json", '"pymmcore_ome"', '"other"'), "not written by pymmcore-ome"),
    ],
)
def test_validate_finds_the_damage(tmp_path: Path, store: Path, damage: Any, words: str) -> None:
    path = tmp_path / "a.ome.zarr"
    shutil.copytree(store, path)
    damage(path)
    assert any(words in problem for problem in po.validate(path)), po.validate(path)


def test_store_behind_a_link_opens(store: Path, tmp_path: Path) -> None:
    (tmp_path / "link.ome.zarr").symlink_to(store)
    assert po.validate(tmp_path / "link.ome.zarr") == []


@pytest.mark.parametrize(
    "own",
    [
        None, 5, {}, {"schema": 5}, {"schema": {}, "status": "great"},
        {"schema": {"dtype": "uint8"}, "status": "complete"},
        {"schema": {"dtype": "uint8", "dimensions": []}, "status": "complete", "frames": None},
    ],
)  # fmt: skip
def test_damaged_description_is_told_and_not_guessed(tmp_path: Path, own: Any) -> None:
    path = tmp_path / "a.ome.zarr"
    path.mkdir()
    document = {"node_type": "group", "attributes": {"ome": {}, "pymmcore_ome": own}}
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(errors.NotAStoreError):
        po.open_dataset(path)
    assert len(po.validate(path)) == 1


@pytest.mark.parametrize("content", [None, "", "{}", '{"node_type": "group"}'])
def test_what_is_no_store_of_ours_is_refused_clearly(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "a.ome.zarr"
    if content is not None:
        path.mkdir()
        (path / "zarr.json").write_text(content)
    with pytest.raises(errors.NotAStoreError):
        po.open_dataset(path)
    assert len(po.validate(path)) == 1


def test_acquisition_json_is_strict(store: Path) -> None:
    json.loads((store / "zarr.json").read_text(), parse_constant=lambda c: pytest.fail(c))


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_axes_and_coordinates_are_what_xarray_wants(tmp_path: Path, name: str) -> None:
    from pymmcore_ome import Dimension, Position

    dims = [
        Dimension(name="t", coords=[0, 1, 5], unit="second"),
        Dimension(name="p", coords=[Position(name="left", x_um=100, y_um=50, z_um=7)]),
        Dimension(name="c", coords=["DAPI", "FITC"]),
        Dimension(name="z", size=3, scale=0.5, origin=-0.5, unit="micrometer"),
        Dimension(name="y", size=6, scale=0.1, unit="micrometer"),
        Dimension(name="x", size=8, scale=0.1, unit="micrometer"),
    ]
    with po.open_stream(tmp_path / name, StorageSchema(dimensions=dims, dtype="uint16")) as s:
        for n in range(18):
            s.append(encoded_frame(n, SHAPE))
    image = po.open_dataset(tmp_path / name).images[0]
    assert (image.dims, image.ndim) == (("t", "c", "z", "y", "x"), 5)
    assert image.sizes == {"t": 3, "c": 2, "z": 3, "y": 6, "x": 8}
    assert image.units == {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
    assert list(image.coords) == list(image.dims)
    assert image.coords["t"].tolist() == [0, 1, 5]
    assert image.coords["c"].tolist() == ["DAPI", "FITC"]
    np.testing.assert_allclose(image.coords["z"], [6.5, 7.0, 7.5])
    np.testing.assert_allclose(image.coords["x"][:2], [100, 100.1])
    np.testing.assert_array_equal(np.asarray(image)[2, 1, 2], encoded_frame(17, SHAPE))
    assert image.chunk_shape == (1, 1, 1, 6, 8)


@settings(max_examples=100)
@given(st.data())
def test_reading_a_tiff_is_numpy_style_too(tiff_store: Path, data: st.DataObject) -> None:
    image = po.open_dataset(tiff_store).images[0]
    whole = image[...]
    key = data.draw(basic_indices(whole.shape, allow_newaxis=False))
    np.testing.assert_array_equal(image[key], whole[key])


@pytest.fixture(scope="module", params=[False, True])
def tiff_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pymmcore_ome import Dimension

    path = tmp_path_factory.mktemp("dataset") / "a.ome.tiff"
    dims = [
        Dimension(name="t", size=3), Dimension(name="c", coords=["DAPI", "FITC"]),
        Dimension(name="y", size=6), Dimension(name="x", size=8),
    ]  # fmt: skip
    schema = StorageSchema(dimensions=dims, dtype="uint16", rgb=request.param)
    with po.open_stream(path, schema, compression="lzw") as stream:
        for n in range(6):
            frame = encoded_frame(n, (6, 24)).reshape(6, 8, 3)
            stream.append(frame if request.param else np.ascontiguousarray(frame[..., 0]))
    return path


@pytest.mark.parametrize("part", ["0", "1/0", "frames.jsonl", "OME"])
def test_part_of_a_store_is_refused_with_the_path_of_the_store(store: Path, part: str) -> None:
    with pytest.raises(po.errors.NotAStoreError, match="is a part of the store") as raised:
        po.open_dataset(store / part)
    assert str(store) in str(raised.value)


def test_frame_table_beside_a_tiff_is_a_part_of_it(
    tmp_path: Path, small_schema: po.StorageSchema
) -> None:
    po.open_stream(tmp_path / "a.ome.tiff", small_schema).close()
    with pytest.raises(po.errors.NotAStoreError, match=r"part of the store .*a\.ome\.tiff\."):
        po.open_dataset(tmp_path / "a.ome.tiff.frames.jsonl")
