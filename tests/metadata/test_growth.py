"""What documents cost grows as the store does, and no faster: calls and bytes are counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ome_types import from_xml
from xsdata.formats.dataclass.serializers import XmlSerializer

import pymmcore_ome as po
from pymmcore_ome import Dimension, Plate, Position, StorageSchema
from pymmcore_ome.disk import read_description
from pymmcore_ome.schema import ImageSchema

YX = (Dimension(name="y", size=6), Dimension(name="x", size=8))


@contextmanager
def counted() -> Iterator[list[object]]:
    """Collect every element that is made by ome-types and xsdata, which is slow."""
    made: list[object] = []
    render = XmlSerializer.render

    def counting(self: XmlSerializer, element: object, *args: Any) -> str:
        made.append(element)
        return render(self, element, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(XmlSerializer, "render", counting)
        yield made


def wells(count: int) -> StorageSchema:
    """Return a plate of which that many wells are visited."""
    names = [(row, str(column)) for row in "ABCDE" for column in range(1, 7)]
    positions = [
        Position(name=f"{row}{column}", plate_row=row, plate_column=column, x_um=1.5)
        for row, column in names[:count]
    ]
    plate = Plate(name="<plate>", rows=list("ABCDE"), columns=[str(n) for n in range(1, 7)])
    dims = (Dimension(name="p", coords=positions), Dimension(name="c", coords=["DAPI"]), *YX)
    return StorageSchema(dimensions=dims, dtype="uint16", plate=plate)


def uneven(count: int) -> StorageSchema:
    """Return that many images, each with sizes of its own."""
    plans = [
        ImageSchema(
            at={"p": n},
            position=Position(name=f"Pos{n}"),
            dimensions=[Dimension(name="t", size=n + 1), Dimension(name="z", size=2 + n % 3)],
        )
        for n in range(count)
    ]
    return StorageSchema(dimensions=YX, dtype="uint16", images=plans)


@pytest.mark.parametrize("files", ["one", "per-position"])
@pytest.mark.parametrize("schema_of", [wells, uneven])
def test_elements_are_made_once_a_kind_of_image_and_not_once_a_file(
    tmp_path: Path, schema_of: Any, files: str
) -> None:
    calls, sizes = [], []
    po.open_stream(tmp_path / "first.ome.tiff", schema_of(3), files=files).close()  # fills caches
    for count in (3, 30):
        path = tmp_path / f"{count}.ome.tiff"
        with counted() as made:
            po.open_stream(path, schema_of(count), files=files).close()
        calls.append(len(made))
        sizes.append((path / "0.ome.tiff").stat().st_size if files != "one" else 0)
    assert 0 < calls[0] == calls[1]
    assert sizes[0] == sizes[1], "a file tells of its own image alone"
    number = 29
    file = path / f"{number}.ome.tiff" if files != "one" else path
    found = from_xml(read_description(file) or b"", validate=True)
    image = found.images[0 if files != "one" else number]
    if schema_of is uneven:
        assert (image.pixels.size_t, image.pixels.size_z) == (number + 1, 2 + number % 3)
    else:
        well = found.plates[0].wells[0 if files != "one" else number]
        assert (well.row, well.column) == (4, 5)
        assert found.plates[0].name == "<plate>"
        assert well.well_samples[0].image_ref.id == image.id
        assert well.well_samples[0].position_x == 1.5
