"""What is recovered says all that a store that was closed says, whatever its images look like."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ome_types import from_xml

import pymmcore_ome as po
from helpers import lines_in, wait_until
from pymmcore_ome import Dimension, Plate, Position, StorageSchema
from pymmcore_ome.disk import read_description
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import FRAME, jagged, loops

SHAPE = (6, 8)
Appended = Iterator[tuple[dict[str, int], dict[str, Any]]]
TCZ = tuple(Dimension(name=name) for name in "tcz")


def plate() -> StorageSchema:
    wells = [("A", "1"), ("A", "1"), ("B", "3")]
    coords = [
        Position(name=f"{row}{column}_{n}", plate_row=row, plate_column=column, x_um=10.0 * n)
        for n, (row, column) in enumerate(wells)
    ]
    dims = (
        Dimension(name="t", size=2), Dimension(name="p", coords=coords),
        Dimension(name="c", coords=["DAPI", "FITC"]), *FRAME,
    )  # fmt: skip
    return StorageSchema(
        dimensions=dims,
        dtype="uint16",
        plate=Plate(name="plate", rows=["A", "B"], columns=["1", "2", "3"]),
    )


def growing(*dims: Dimension, rgb: bool = False) -> StorageSchema:
    return StorageSchema(dimensions=(*TCZ, *dims, *FRAME), dtype="uint16", grows=True, rgb=rgb)


def by_plan(schema: StorageSchema) -> Appended:
    """Yield all places but the last two, backwards."""
    for at, address in reversed(list(po.FrameRouter(schema).frames())[:-2]):
        yield at, {"delta_t_s": len(address.index) / 4}


def by_image(schema: StorageSchema) -> Appended:
    """Yield all places of images of their own sizes, the last images first, and leave one out."""
    for plan in reversed(schema.images or ()):
        for index in np.ndindex(*(dim.size or 0 for dim in plan.dimensions)):
            if index != (1, 1):
                names = (dim.name for dim in plan.dimensions)
                yield {**plan.at, **dict(zip(names, index, strict=True))}, {"x_um": 3.5}


def by_event(schema: StorageSchema) -> Appended:
    """Yield events as they may come: places of several sizes, channels that come late."""
    cameras = [{"cam": n} for n in range(2)] if len(schema.dimensions) > 5 else [{}]
    for number in (3, 0, 7):
        for t, c in ((0, 1), (0, 0), (number + 2, 0), (1, 2)):
            for camera in cameras:
                name = ["DAPI", "FITC", "<Cy5> & \u00e9"][c]
                yield (
                    {"t": t, "p": number, "c": c, "z": number % 2, **camera},
                    {
                        "channel": name,
                        "x_um": 100.0 * number + t,
                        "y_um": -1.5,
                        "pos_name": f"Well {number} / left",
                        "exposure_ms": 5.0,
                    },
                )


def by_time(schema: StorageSchema) -> Appended:
    """Yield a frame a time point, of one position or the other."""
    for t in range(7):
        yield {"t": t, "p": t % 2, "c": 1}, {"z_um": 2.0}


KINDS = {
    "plate": (plate(), by_plan),
    "jagged": (jagged(6), by_image),
    "jagged in order": (jagged(6, ordered=True), by_plan),
    "unbounded": (loops({"t": None, "p": 2, "c": 2}), by_time),
    "events": (growing(), by_event),
    "events of two cameras": (growing(Dimension(name="cam", coords=["L", "R"])), by_event),
    "events of cameras that differ": (
        growing(
            Dimension(
                name="cam",
                coords=[
                    po.Camera(name="L", height=6, width=8, dtype="uint16"),
                    po.Camera(name="R (2)", height=4, width=10, dtype="uint8"),
                ],
            )
        ),
        by_event,
    ),
    "events in colour": (growing(rgb=True), by_event),
}
STORES = [
    ("a.ome.zarr", {"backend": "native"}),
    ("a.ome.zarr", {"backend": "tensorstore"}),
    ("a.ome.zarr", {"backend": "zarr-python"}),
    ("a.ome.tiff", {}),
    ("a.ome.tiff", {"files": "per-position", "compression": "zstd"}),
]


def copy(path: Path, to: Path) -> Path:
    """Copy a store as a kill at this instant would leave it."""
    to.mkdir()
    for part in path.parent.glob(f"{path.name}*"):
        (shutil.copytree if part.is_dir() else shutil.copyfile)(part, to / part.name)
    return to / path.name


def ome_xml(path: Path) -> list[str]:
    if path.suffix == ".zarr":
        return [from_xml((path / "OME" / "METADATA.ome.xml").read_bytes())]
    files = sorted(path.glob("*.tiff")) if path.is_dir() else [path]
    found = [from_xml(read_description(file) or b"") for file in files]
    for document in found:
        annotations = document.structured_annotations
        annotations.comment_annotations = []  # our own page: it says how the store ended
    return [document.to_xml() for document in found]


def ngff(path: Path) -> dict[str, Any]:
    return {
        file.relative_to(path).as_posix(): json.loads(file.read_text())
        .get("attributes", {})
        .get("ome")
        for file in path.rglob("zarr.json")
    }


def described(dataset: po.Dataset) -> list[dict[str, Any]]:
    """Return all that the layout of a dataset says of its images."""
    return [asdict(image) for image in dataset.layout.images]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "options"), STORES, ids=str)
def test_recovered_store_says_what_a_closed_one_says(
    tmp_path: Path, name: str, options: dict[str, Any], kind: str
) -> None:
    schema, source = KINDS[kind]
    if schema.grows and options.get("files"):
        options = {"compression": "lzw"}  # one file a position needs to know the positions
    path = tmp_path / name
    events = list(source(schema))
    stream = po.open_stream(path, schema, checkpoint_s=0.05, **options)
    for number, (at, metadata) in enumerate(events):
        if "differ" in kind and at["cam"] == 1:
            frame = encoded_frame(number, (4, 10), "uint8")
        elif schema.rgb:
            frame = encoded_frame(number, (6, 24)).reshape(*SHAPE, 3)
        else:
            frame = encoded_frame(number, SHAPE)
        stream.append(frame, at=at, metadata=metadata)
    table = po.open_dataset(path).location.table
    wait_until(lambda: lines_in(table) == len(events))
    killed = copy(path, tmp_path / "killed")
    stream.close()

    assert po.open_dataset(killed).status == "incomplete"
    recovered, closed = po.recover(killed), po.open_dataset(path)
    assert (recovered.status, closed.status) == ("recovered", "complete")
    assert recovered.record.frames["written"] == len(events)
    assert recovered.schema == closed.schema
    assert described(recovered) == described(closed)
    assert recovered.frames() == closed.frames()
    for found, expected in zip(recovered.images, closed.images, strict=True):
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found[...], expected[...])
    assert ome_xml(killed) == ome_xml(path)
    assert ngff(killed) == ngff(path)
    assert po.validate(killed, pixels=True) == po.validate(path, pixels=True)


def test_growing_store_that_is_being_written_has_the_shapes_it_will_have(tmp_path: Path) -> None:
    """The samples of a pixel are not counted twice."""
    stream = po.open_stream(tmp_path / "a.ome.zarr", growing(rgb=True), checkpoint_s=0.05)
    stream.append(np.zeros((*SHAPE, 3), "uint16"), at={"t": 0})
    wait_until(lambda: stream.progress.frames_written == 1)
    image = po.open_dataset(tmp_path / "a.ome.zarr").images[0]
    assert image.shape == image.layout.shape == (1, 3, 1, *SHAPE)
    stream.close()
