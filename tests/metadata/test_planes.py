"""Plane elements of many images at once are those of each image alone."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from pymmcore_ome import Channel, Dimension, Plate, Position, StorageSchema
from pymmcore_ome.frames import PLANE_COLUMNS, PlaneMetadata
from pymmcore_ome.layout import layout_of
from pymmcore_ome.metadata import ome_planes
from pymmcore_ome.metadata.ome_planes import alike, plane_elements

FIELDS = 12
AXES = {
    "times": [Dimension(name="t", size=3)],
    "no axis": [],
    "stack": [Dimension(name="t", size=2), Dimension(name="z", size=3, scale=0.7)],
    "uneven": [Dimension(name="z", coords=[1.0, 2.5, 7.0], unit="nanometer")],
    "channels": [Dimension(name="c", coords=[Channel(name="DAPI", exposure_ms=5), "FITC"])],
}


def plate(axes: list[Dimension], rgb: bool) -> StorageSchema:
    places = [
        Position(
            name=f"f{n}", plate_row="A", plate_column=str(n % 2 + 1),
            x_um=n * 1.5 if n % 2 else None,
            y_um=2.0 if n % 3 else None, z_um=7.0 if n % 4 else None,
        )
        for n in range(FIELDS)
    ]  # fmt: skip
    plane = [Dimension(name="y", size=6), Dimension(name="x", size=8)]
    return StorageSchema(
        dimensions=[Dimension(name="p", coords=places), *axes, *plane],
        dtype="uint8", rgb=rgb, plate=Plate(name="plate", rows=["A"], columns=["1", "2"]),
    )  # fmt: skip


def some_frames(images: list[Any]) -> list[dict[str, Any]]:
    """Return rows of a frame table in which some frames, and all of some images, are missing."""
    rng = np.random.default_rng(0)
    rows = []
    for image in images:
        steps = [
            image.spec.samples if n == image.spec.channel_axis else 1
            for n in range(len(image.axes) - 2)
        ]
        indices = [range(0, size, step) for size, step in zip(image.shape, steps, strict=False)]
        for index in itertools.product(*indices):
            if image.number % 5 != 3 and rng.random() < 0.7:
                known = {
                    name: round(rng.random(), 3) for name in PLANE_COLUMNS if rng.random() < 0.5
                }
                rows.append({"image": image.path, "index": index, **known})
    return rows


@pytest.mark.parametrize("at_once", [1, 10, 10_000])
@pytest.mark.parametrize("rgb", [False, True], ids=["grey", "rgb"])
@pytest.mark.parametrize("axes", AXES.values(), ids=list(AXES))
def test_planes_of_many_fields_are_those_of_each_alone(
    axes: list[Dimension], rgb: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = layout_of(plate(axes, rgb)).images
    shapes = [image.shape for image in images]
    table = PlaneMetadata(some_frames(images))
    alone = {image.path: "".join(*plane_elements([image], image.shape, table)) for image in images}
    monkeypatch.setattr(ome_planes, "_AT_ONCE", at_once)
    together: dict[str, str] = {}
    for stack in alike(images, shapes):
        found = plane_elements(stack, stack[0].shape, table)
        together |= {image.path: "".join(parts) for image, parts in zip(stack, found, strict=True)}
    assert together == alone
    assert list(together) == [image.path for image in images]
    assert [path for path, text in alone.items() if not text] == [
        image.path for image in images if not table.of([image.path], len(image.axes) - 2).counts[0]
    ]
    assert any(alone.values())


def test_images_of_other_shapes_or_kinds_are_not_stacked() -> None:
    images = layout_of(plate(AXES["times"], rgb=False)).images
    shapes = [image.shape if image.number < 5 else (9, 6, 8) for image in images]
    assert [len(stack) for stack in alike(images, shapes)] == [5, FIELDS - 5]
    other = layout_of(plate(AXES["times"], rgb=False)).images
    both = [*images[:2], *other[2:4]]  # axes that are equal, and not the same
    assert [len(stack) for stack in alike(both, shapes)] == [2, 2]
