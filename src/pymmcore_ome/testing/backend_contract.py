"""`ZarrContract`, `SequentialZarrContract`, `TiffContract`: the suites that backends pass.

Subclass the one of your format in a pytest module, name the backend, and run pytest::

    class TestMine(ZarrContract):
        backend = MyBackend

Pixels are read back through `read`, which a subclass may replace; by default through
zarr-python or tifffile, so that the library that wrote does not judge itself. It refuses
nothing and times nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymmcore_ome.dataset import open_dataset, validate
from pymmcore_ome.layout import FrameRouter
from pymmcore_ome.schema import PIXEL_DTYPES, Dimension, StorageSchema
from pymmcore_ome.stream import open_stream

from .contract import FRAME, SHAPE, Contract, jagged, loops
from .frames import encoded_frame
from .sequential_contract import SequentialZarrContract

__all__ = [
    "SHAPE", "BackendContract", "Contract", "SequentialZarrContract", "TiffContract",
    "ZarrContract", "jagged", "loops",
]  # fmt: skip


class BackendContract(Contract):
    """What every random-access backend must do."""

    @pytest.mark.parametrize("order", ["ome", "acquisition", ["t", "c", "z"]])
    @pytest.mark.parametrize("nest", [{"t": 2, "c": 2, "z": 3}, {"t": 3, "p": 2, "z": 2, "c": 2}])
    def test_every_order_of_storage_reads_back(
        self, path: Path, nest: dict[str, int], order: Any
    ) -> None:
        is_zarr = self.backend.format == "ome-zarr"
        if is_zarr and order == "acquisition" and list(nest) == ["t", "p", "z", "c"]:
            nest = {"p": 2, "t": 3, "c": 2, "z": 2}  # z before c is not OME-Zarr
        schema = loops(nest, order=order)
        self.check(path, schema, self.write(path, schema))

    def test_frames_out_of_order_and_holes_read_back(self, path: Path) -> None:
        schema = loops({"t": 3, "p": 2, "c": 2})
        self.check(path, schema, self.write(path, schema, [11, 2, 7, 0, 5]))

    @pytest.mark.parametrize("nest", [{"t": 2, "p": 2}, {"p": 2, "c": 2, "z": 2}])
    def test_rgb_frames_read_back(self, path: Path, nest: dict[str, int]) -> None:
        self.check_rgb(path, nest)

    @pytest.mark.parametrize("first", ["t", "z", "c"])
    def test_unbounded_axis_grows(self, path: Path, first: str) -> None:
        self.check_unbounded(path, first)

    def test_images_without_a_plan_are_added(self, path: Path) -> None:
        dims = tuple(Dimension(name=name) for name in "tcz")
        schema = StorageSchema(dimensions=(*dims, *FRAME), dtype="uint16", grows=True)
        numbers: dict[Any, int] = {}
        with open_stream(path, schema, backend=self.backend) as stream:
            for number, at in enumerate([{"t": 2}, {"p": 3, "z": 1}, {"c": 1}, {"p": 3, "t": 4}]):
                address = stream.append(encoded_frame(number, SHAPE), at=at)
                numbers[address.image, address.index] = number
        self.check(path, schema, numbers)
        assert validate(path) == []

    def test_more_images_than_are_held_open_read_back(self, path: Path) -> None:
        schema = loops({"t": 2, "p": 300})
        numbers = self.write(path, schema)
        for number in (0, 128, 299):
            image = open_dataset(path).images[number].path
            written = {where: n for where, n in numbers.items() if where[0] == image}
            expected = [encoded_frame(n, SHAPE) for n in written.values()]
            np.testing.assert_array_equal(self.read(path, image), expected)


class ZarrContract(BackendContract):
    """What every random-access backend for OME-Zarr must do as well."""

    @pytest.mark.parametrize("compression", [None, "zstd", "zstd:9", "gzip:1", "blosc"])
    @pytest.mark.parametrize(
        ("chunks", "shards"),
        [(None, None), ({"y": 3, "x": 5}, None), ({"t": 2, "z": 3}, None),
         ({"y": 3}, {"t": 2, "y": 6}), (None, {"t": 2, "z": 3}), ("auto", None)],
    )  # fmt: skip
    def test_chunks_shards_and_compression_read_back(
        self, path: Path, chunks: Any, shards: Any, compression: Any
    ) -> None:
        schema = loops({"t": 3, "z": 3})
        options = {"chunks": chunks, "shards": shards, "compression": compression}
        if self.backend.takes_frames and (chunks == "auto" or "t" in (chunks or ())):
            self.check_refused(path, schema, **options)
            return
        self.check(path, schema, self.write(path, schema, [8, 0, 4, 3, 1], **options))

    @pytest.mark.parametrize("buffer_bytes", [1, 600, 1200])
    @pytest.mark.parametrize("shards", [None, {"t": 2, "z": 3}])
    def test_chunks_that_cannot_all_be_held_open_read_back(
        self, path: Path, shards: Any, buffer_bytes: int
    ) -> None:
        schema = loops({"t": 4, "z": 3, "p": 2})
        order = [n * 7 % 24 for n in range(23)]
        chunks = {} if self.backend.takes_frames else {"z": 3}
        numbers = self.write(
            path, schema, order, chunks=chunks, shards=shards, buffer_bytes=buffer_bytes
        )
        self.check(path, schema, numbers)

    @pytest.mark.parametrize(
        ("nest", "rgb", "chunks", "shards"),
        [
            ({"t": 4, "c": 2, "z": 8}, False, {"c": 2, "z": 4, "y": 3, "x": 4},
             {"c": 2, "z": 8, "y": 6, "x": 8}),
            ({"t": 4, "z": 4}, True, {"t": 2, "z": 2, "y": 3, "x": 4}, None),
            ({"t": 4, "c": 2, "z": 4}, False, {"t": 2, "c": 2, "z": 2, "y": 3, "x": 4}, None),
            ({"t": 4, "c": 2, "z": 4}, True, {"t": 2, "c": 3, "z": 2, "y": 2, "x": 2},
             {"t": 4, "c": 6, "z": 4, "y": 6, "x": 8}),
        ],
    )  # fmt: skip
    def test_chunks_that_cut_every_axis_hold_every_pixel(
        self, path: Path, nest: dict[str, int], rgb: bool, chunks: Any, shards: Any
    ) -> None:
        schema = loops(nest).replace(rgb=rgb)
        shape = (*SHAPE, 3) if rgb else SHAPE
        if self.backend.takes_frames:  # tiles of a frame, then
            self.check_refused(path, schema, chunks=chunks, shards=shards)
            chunks = {name: size for name, size in chunks.items() if name in "yx"}
        expected: dict[tuple[int, ...], Any] = {}
        with open_stream(
            path, schema, backend=self.backend, chunks=chunks, shards=shards
        ) as stream:
            for number in range(len(FrameRouter(schema))):
                frame = np.full(shape, number + 1, "uint16")
                expected[stream.append(frame).index] = number + 1
        found = self.read(path, "")
        for index, value in expected.items():
            channel = open_dataset(path).images[0].axes.index("c") if rgb else 0
            for sample in range(3 if rgb else 1):
                place = list(index)
                place[channel] += sample
                assert (found[tuple(place)] == value).all(), f"{index} holds something else"
        assert validate(path, pixels=True) == []


class TiffContract(BackendContract):
    """What every backend for OME-TIFF must do as well."""

    @pytest.mark.parametrize("dtype", PIXEL_DTYPES)
    @pytest.mark.parametrize("compression", [None, "zstd", "zstd:9", "deflate", "deflate:1", "lzw"])
    @pytest.mark.parametrize("options", [{}, {"bigtiff": False}, {"files": "per-position"}])
    def test_tiff_options_read_back(
        self, path: Path, compression: Any, dtype: str, options: Any
    ) -> None:
        schema = loops({"t": 2, "p": 2, "z": 3}, dtype)
        numbers = self.write(path, schema, [8, 0, 4, 11], compression=compression, **options)
        self.check(path, schema, numbers)
