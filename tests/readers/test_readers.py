"""Every reader opens every data set, however it was written, and says what was put in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pymmcore_ome as po
from pymmcore_ome import Dimension
from pymmcore_ome.schema.camera import PIXEL_DTYPES

from .compare import check, read
from .conftest import Shelf
from .corpus import (
    DATA_SETS,
    HEIGHT,
    WAYS,
    WIDTH,
    DataSet,
    Way,
    cases,
    frame,
    schema,
    single,
)  # fmt: skip
from .found import image_groups, ome_attributes
from .registry import BY_NAME, READERS, Reader

CASES = [
    pytest.param(reader, data, way, id=f"{reader.name}-{data.name}-{way.name}")
    for reader in READERS
    for data, way in cases(reader.format)
]
SEVERAL = ("multi-position", "grid", "jagged", "holes", "RGB")

#: bioio-ome-tiff 1.4 gives ome-types an argument that it does not take any more.
pytestmark = [
    pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument:DeprecationWarning")
]


@pytest.mark.parametrize(("reader", "data", "way"), CASES)
def test_reader_finds_every_image_its_pixels_and_metadata(
    reader: Reader, data: DataSet, way: Way, shelf: Shelf, request: pytest.FixtureRequest
) -> None:
    reader.load()
    check(reader, data, read(reader, shelf.path(data, way), request))


@pytest.mark.parametrize("reader", ["zarr-python", "tifffile", "bioio-ome-tiff", "Bio-Formats"])
@pytest.mark.parametrize("dtype", PIXEL_DTYPES)
def test_reader_finds_every_dtype(
    reader: str, dtype: str, shelf: Shelf, request: pytest.FixtureRequest
) -> None:
    chosen, data = BY_NAME[reader], single(dtype)
    chosen.load()
    for way in WAYS:
        if way.format == chosen.format:
            check(chosen, data, read(chosen, shelf.path(data, way), request))


@pytest.mark.parametrize("name", SEVERAL)
def test_root_of_several_images_is_refused_by_readers_of_one(name: str, shelf: Shelf) -> None:
    path = shelf.path(DATA_SETS[name], WAYS[0])
    BY_NAME["bioio-ome-zarr"].load()
    BY_NAME["ngff-zarr"].load()
    BY_NAME["ome-zarr"].load()
    import bioio_base.exceptions
    import bioio_ome_zarr
    import ngff_zarr
    import ome_zarr.io
    import ome_zarr.reader

    with pytest.raises(bioio_base.exceptions.UnsupportedFileFormatError, match="bioformats2raw"):
        bioio_ome_zarr.Reader(path)
    with pytest.raises(ValueError, match="bioformats2raw"):
        ngff_zarr.from_ngff_zarr(path)
    assert list(ome_zarr.reader.Reader(ome_zarr.io.parse_url(path))()) == []


def test_plate_opens_as_a_plate(shelf: Shelf) -> None:
    BY_NAME["ngff-zarr"].load()
    import ngff_zarr

    data = DATA_SETS["plate"]
    plate = ngff_zarr.from_hcs_zarr(shelf.path(data, WAYS[0]), validate=True)
    found = [
        f"{well.path}/{field.path}"
        for well in plate.wells
        for field in plate.get_well(well.path.split("/")[0], well.path.split("/")[1]).images
    ]
    assert found == [picture.path for picture in data.pictures]
    image = plate.get_well("C", "2").get_image(1).images[0].data.compute()
    np.testing.assert_array_equal(image, data.pixels(data.pictures[3])[0])


@pytest.mark.parametrize("way", [way for way in WAYS if way.format == "ome-zarr"])
def test_napari_leaves_the_translation_out(way: Way, shelf: Shelf) -> None:
    """When this fails, napari shows tiles side by side: say so in the registry."""
    BY_NAME["napari-ome-zarr"].load()
    from napari_ome_zarr._reader import napari_get_reader

    path = shelf.path(DATA_SETS["grid"], way)
    reader = napari_get_reader(str(path))
    assert reader is not None
    layers = reader(str(path))
    assert len(layers) == len(image_groups(path)) == 8
    for group, (_, meta, _) in zip(image_groups(path), layers, strict=True):
        written = ome_attributes(path / group)["multiscales"][0]["datasets"][0]
        assert any(written["coordinateTransformations"][1]["translation"])
        np.testing.assert_array_equal(meta["affine"].translate, [0, 0, 0])


NAMES = ["\N{MICROSCOPE} <&> \"x\" 'y' &#181; \u00e9", " b "]


@pytest.mark.parametrize("reader", [reader for reader in READERS if "channels" in reader.tells])
def test_reader_finds_names_of_any_text(
    reader: Reader, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    reader.load()
    made = schema(Dimension(name="c", coords=NAMES))
    path = tmp_path / f"a.{reader.format.replace('-', '.')}"
    with po.open_stream(path, made) as stream:
        stream.append(frame(1))
        stream.append(frame(2))
    (found,) = read(reader, path, request).values()
    assert list(found.facts["channels"]) == NAMES
    np.testing.assert_array_equal(found.pixels[0, :, 0], [frame(1), frame(2)])


@pytest.mark.parametrize("reader", ["tifffile", "Bio-Formats", "bioio-ome-tiff"])
def test_one_frame_of_ten_thousand_is_found(
    reader: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """bioio-ome-tiff 1.4 wants the time of every time point, unless their distance is known."""
    chosen = BY_NAME[reader]
    chosen.load()
    step = 1.0 if reader == "bioio-ome-tiff" else None
    time = Dimension(name="t", size=10_200, scale=step)
    with po.open_stream(tmp_path / "a.ome.tiff", schema(time)) as stream:
        stream.append(frame(1), at={"t": 10_000})
    (found,) = read(chosen, tmp_path / "a.ome.tiff", request).values()
    assert found.pixels.shape == (10_200, 1, 1, HEIGHT, WIDTH)
    assert np.flatnonzero(found.pixels.any(axis=(1, 2, 3, 4))).tolist() == [10_000]
    np.testing.assert_array_equal(found.pixels[10_000, 0, 0], frame(1))
