"""The contact sheet: positions by channels, each in its tile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

import pymmcore_ome as po
from pymmcore_ome.cli.contact_sheet import GAP, MOST_IMAGES, TILE, write_contact_sheet


def schema(height: int, width: int, positions: int = 2, **options: Any) -> po.StorageSchema:
    return po.StorageSchema(
        dimensions=[
            po.Dimension(name="t", size=2),
            po.Dimension(name="p", coords=[f"cell {n}" for n in range(positions)]),
            po.Dimension(
                name="c", coords=[po.Channel("red", color="#FF0000"), po.Channel("green")]
            ),
            po.Dimension(name="z", size=3),
            po.Dimension(name="y", size=height),
            po.Dimension(name="x", size=width),
        ],
        **{"dtype": "uint16", **options},
    )


def tile(sheet: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    size = TILE + GAP
    return sheet[row * size + GAP :, column * size + GAP :][:TILE, :TILE]


def sheet_of(path: Path) -> tuple[Any, NDArray[np.uint8]]:
    shown = write_contact_sheet(po.open_dataset(path), path.with_name("sheet.png"))
    return shown, imagecodecs.imread(shown.path)


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_tile_shows_middle_plane_of_last_time_point(tmp_path: Path, name: str) -> None:
    value = {"t": 1000, "p": 100, "c": 10, "z": 1}
    with po.open_stream(tmp_path / name, schema(300, 600)) as stream:
        for t, p, c, z in np.ndindex(2, 2, 2, 3):
            if (t, p, c) == (1, 1, 1):
                continue  # the last time point of this channel is missing: the first is shown
            at = {"t": t, "p": p, "c": c, "z": z}
            number = 10_000 if (t, p, c, z) == (1, 1, 0, 1) else sum(value[a] * at[a] for a in at)
            stream.append(np.full((300, 600), number, "uint16"), at=at)
    shown, sheet = sheet_of(tmp_path / name)
    assert (shown.rows, shown.columns) == (["cell 0", "cell 1"], ["red", "green"])
    center = [[tile(sheet, r, c)[TILE // 2, TILE // 2] for c in range(2)] for r in range(2)]
    assert center[1][0].tolist() == [255, 0, 0]  # the only frame of 10,000
    assert center[0][0].tolist() == [0, 0, 0]  # 1,001: the darkest of its channel
    assert center[0][1].tolist() == [0, 255, 0]  # 1,011
    assert center[1][1].tolist() == [0, 0, 0]  # 111, from the first time point
    height, width = np.any(tile(sheet, 1, 0) == 255, axis=-1).nonzero()
    assert (np.ptp(height) + 1, np.ptp(width) + 1) == (100, 200)  # a third of the frame


def test_frame_that_was_not_acquired_stays_dark(tmp_path: Path) -> None:
    with po.open_stream(tmp_path / "a.ome.zarr", schema(8, 8)) as stream:
        stream.append(np.full((8, 8), 7, "uint16"))
    _, sheet = sheet_of(tmp_path / "a.ome.zarr")
    assert tile(sheet, 0, 1).max() == tile(sheet, 1, 0).max() == sheet[0, 0, 0]


def test_rgb_frame_keeps_its_colors(tmp_path: Path) -> None:
    frame = np.zeros((8, 8, 3), "uint8")
    frame[:4, :, 0], frame[4:, :, 2] = 200, 200
    with po.open_stream(tmp_path / "a.ome.tiff", schema(8, 8, rgb=True, dtype="uint8")) as stream:
        for _ in range(24):
            stream.append(frame)
    shown, sheet = sheet_of(tmp_path / "a.ome.tiff")
    assert shown.columns == ["RGB"]
    middle = TILE // 2
    assert tile(sheet, 0, 0)[middle - 2, middle].tolist() == [255, 0, 0]
    assert tile(sheet, 0, 0)[middle + 2, middle].tolist() == [0, 0, 255]


def test_only_the_first_images_are_shown(tmp_path: Path) -> None:
    with po.open_stream(tmp_path / "a.ome.zarr", schema(8, 8, positions=20)) as stream:
        for _ in range(240):
            stream.append(np.zeros((8, 8), "uint16"))
    shown, sheet = sheet_of(tmp_path / "a.ome.zarr")
    assert (len(shown.rows), shown.images) == (MOST_IMAGES, 20)
    assert sheet.shape[0] == MOST_IMAGES * (TILE + GAP) + GAP
