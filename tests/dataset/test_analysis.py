"""Images as dask and xarray arrays, and the frame table as an Arrow table."""

from __future__ import annotations

import pickle
import sys
from itertools import product
from math import prod
from pathlib import Path

import dask
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pymmcore_ome as po
from pymmcore_ome.dataset.image import block_shape
from pymmcore_ome.layout import layout_of
from pymmcore_ome.testing import encoded_frame

SUFFIXES = [".ome.zarr", ".ome.tiff"]
MIB = 1 << 20


def store(folder: Path, suffix: str, **options: object) -> Path:
    """Two positions, three times, two channels; the last time of the last position is missing."""
    schema = po.StorageSchema(
        dimensions=[
            po.Dimension(name="t", size=3, scale=2.0, unit="second"),
            po.Dimension(
                name="p",
                coords=[
                    po.Position(name="left", x_um=10.0),
                    po.Position(name="right", label="a/b", y_um=-5.0),
                ],
            ),
            po.Dimension(name="c", coords=["DAPI", "FITC"]),
            po.Dimension(name="y", size=32, scale=0.5, unit="micrometer"),
            po.Dimension(name="x", size=64, scale=0.5, unit="micrometer"),
        ],
        dtype="uint16",
    )
    path = folder / f"a{suffix}"
    with po.open_stream(path, schema, **options) as stream:
        for number, (t, p, c) in enumerate(product(range(3), range(2), range(2))):
            if (t, p) == (2, 1):
                continue
            facts = {"delta_t_s": 2.0 * t, "exposure_ms": 10.0, "lamp": number}
            frame = encoded_frame(number, (32, 64))
            stream.append(frame, at={"t": t, "p": p, "c": c}, metadata=facts)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_dask_reads_what_the_image_has(tmp_path: Path, suffix: str) -> None:
    image = po.open_dataset(store(tmp_path, suffix)).images[0]
    lazy = image.dask()
    assert (lazy.shape, lazy.dtype) == (image.shape, image.dtype)
    with dask.config.set(scheduler="threads"):
        assert np.array_equal(lazy.compute(), image[...])
        assert np.array_equal(lazy[1:, 0, ::2].compute(), image[1:, 0, ::2])
    again = pickle.loads(pickle.dumps(lazy))  # as workers get it
    assert np.array_equal(again.compute(scheduler="sync"), image[...])


def test_dask_and_xarray_read_resolution_levels(tmp_path: Path) -> None:
    image = po.open_dataset(store(tmp_path, ".ome.zarr", levels=2)).images[0]
    assert np.array_equal(image.dask(1).compute(), image.levels[1][...])
    assert np.array_equal(pickle.loads(pickle.dumps(image.dask(1))).compute(), image.levels[1][...])
    small = image.xarray(1)
    assert small.sizes == {"t": 3, "c": 2, "y": 16, "x": 32}
    assert np.allclose(small.x[:2], [10.25, 11.25])
    for lazy in (image.dask, image.xarray):
        with pytest.raises(po.errors.OptionError, match="are 0 to 1"):
            lazy(2)
        with pytest.raises(po.errors.OptionError, match="level=-1"):
            lazy(-1)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_xarray_has_coordinates_units_and_what_was_acquired(tmp_path: Path, suffix: str) -> None:
    image = po.open_dataset(store(tmp_path, suffix)).images[1]
    found = image.xarray()
    assert found.dims == ("t", "c", "y", "x")
    assert list(found.c.values) == ["DAPI", "FITC"]
    assert np.allclose(found.t, [0, 2, 4])
    assert np.allclose(found.y[:2], [-5.0, -4.5])
    assert (found.t.attrs["units"], found.y.attrs["units"]) == ("second", "micrometer")
    assert found.acquired.dims == ("t", "c")
    assert found.acquired.values.tolist() == [[True, True], [True, True], [False, False]]
    assert np.array_equal(found.delta_t_s, [[0, 0], [2, 2], [np.nan, np.nan]], equal_nan=True)
    assert found.delta_t_s.attrs["units"] == "second"
    assert found.exposure_ms.attrs["units"] == "millisecond"
    assert "z_um" not in found.coords
    assert (found.attrs["label"], found.attrs["y_um"]) == ("a/b", -5.0)
    assert np.array_equal(found.sel(c="FITC", t=2).values, image[1, 1])
    mean = found.where(found.acquired).mean("t")
    assert np.allclose(mean.values, image[:2].mean(0))


def test_tree_has_a_node_for_each_image_and_level(tmp_path: Path) -> None:
    dataset = po.open_dataset(store(tmp_path, ".ome.zarr", levels=2))
    tree = dataset.xarray()
    assert tree.attrs["status"] == "complete"
    names = [image.name.replace("/", "_") for image in dataset.images]
    assert sorted(node.path for node in tree.leaves) == sorted(
        f"/{name}/{level}" for name in names for level in (0, 1)
    )
    for name, image in zip(names, dataset.images, strict=True):
        assert np.array_equal(tree[f"{name}/0/image"].values, image[...])
        assert tree[f"{name}/1/image"].sizes["x"] == 32


def test_color_frames_are_acquired_in_all_their_samples(tmp_path: Path) -> None:
    schema = po.StorageSchema(
        dimensions=[
            po.Dimension(name="t", size=2),
            po.Dimension(name="y", size=8),
            po.Dimension(name="x", size=8),
        ],
        dtype="uint8",
        rgb=True,
    )
    with po.open_stream(tmp_path / "c.ome.zarr", schema) as stream:
        stream.append(np.full((8, 8, 3), 7, "uint8"), at={"t": 1})
    image = po.open_dataset(tmp_path / "c.ome.zarr").images[0]
    found = image.xarray()
    assert found.acquired.sizes == {"t": 2, "c": 3}
    assert found.acquired.values.tolist() == [[False] * 3, [True] * 3]
    assert np.array_equal(found.values, image[...])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_table_has_a_row_for_each_frame(tmp_path: Path, suffix: str) -> None:
    table = po.open_dataset(store(tmp_path, suffix)).table()
    assert table.num_rows == 10
    rows = table.to_pylist()
    assert [row["lamp"] for row in rows] == list(range(10))
    assert (rows[3]["label"], rows[3]["t"], rows[3]["c"], rows[3]["channel"]) == (
        "a/b", 0, 1, "FITC",
    )  # fmt: skip


def test_image_whose_frame_table_is_lost_does_not_show_what_was_acquired(tmp_path: Path) -> None:
    path = store(tmp_path, ".ome.tiff")
    path.rename(tmp_path / "renamed.ome.tiff")
    dataset = po.open_dataset(tmp_path / "renamed.ome.tiff")
    assert "acquired" not in dataset.images[0].xarray().coords
    assert "acquired" not in dataset.xarray()[f"{dataset.images[0].name}/0"].coords


def test_empty_store_has_an_empty_table_and_nothing_acquired(
    tmp_path: Path, small_schema: po.StorageSchema
) -> None:
    with po.open_stream(tmp_path / "e.ome.zarr", small_schema):
        pass
    dataset = po.open_dataset(tmp_path / "e.ome.zarr")
    assert dataset.table().num_rows == 0
    assert not dataset.images[0].xarray().acquired.any()


@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=3),
    chunk=st.integers(1, 8),
    per_shard=st.integers(1, 40),
    side=st.sampled_from([64, 1000, 2048]),
)
def test_blocks_are_small_and_share_no_shard(
    sizes: list[int], chunk: int, per_shard: int, side: int
) -> None:
    axes = [po.Dimension(name=name, size=n) for name, n in zip("tcz", sizes[:-1], strict=False)]
    last = po.Dimension(
        name="tcz"[len(axes)], size=sizes[-1], chunk_size=chunk, shard_size=chunk * per_shard
    )
    frame = [po.Dimension(name="y", size=side), po.Dimension(name="x", size=side)]
    schema = po.StorageSchema(dimensions=[*axes, last, *frame], dtype="uint16")
    image = layout_of(schema).images[0]
    spec = image.spec
    block = block_shape(spec, image.shape, 2)
    chunks = tuple(min(a, b) for a, b in zip(spec.chunk_shape, image.shape, strict=True))
    assert all(1 <= b <= size for b, size in zip(block, image.shape, strict=True))
    assert 2 * prod(block) <= max(64 * MIB, 2 * prod(chunks))
    for b, c, whole, size in zip(block, chunks, spec.write_shape, image.shape, strict=True):
        assert b % c == 0 or b == size
        assert size <= whole or b % whole == 0 or whole % b == 0 or b == size


@pytest.mark.parametrize(
    ("module", "words"),
    [("dask.array", "need dask"), ("xarray", "need xarray"), ("pyarrow", "need pyarrow")],
)
def test_missing_library_is_named_with_the_way_to_install_it(
    tmp_path: Path, module: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = po.open_dataset(store(tmp_path, ".ome.zarr"))
    monkeypatch.setitem(sys.modules, module, None)
    call = {
        "dask.array": dataset.images[0].dask,
        "xarray": dataset.xarray,
        "pyarrow": dataset.table,
    }[module]
    with pytest.raises(po.errors.OptionError, match=words) as raised:
        call()
    assert '".[analysis]"' in str(raised.value)
