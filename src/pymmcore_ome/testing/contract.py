"""`Contract`: what every backend passes, whatever its format and its order of frames.

It writes plans with encoded frames and reads every pixel back, by a library other than the
one that wrote. `backend_contract` has the suites to subclass. It times nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from pymmcore_ome.backends import ArrayBackend
from pymmcore_ome.dataset import open_dataset, validate
from pymmcore_ome.errors import OptionError, UnreadableFrameError
from pymmcore_ome.layout import FrameRouter
from pymmcore_ome.schema import (
    PIXEL_DTYPES,
    Camera,
    Dimension,
    EventOrder,
    ImageSchema,
    Position,
    StorageSchema,
)
from pymmcore_ome.stream import open_stream

from .frames import encoded_frame

SHAPE = (6, 8)
FRAME = (Dimension(name="y", size=6), Dimension(name="x", size=8))


def loops(
    sizes: Mapping[str, int | None], dtype: str = "uint16", order: Any = "ome"
) -> StorageSchema:
    """Return the schema of a loop nest, such as ``loops({"t": 3, "p": 2, "c": 2})``."""
    dims = tuple(Dimension(name=name, size=size) for name, size in sizes.items())
    return StorageSchema(dimensions=(*dims, *FRAME), dtype=dtype, storage_order=order)


def jagged(count: int, ordered: bool = False) -> StorageSchema:
    """Return the schema of that many images, each with other axes and sizes.

    `ordered`: it gives the order of arrival, the last image first.
    """
    axes = [{}, {"z": 3}, {"c": 2}, {"t": 2, "z": 2}, {"t": 3}, {"c": 2, "z": 4}][:count]
    plans = tuple(
        ImageSchema(
            at={"p": number},
            position=Position(name=f"image {number}"),
            dimensions=tuple(Dimension(name=name, size=size) for name, size in sizes.items()),
        )
        for number, sizes in enumerate(axes)
    )
    schema = StorageSchema(dimensions=FRAME, dtype="uint16", images=plans)
    if not ordered:
        return schema
    names = ("p", "t", "c", "z")
    rows = [
        (number, *(index[list(sizes).index(name)] if name in sizes else -1 for name in "tcz"))
        for number, sizes in reversed(list(enumerate(axes)))
        for index in np.ndindex(*sizes.values())
    ]
    return schema.replace(order=EventOrder(axes=names, rows=rows))


class Contract:
    """What every backend must do."""

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
        """Write frames of the plan by index, all in order by default; return where they are."""
        router = FrameRouter(schema)
        numbers = {}
        with open_stream(path, schema, backend=self.backend, **options) as stream:
            for number in range(len(router)) if order is None else order:
                frame = encoded_frame(number, SHAPE, schema.dtype)
                address = stream.append(frame, at=router.index_of(number))
                numbers[address.image, address.index] = number
        return numbers

    def check_refused(self, path: Path, schema: StorageSchema, **options: Any) -> None:
        """Assert that chunks of several frames are refused, by a backend with `takes_frames`."""
        with pytest.raises(OptionError, match="chunks of several frames"):
            open_stream(path, schema, backend=self.backend, **options)
        assert list(path.parent.iterdir()) == []

    def check_rgb(self, path: Path, nest: Mapping[str, int | None]) -> None:
        """Assert that RGB frames of a loop nest read back."""
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

    def check_unbounded(self, path: Path, first: str) -> None:
        """Assert that a store grows along its first loop."""
        other = "c" if first == "z" else "z"
        schema = loops({first: None, "p": 2, other: 2})
        router, numbers = FrameRouter(schema), {}
        with open_stream(path, schema, backend=self.backend) as stream:
            for number in range(11):
                address = stream.append(encoded_frame(number, SHAPE))
                assert address[1:] == router.by_number(number)[1:]
                numbers[address.image, address.index] = number
        self.check(path, schema, numbers)
        assert validate(path) == []

    @pytest.mark.parametrize("dtype", PIXEL_DTYPES)
    def test_every_dtype_reads_back(self, path: Path, dtype: str) -> None:
        schema = loops({"t": 2, "c": 2}, dtype)
        self.check(path, schema, self.write(path, schema))
        assert validate(path) == []

    @pytest.mark.parametrize("count", range(1, 7))
    def test_images_of_different_shapes_read_back(self, path: Path, count: int) -> None:
        schema = jagged(count, ordered=self.backend.is_sequential)
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

    @pytest.mark.parametrize("nest", [{"t": 2}, {"t": 2, "p": 2, "c": 2}])
    def test_cameras_that_differ_have_images_of_their_own(
        self, path: Path, nest: dict[str, int | None]
    ) -> None:
        cameras = [
            Camera("wide", 4, 11, "uint8"),
            Camera("plain", *SHAPE, "uint16"),
            Camera("color", 5, 3, "uint16", rgb=True),
        ]
        planned = loops(nest)
        dims = (*planned.frame_dimensions, Dimension(name="cam", coords=cameras), *FRAME)
        router, frames = FrameRouter(planned.replace(dimensions=dims)), {}
        with open_stream(path, router.layout.schema, backend=self.backend) as stream:
            for number in range(len(router)):
                at = router.index_of(number)
                camera = cameras[at["cam"]]
                shape = (camera.height, camera.width * (3 if camera.rgb else 1))
                frame = encoded_frame(number, shape, camera.dtype)
                if camera.rgb:
                    frame = frame.reshape(camera.height, camera.width, 3)
                address = stream.append(frame, at=at)
                frames[address.image, address.index] = frame
        assert len(frames) == len(router)
        images = {image.path: image for image in open_dataset(path).images}
        pixels = {where: self.read(path, where) for where in images}
        for (where, index), frame in frames.items():
            image = images[where]
            found = pixels[where].reshape(image.shape)
            region: list[Any] = [*index, slice(None), slice(None)]
            if frame.ndim == 3:
                axis = image.axes.index("c")
                region[axis] = slice(index[axis], index[axis] + 3)
                frame = np.moveaxis(frame, -1, 0)
            assert image.dtype == frame.dtype == found.dtype
            np.testing.assert_array_equal(found[tuple(region)].reshape(frame.shape), frame)
        assert validate(path, pixels=True) == []

    @pytest.mark.parametrize("shared", [False, True])
    def test_live_view_reads_what_was_appended(self, path: Path, shared: bool) -> None:
        """Every frame at once; the newest one of a backend that cannot be read before its end."""
        is_shared = shared and self.backend.format == "ome-zarr"
        options: dict[str, Any] = {"shards" if self.backend.takes_frames else "chunks": {"z": 2}}
        schema = loops({"p": 2, "t": 3, "z": 4})
        full = np.zeros((2, 3, 4, *SHAPE), "uint16")
        with open_stream(
            path, schema, backend=self.backend, **(options if is_shared else {})
        ) as stream:
            view = stream.view(image=None)
            for number, place in enumerate(np.ndindex(2, 3, 4)):
                full[place] = encoded_frame(number, SHAPE)
                stream.append(encoded_frame(number, SHAPE))
                np.testing.assert_array_equal(view[place], full[place])
                assert view.is_acquired(place)
                with (
                    nullcontext() if self.backend.reads_at_once else suppress(UnreadableFrameError)
                ):
                    np.testing.assert_array_equal(view, full)
        np.testing.assert_array_equal(view, full)
        np.testing.assert_array_equal(stream.view(1)[::2, [3, 0], 1:], full[1, ::2][:, [3, 0], 1:])

    def test_close_without_a_frame_leaves_a_valid_store(self, path: Path) -> None:
        schema = loops({"t": 3, "p": 2})
        open_stream(path, schema, backend=self.backend).close()
        self.check(path, schema, {})
        assert "6 of 6 planned frames are missing" in validate(path)[0]


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
