"""What checks documents and files by their specification finds nothing wrong."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import ome_types
import pytest
import tifffile
import yaozarrs
from lxml import etree

from .conftest import Shelf
from .corpus import DataSet, Way, cases
from .expected import facts
from .found import image_groups, ome_attributes, tiff_files
from .registry import EXTRA, need

ZARR = [pytest.param(d, w, id=f"{d.name}-{w.name}") for d, w in cases("ome-zarr")]
TIFF = [pytest.param(d, w, id=f"{d.name}-{w.name}") for d, w in cases("ome-tiff")]
OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


@pytest.fixture(scope="session")
def ome_schema() -> etree.XMLSchema:
    """The schema of OME-XML, as its makers publish it."""
    return etree.XMLSchema(file=str(Path(ome_types.__file__).with_name("ome-2016-06.xsd")))


@pytest.mark.parametrize(("data", "way"), ZARR)
def test_yaozarrs_accepts_every_zarr(data: DataSet, way: Way, shelf: Shelf) -> None:
    path = shelf.path(data, way)
    yaozarrs.validate_zarr_store(str(path))  # raises
    groups = {"", "OME", *image_groups(path)}
    assert all((path / group / "zarr.json").exists() for group in groups)


@pytest.mark.parametrize(("data", "way"), ZARR)
def test_ome_zarr_models_accepts_every_zarr(data: DataSet, way: Way, shelf: Shelf) -> None:
    need(find_spec("ome_zarr_models") is not None, "ome-zarr-models", EXTRA)
    import zarr
    from ome_zarr_models import v05

    path = shelf.path(data, way)
    root = zarr.open_group(path, mode="r")
    if data.schema.plate is not None:
        plate = v05.HCS.from_zarr(root)
        assert [well.path for well in plate.ome_attributes.plate.wells] == ["A/1", "C/2"]
    elif len(data.pictures) > 1:  # open_ome_zarr of version 1.7 does not try this one
        assert v05.BioFormats2Raw.from_zarr(root).image_paths == image_groups(path)
    for picture in data.pictures:
        image = v05.Image.from_zarr(root[picture.path] if picture.path else root)
        assert (getattr(image.ome_attributes, "omero", None) is not None) == ("c" in picture.sizes)


@pytest.mark.parametrize(("data", "way"), ZARR)
def test_ome_xml_of_a_zarr_is_valid_and_says_what_is_known(
    data: DataSet, way: Way, shelf: Shelf, ome_schema: etree.XMLSchema
) -> None:
    path = shelf.path(data, way)
    xml = etree.parse(path / "OME" / "METADATA.ome.xml")
    assert ome_schema.validate(xml), ome_schema.error_log
    images = xml.findall(f"{OME}Image")
    assert len(images) == len(data.pictures) == len(image_groups(path))
    for image, picture in zip(images, data.pictures, strict=True):
        wanted = facts(data, picture, "ome-zarr")
        assert image.get("Name") == picture.label
        planes = {}
        for plane in image.iter(f"{OME}Plane"):
            if plane.get("DeltaT") is None:
                continue
            place = tuple(int(plane.get(f"The{name}")) for name in "TCZ")
            names = ("DeltaT", "ExposureTime", "PositionX", "PositionY", "PositionZ")
            planes[place] = [float(plane.get(name)) for name in names]
        assert planes == {place: list(plane.values()) for place, plane in wanted["planes"].items()}


@pytest.mark.parametrize(("data", "way"), TIFF)
def test_ome_xml_of_a_tiff_is_valid(
    data: DataSet, way: Way, shelf: Shelf, ome_schema: etree.XMLSchema
) -> None:
    names = []
    for file in tiff_files(shelf.path(data, way)):
        with tifffile.TiffFile(file) as tiff:
            xml = etree.fromstring(tiff.ome_metadata.encode())
        assert ome_schema.validate(xml), ome_schema.error_log
        names += [image.get("Name") for image in xml.iter(f"{OME}Image")]
    assert names == [picture.label for picture in data.pictures]


@pytest.mark.parametrize(("data", "way"), TIFF)
def test_tiffinfo_reads_every_page_without_a_word(data: DataSet, way: Way, shelf: Shelf) -> None:
    need(shutil.which("tiffinfo") is not None, "tiffinfo", "apt-get install libtiff-tools")
    pages = 0
    for file in tiff_files(shelf.path(data, way)):
        ran = subprocess.run(["tiffinfo", "-D", file], capture_output=True, check=True)
        assert ran.stderr == b""
        pages += ran.stdout.count(b"=== TIFF directory")
    samples = 3 if data.schema.rgb else 1
    frames = [data.pixels(picture).shape[:3] for picture in data.pictures]
    planes = sum(t * c * z // samples for t, c, z in frames)
    assert pages >= planes if data.name == "growing" else pages == planes


@pytest.mark.parametrize(("data", "way"), ZARR)
def test_series_and_xml_agree_only_where_there_are_several_images(
    data: DataSet, way: Way, shelf: Shelf
) -> None:
    """The group OME of one image, or of a plate, holds the XML and says nothing of its own."""
    path = shelf.path(data, way)
    is_collection = len(data.pictures) > 1 and data.schema.plate is None
    assert ("bioformats2raw.layout" in ome_attributes(path)) == is_collection
    text = (path / "OME" / "zarr.json").read_text()
    assert ('"series"' in text) == is_collection
