"""Every reader that shows resolution levels shows all of them, where they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile

from level_reference import reference_levels

from .bioformats import BioFormats
from .conftest import Shelf
from .corpus import DATA_SETS, UM_X, UM_Y, WAYS, DataSet, Picture, Way
from .found import as_tczyx, ome_attributes
from .registry import BY_NAME

COUNT = 3
ZARR = next(way for way in WAYS if way.name == "native levels")
TIFF = next(way for way in WAYS if way.name == "tiff levels")
SETS = [DATA_SETS[name] for name in ("single", "multi-position", "plate", "jagged", "holes")]

pytestmark = [
    pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument:DeprecationWarning")
]


class Level(NamedTuple):
    """A level as a reader shows it; None: it does not tell."""

    pixels: Any  # t, c, z, y, x
    scale: dict[str, float] | None = None
    origin: dict[str, float] | None = None


def by_zarr_python(group: Path) -> list[Level]:
    import zarr

    opened = zarr.open_group(group, mode="r")
    levels = []
    for dataset in opened.attrs["ome"]["multiscales"][0]["datasets"]:  # type: ignore[index,call-overload]
        array: Any = opened[dataset["path"]]
        axes = "".join(array.metadata.dimension_names)
        levels.append(Level(as_tczyx(array[...], axes), *_transforms(dataset, axes)))
    return levels


def by_tensorstore(group: Path) -> list[Level]:
    import tensorstore

    levels = []
    for dataset in ome_attributes(group)["multiscales"][0]["datasets"]:
        path = str(group / dataset["path"])
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}
        array = tensorstore.open(spec, read=True, open=True).result()
        axes = "".join(array.domain.labels)
        levels.append(Level(as_tczyx(array.read().result(), axes)))
    return levels


def by_ngff_zarr(group: Path) -> list[Level]:
    import ngff_zarr

    images = ngff_zarr.from_ngff_zarr(group, validate=True).images
    return [
        Level(as_tczyx(i.data.compute(), "".join(i.dims)), dict(i.scale), dict(i.translation))
        for i in images
    ]


def by_ome_zarr(group: Path) -> list[Level]:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    node = next(iter(Reader(parse_url(group))()))
    axes = "".join(axis["name"] for axis in node.metadata["axes"])
    transforms = node.metadata["coordinateTransformations"]
    return [
        Level(
            as_tczyx(data.compute(), axes),
            *_transforms({"coordinateTransformations": found}, axes),
        )
        for data, found in zip(node.data, transforms, strict=True)
    ]


def by_bioio_ome_zarr(group: Path) -> list[Level]:
    from bioio_ome_zarr import Reader

    reader = Reader(group)
    levels = []
    for level in reader.resolution_levels:
        reader.set_resolution_level(level)
        scale = {name: getattr(reader.scale, name.upper()) for name in "yx"}
        levels.append(Level(as_tczyx(reader.data, reader.dims.order.lower()), scale))
    return levels


def by_napari_ome_zarr(group: Path) -> list[Level]:
    from napari_ome_zarr._reader import napari_get_reader

    reader = napari_get_reader(str(group))
    assert reader is not None
    ((data, meta, _),) = reader(str(group))
    axes = list(meta["axis_labels"])
    if (channel := meta.get("channel_axis")) is not None:
        axes.insert(channel, "c")
    return [Level(as_tczyx(np.asarray(level), "".join(axes))) for level in data]


def _transforms(dataset: Any, axes: str) -> tuple[dict[str, float], dict[str, float]]:
    found = {t["type"]: t[t["type"]] for t in dataset["coordinateTransformations"]}
    return (
        dict(zip(axes, found["scale"], strict=True)),
        dict(zip(axes, found["translation"], strict=True)),
    )


ZARR_READERS: dict[str, Callable[[Path], list[Level]]] = {
    "zarr-python": by_zarr_python,
    "tensorstore": by_tensorstore,
    "ngff-zarr": by_ngff_zarr,
    "ome-zarr": by_ome_zarr,
    "bioio-ome-zarr": by_bioio_ome_zarr,
    "napari-ome-zarr": by_napari_ome_zarr,
}


def expected(data: DataSet, picture: Picture) -> list[Any]:
    """Return the pixels of every level of an image, from its definition."""
    full = np.asarray(data.pixels(picture))
    levels = [full]
    planes = full.reshape(-1, *full.shape[-2:])
    made = [reference_levels(plane, COUNT, "mean") for plane in planes]
    for level in range(COUNT - 1):
        stack = np.stack([one[level] for one in made])
        levels.append(stack.reshape(*full.shape[:-2], *stack.shape[-2:]))
    return levels


@pytest.mark.parametrize("data", SETS, ids=lambda data: data.name)
@pytest.mark.parametrize("name", ZARR_READERS)
def test_reader_opens_every_level_of_a_zarr_with_its_coordinates(
    name: str, data: DataSet, shelf: Shelf
) -> None:
    BY_NAME[name].load()
    path = shelf.path(data, ZARR)
    for picture in data.pictures:
        found = ZARR_READERS[name](path / picture.path)
        wanted = expected(data, picture)
        assert len(found) == COUNT
        for number, (level, pixels) in enumerate(zip(found, wanted, strict=True)):
            np.testing.assert_array_equal(level.pixels, pixels)
            shift = (2**number - 1) / 2
            at = picture.position
            for axis, pixel, stage in (("y", UM_Y, at.y_um), ("x", UM_X, at.x_um)):
                if level.scale is not None:
                    assert level.scale[axis] == pixel * 2**number
                if level.origin is not None:
                    assert level.origin[axis] == pytest.approx((stage or 0.0) + shift * pixel)


@pytest.mark.parametrize("data", SETS, ids=lambda data: data.name)
def test_tifffile_shows_every_level(data: DataSet, shelf: Shelf) -> None:
    with tifffile.TiffFile(shelf.path(data, TIFF)) as file:
        for series, picture in zip(file.series, data.pictures, strict=True):
            wanted = expected(data, picture)
            assert len(series.levels) == COUNT
            for level, pixels in zip(series.levels, wanted, strict=True):
                np.testing.assert_array_equal(level.asarray().reshape(pixels.shape), pixels)
                assert bool(level.keyframe.is_reduced) == (pixels is not wanted[0])


@pytest.mark.parametrize("data", SETS, ids=lambda data: data.name)
def test_bioformats_shows_every_level(
    data: DataSet, shelf: Shelf, request: pytest.FixtureRequest
) -> None:
    BY_NAME["Bio-Formats"].load()
    reader: BioFormats = request.getfixturevalue("bioformats")
    said, folder = reader.read(shelf.path(data, TIFF))
    assert len(said["series"]) == len(data.pictures)
    for number, (series, picture) in enumerate(zip(said["series"], data.pictures, strict=True)):
        wanted = expected(data, picture)
        assert series["levels"] == [list(pixels.shape[-2:]) for pixels in wanted]
        for level in range(1, COUNT):
            raw = np.fromfile(folder / f"{number}.{level}.raw", wanted[0].dtype)
            np.testing.assert_array_equal(raw.reshape(wanted[level].shape), wanted[level])


@pytest.mark.parametrize("way", [ZARR, TIFF], ids=lambda way: way.name)
def test_the_corpus_covers_levels(way: Way) -> None:
    assert way.options["levels"] == COUNT
