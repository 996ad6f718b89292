"""`ZarrContract`, `TiffContract`: one suite a format, which every backend of it passes.

Subclass it in a pytest module, name the backend, and run pytest::

    class TestMine(ZarrContract):
        backend = MyBackend

Pixels are read back through `read`, which a subclass may replace; by default through
zarr-python or tifffile, so that the library that wrote does not judge itself. It refuses
nothing and times nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from pymmcore_ome.backends import ArrayBackend
from pymmcore_ome.dataset import open_dataset, validate
from pymmcore_ome.layout import FrameRouter
from pymmcore_ome.schema import Dimension, ImagePlan, Position, StorageSchema
from pymmcore_ome.schema.pixels import PIXEL_DTYPES
from pymmcore_ome.stream import open_stream

from .frames import encoded_frame

SHAPE = (6, 8)
_FRAME = (Dimension(name="y", size=6), Dimension(name="x", size=8))


def loops(
    sizes: Mapping[str, int | None], dtype: str = "uint16", order: Any = "ome"
) -> StorageSchema:
    """Return the schema of a loop nest, such as ``loops({"t": 3, "p": 2, "c": 2})``."""
    dims = tuple(Dimension(name=name, size=size) for name, size in sizes.items())
    return StorageSchema(dimensions=(*dims, *_FRAME), dtype=dtype, storage_order=order)


def jagged(count: int) -> StorageSchema:
    """Return the schema of that many images, each with other axes and sizes."""
    axes = [{}, {"z": 3}, {"c": 2}, {"t": 2, "z": 2}, {"t": 3}, {"c": 2, "z": 4}][:count]
    plans = tuple(
        ImagePlan(
            at={"p": number},
            position=Position(name=f"image {number}"),
            dimensions=tuple(Dimension(name=name, size=size) for name, size in sizes.items()),
        )
        for number, sizes in enumerate(axes)
    )
    return StorageSchema(dimensions=_FRAME, dtype="uint16", images=plans)


class BackendContract:
    """What every random-access backend must do."""

    backend: ClassVar[type[ArrayBackend]]

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Where the test writes."""
        return tmp_path / ("a.ome.zarr" if self.backend.format == "ome-zarr" else "a.ome.tiff")

    def read(self, path: Path, image: str) -> NDArray[Any]:
        """Return all pixels of an image, by a library that did not write them."""
        if self.backend.format == "ome-tiff":
            return _read_tiff(path, image)
        if find_spec("zarr") and self.backend.name != "zarr-python":
            import zarr

            return np.asarray(zarr.open_array(path / image / "0" if image else path / "0"))
        return next(i for i in open_dataset(path).images if i.path == image)[...]

    def check(self, path: Path, schema: StorageSchema, numbers: dict[Any, int]) -> None:
        """Assert that exactly these frames are stored: {(image, index): number}."""
        for image in open_dataset(path).images:
            expected = np.zeros(image.shape, schema.dtype)
            for (where, index), number in numbers.items():
                if where == image.path:
                    expected[index] = encoded_frame(number, SHAPE, schema.dtype)
            found = self.read(path, image.path).reshape(expected.shape)
            np.testing.assert_array_equal(found, expected)

    def write(
        self, path: Path, schema: StorageSchema, order: list[int] | None = None, **options: Any
    ) -> dict[Any, int]:
        """Write frames of the plan by index, all in order unless told; return where they are."""
        router = FrameRouter(schema)
        numbers = {}
        with open_stream(path, schema, backend=self.backend, **options) as stream:
            for number in range(len(router)) if order is None else order:
                frame = encoded_frame(number, SHAPE, schema.dtype)
                address = stream.append(frame, at=router.index_of(number))
                numbers[address.image, address.index] = number
        return numbers

    @pytest.mark.parametrize("dtype", PIXEL_DTYPES)
    def test_every_dtype_reads_back(self, path: Path, dtype: str) -> None:
        schema = loops({"t": 2, "c": 2}, dtype)
        self.check(path, schema, self.write(path, schema))
        assert validate(path) == []

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
        schema = loops(nest).replace(rgb=True)
        router, frames = FrameRouter(schema), {}
        with open_stream(path, schema, backend=self.backend) as stream:
            for number in range(len(router)):
                frame = encoded_frame(number, (6, 24)).reshape(6, 8, 3)
                address = stream.append(np.asfortranarray(frame), at=router.index_of(number))
                frames[address.image, address.index] = frame
        assert validate(path) == []
        for image in open_dataset(path).images:
            found = image[...]
            np.testing.assert_array_equal(self.read(path, image.path).reshape(found.shape), found)
            axis = image.axes.index("c")
            for (where, index), frame in frames.items():
                if where == image.path:
                    region: list[Any] = [*index, slice(None), slice(None)]
                    region[axis] = slice(index[axis], index[axis] + 3)
                    block = np.moveaxis(frame, -1, 0)
                    np.testing.assert_array_equal(found[tuple(region)].reshape(block.shape), block)

    @pytest.mark.parametrize("first", ["t", "z", "c"])
    def test_unbounded_axis_grows(self, path: Path, first: str) -> None:
        other = "c" if first == "z" else "z"
        schema = loops({first: None, "p": 2, other: 2})
        router, numbers = FrameRouter(schema), {}
        with open_stream(path, schema, backend=self.backend) as stream:
            for number in range(11):
                address = stream.append(encoded_frame(number, SHAPE))
                assert address[1:] == router.by_arrival(number)[1:]
                numbers[address.image, address.index] = number
        self.check(path, schema, numbers)
        assert validate(path) == []

    def test_images_that_nobody_knew_of_are_added(self, path: Path) -> None:
        dims = tuple(Dimension(name=name) for name in "tcz")
        schema = StorageSchema(dimensions=(*dims, *_FRAME), dtype="uint16", grows=True)
        numbers: dict[Any, int] = {}
        with open_stream(path, schema, backend=self.backend) as stream:
            for number, at in enumerate([{"t": 2}, {"p": 3, "z": 1}, {"c": 1}, {"p": 3, "t": 4}]):
                address = stream.append(encoded_frame(number, SHAPE), at=at)
                numbers[address.image, address.index] = number
        self.check(path, schema, numbers)
        assert validate(path) == []

    @pytest.mark.parametrize("count", range(1, 7))
    def test_images_of_different_shapes_read_back(self, path: Path, count: int) -> None:
        schema = jagged(count)
        numbers, number = {}, 0
        with open_stream(path, schema, backend=self.backend) as stream:
            for image in stream.layout.images:
                for index in np.ndindex(image.shape[:-2]):
                    at = {"p": image.number, **dict(zip(image.axis_names, index, strict=False))}
                    address = stream.append(encoded_frame(number, SHAPE), at=at)
                    numbers[address.image, address.index] = number
                    number += 1
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

    def test_close_without_a_frame_leaves_a_valid_store(self, path: Path) -> None:
        schema = loops({"t": 3, "p": 2})
        open_stream(path, schema, backend=self.backend).close()
        self.check(path, schema, {})
        assert "6 of 6 planned frames are missing" in validate(path)[0]


class ZarrContract(BackendContract):
    """What every random-access backend for OME-Zarr must do besides."""

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
        numbers = self.write(
            path, schema, [8, 0, 4, 3, 1], chunks=chunks, shards=shards, compression=compression
        )
        self.check(path, schema, numbers)

    @pytest.mark.parametrize("buffer_bytes", [1, 600, 1200])
    @pytest.mark.parametrize("shards", [None, {"t": 2, "z": 3}])
    def test_chunks_that_cannot_all_be_held_open_read_back(
        self, path: Path, shards: Any, buffer_bytes: int
    ) -> None:
        schema = loops({"t": 4, "z": 3, "p": 2})
        order = [n * 7 % 24 for n in range(23)]
        numbers = self.write(
            path, schema, order, chunks={"z": 3}, shards=shards, buffer_bytes=buffer_bytes
        )
        self.check(path, schema, numbers)


class TiffContract(BackendContract):
    """What every backend for OME-TIFF must do besides."""

    @pytest.mark.parametrize("dtype", PIXEL_DTYPES)
    @pytest.mark.parametrize("compression", [None, "zstd", "zstd:9", "deflate", "deflate:1", "lzw"])
    @pytest.mark.parametrize("options", [{}, {"bigtiff": False}, {"files": "per-position"}])
    def test_tiff_options_read_back(
        self, path: Path, compression: Any, dtype: str, options: Any
    ) -> None:
        schema = loops({"t": 2, "p": 2, "z": 3}, dtype)
        numbers = self.write(path, schema, [8, 0, 4, 11], compression=compression, **options)
        self.check(path, schema, numbers)


def _read_tiff(path: Path, image: str) -> NDArray[Any]:
    """Read an image of an OME-TIFF with tifffile; the samples of a pixel become channels."""
    import tifffile

    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with tifffile.TiffFile(file) as tiff:
            for series in tiff.series:
                if series.name == image:
                    found = np.asarray(series.asarray())
                    if not series.axes.endswith("S"):
                        return found
                    return _samples_as_channels(found, series.axes)
    raise AssertionError(f"tifffile finds no image {image!r} in {path}")


def _samples_as_channels(pixels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return the pixels in the order t, c, z, y, x, samples innermost among the channels."""
    order = [axes.index(name) for name in "TCZSYX" if name in axes]
    moved = np.moveaxis(pixels, order, range(len(order)))
    names = [axes[n] for n in order]
    sample = names.index("S")
    if "C" in names:
        moved = np.moveaxis(moved, sample, names.index("C") + 1)
        sizes = list(moved.shape)
        sizes[names.index("C") : names.index("C") + 2] = [-1]
        return moved.reshape(sizes)
    if "Z" in names:  # the samples are the channels, which come before z
        moved = np.moveaxis(moved, sample, names.index("Z"))
    return moved
