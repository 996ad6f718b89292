"""What napari gets of a store: each picture in its place, each channel in its colour. No window."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml
import zarr

import pymmcore_ome as po
from conftest import HANG_S
from pymmcore_ome.dataset import Image
from pymmcore_ome.napari import get_reader, layers_of, pictures

HEIGHT, WIDTH = 12, 16
PLANE = [
    po.Dimension(name="y", size=HEIGHT, scale=0.5, unit="um"),
    po.Dimension(name="x", size=WIDTH, scale=0.5, unit="um"),
]
SUFFIXES = [".ome.zarr", ".ome.tiff"]


def schema(*dimensions: po.Dimension, **options: Any) -> po.StorageSchema:
    options.setdefault("dtype", "uint16")
    return po.StorageSchema(dimensions=[*dimensions, *PLANE], **options)


def frame(number: int) -> np.ndarray:
    """Return a frame like no other, nowhere 0 and nowhere even."""
    return (np.arange(HEIGHT * WIDTH, dtype="uint16") + 150 * (number + 1)).reshape(HEIGHT, WIDTH)


def write(path: Path, made: po.StorageSchema, count: int, **options: Any) -> Path:
    with po.open_stream(path, made, **options) as stream:
        for number in range(count):
            stream.append(frame(number))
    return path


def layers(path: Path) -> list[tuple[Any, dict[str, Any], str]]:
    reader = get_reader(str(path))
    assert reader is not None
    return reader(str(path))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_positions_of_one_shape_are_a_stack_with_a_slider(suffix: str, tmp_path: Path) -> None:
    places = [po.Position(name="left", x_um=5), po.Position(name="right", x_um=900, y_um=-3)]
    made = schema(
        po.Dimension(name="t", size=3, scale=2.0, unit="s"),
        po.Dimension(name="p", coords=places),
        po.Dimension(name="c", coords=["DAPI", po.Channel(name="mine", color="#123456"), "BF"]),
        po.Dimension(name="z", size=2, scale=1.5, unit="um", origin=-4.0),
    )
    found = layers(write(tmp_path / f"exp{suffix}", made, 36))
    assert [how["name"] for _, how, _ in found] == ["exp: DAPI", "exp: mine", "exp: BF"]
    assert [how["colormap"] for _, how, _ in found] == ["#0000FF", "#123456", "gray"]
    numbers = np.arange(36).reshape(3, 2, 3, 2)
    for channel, (data, how, kind) in enumerate(found):
        assert (kind, how["blending"], how["visible"]) == ("image", "additive", True)
        assert how["axis_labels"] == ("p", "t", "z", "y", "x")
        assert how["scale"] == (1.0, 2.0, 1.5, 0.5, 0.5)
        assert how["units"] == ("pixel", "second", "micrometer", "micrometer", "micrometer")
        assert how["translate"] == (0.0, 0.0, -4.0, 0.0, 0.0)
        assert how["metadata"]["pymmcore_ome"]["names"] == ["left", "right"]
        expected = np.array(
            [[[frame(n) for n in row] for row in t] for t in numbers[:, :, channel]]
        )
        np.testing.assert_array_equal(data, expected.swapaxes(0, 1))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_position_lies_where_the_stage_was(suffix: str, tmp_path: Path) -> None:
    place = po.Position(name="here", x_um=40, y_um=-7, z_um=3)
    made = schema(
        po.Dimension(name="p", coords=[place]),
        po.Dimension(name="z", size=2, scale=1.0, unit="um", origin=10.0),
    )
    ((data, how, _),) = layers(write(tmp_path / f"a{suffix}", made, 2))
    assert how["name"] == "a"
    assert how["translate"] == (13.0, -7.0, 40.0)
    assert (how["colormap"], how["blending"]) == ("gray", "translucent_no_depth")
    np.testing.assert_array_equal(data, [frame(0), frame(1)])


def test_a_stack_that_goes_down_is_shown_from_its_lowest_plane_up(tmp_path: Path) -> None:
    made = schema(po.Dimension(name="z", size=3, scale=-2.0, unit="um", origin=6.0))
    ((data, how, _),) = layers(write(tmp_path / "a.ome.zarr", made, 3))
    assert (how["scale"][0], how["translate"][0]) == (2.0, 2.0)
    np.testing.assert_array_equal(data, [frame(2), frame(1), frame(0)])
    np.testing.assert_array_equal(data[2, 3:5], frame(0)[3:5])


def tiles(x_step: float, y_step: float) -> po.Dimension:
    return po.Dimension(
        name="g",
        coords=[
            po.Position(
                x_um=100 + column * x_step, y_um=50 + row * y_step, grid_row=row, grid_column=column
            )
            for row in range(2)
            for column in range(3)
        ],
    )


#: Stage steps a tile in micrometres, rows and columns a tile in pixels that they make.
FULL = {"edge to edge": (8, 6, 12, 16), "overlapping": (7, 5, 10, 14), "apart": (9, 7, 14, 18)}


@pytest.mark.parametrize(("x_um", "y_um", "rows", "columns"), FULL.values(), ids=FULL)
def test_tiles_of_a_grid_are_one_picture(
    x_um: float, y_um: float, rows: int, columns: int, tmp_path: Path
) -> None:
    made = schema(tiles(x_um, y_um), po.Dimension(name="c", coords=["DAPI", "FITC"]))
    found = layers(write(tmp_path / "a.ome.zarr", made, 12))
    assert len(found) == 2
    for channel, (data, how, _) in enumerate(found):
        expected = np.zeros((rows + HEIGHT, 2 * columns + WIDTH), "uint16")
        for n in range(6):
            y, x = n // 3 * rows, n % 3 * columns
            expected[y : y + HEIGHT, x : x + WIDTH] = frame(2 * n + channel)
        np.testing.assert_array_equal(data, expected)
        assert how["translate"] == (50.0, 100.0)


@pytest.mark.parametrize("step", [0.0, 2.0, 500.0])
def test_tiles_that_make_no_picture_are_a_stack(step: float, tmp_path: Path) -> None:
    ((data, how, _),) = layers(write(tmp_path / "a.ome.zarr", schema(tiles(step, step)), 6))
    assert how["axis_labels"] == ("p", "y", "x")
    np.testing.assert_array_equal(data, [frame(n) for n in range(6)])


def test_a_calibrated_mirrored_camera_turns_the_places_of_tiles(tmp_path: Path) -> None:
    """Stage x falls as pixels go right, and x and y are swapped."""
    summary = {"image_infos": [{"pixel_size_affine": [0, -0.5, 0, 0.5, 0, 0]}]}
    places = [
        po.Position(x_um=0, y_um=0),
        po.Position(x_um=-6, y_um=0),
        po.Position(x_um=0, y_um=8),
    ]
    path = tmp_path / "a.ome.zarr"
    made = schema(po.Dimension(name="g", coords=places))
    write(path, made, 3, acquisition={"summary": summary})
    ((data, _, _),) = layers(path)
    expected = np.zeros((2 * HEIGHT, 2 * WIDTH), "uint16")
    expected[:HEIGHT, :WIDTH] = frame(0)
    expected[HEIGHT:, :WIDTH] = frame(1)  # 6 um to the left is 12 pixels down
    expected[:HEIGHT, WIDTH:] = frame(2)
    np.testing.assert_array_equal(data, expected)


def test_several_grids_are_a_stack_of_pictures(tmp_path: Path) -> None:
    places = [po.Position(name="one", x_um=0), po.Position(name="two", x_um=5000)]
    made = schema(po.Dimension(name="p", coords=places), tiles(8, 6))
    ((data, how, _),) = layers(write(tmp_path / "a.ome.zarr", made, 12))
    assert how["axis_labels"] == ("p", "y", "x")
    assert how["metadata"]["pymmcore_ome"]["names"] == ["one", "two"]
    assert data.shape == (2, 2 * HEIGHT, 3 * WIDTH)
    np.testing.assert_array_equal(data[1, HEIGHT:, :WIDTH], frame(9))


def plate(fields_um: float) -> po.StorageSchema:
    """Two fields in each of B3 and C5, so far apart in x."""
    wells = [
        po.Position(
            x_um=9000 * column + n * fields_um, y_um=0, plate_row=row, plate_column=str(column)
        )
        for row, column in (("B", 3), ("C", 5))
        for n in range(2)
    ]
    return schema(
        po.Dimension(name="p", coords=wells),
        po.Dimension(name="c", coords=["DAPI", "FITC"]),
        plate=po.Plate("my plate", rows=list("ABCD"), columns=[str(n) for n in range(1, 7)]),
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("fields_um", "apart"), [(8, WIDTH), (7, 14), (300, WIDTH)])
def test_a_plate_is_a_map_of_its_wells(
    suffix: str, fields_um: float, apart: int, tmp_path: Path
) -> None:
    """Fields lie as in the well where they adjoin, and side by side where they do not."""
    *images, (names, how, kind) = layers(write(tmp_path / f"a{suffix}", plate(fields_um), 8))
    assert kind == "points"
    assert how["features"] == {"well": ["B3", "C5"]}
    (b3, c5) = names.astype(int)
    assert b3.tolist() == [0, 0]
    gap = 4
    assert c5.tolist() == [HEIGHT + gap, 2 * (apart + WIDTH + gap)]  # column 4 is left free
    for channel, (data, _, _) in enumerate(images):
        expected = np.zeros((c5[0] + HEIGHT, c5[1] + apart + WIDTH), "uint16")
        for n, (y, x) in enumerate([b3, b3, c5, c5]):
            x += n % 2 * apart
            expected[y : y + HEIGHT, x : x + WIDTH] = frame(2 * n + channel)
        np.testing.assert_array_equal(data, expected)


def test_a_plate_too_large_for_one_picture_is_a_stack_of_wells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_PLANE_BYTES", 2000)
    found = layers(write(tmp_path / "a.ome.zarr", plate(8), 8))
    assert [how["axis_labels"] for _, how, _ in found] == [("p", "y", "x")] * 2
    assert found[0][1]["metadata"]["pymmcore_ome"]["names"] == ["B3", "C5"]
    np.testing.assert_array_equal(found[1][0][1], np.concatenate([frame(5), frame(7)], axis=1))


def test_a_wide_mosaic_has_smaller_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymmcore_ome.napari import layers as module

    monkeypatch.setattr(module, "_WIDE", 30)
    monkeypatch.setattr(module, "_SCREEN", 20)
    ((data, how, _),) = layers(write(tmp_path / "a.ome.zarr", schema(tiles(8, 6)), 6))
    assert how["multiscale"]
    assert [level.shape for level in data] == [(24, 48), (12, 24), (6, 12)]
    for level, step in zip(data, (1, 2, 4), strict=True):
        np.testing.assert_array_equal(level, np.asarray(data[0])[::step, ::step])


def test_images_that_differ_are_groups_of_which_the_first_is_shown(tmp_path: Path) -> None:
    stack = (po.Dimension(name="z", size=2, scale=1.0, unit="um"),)
    made = po.StorageSchema(
        dimensions=PLANE,
        dtype="uint16",
        images=[
            po.ImageSchema(at={"p": 0}, position=po.Position(name="a")),
            po.ImageSchema(
                at={"p": 1}, position=po.Position(name="cell", x_um=7), dimensions=stack
            ),
            po.ImageSchema(at={"p": 2}, position=po.Position(name="b")),
        ],
    )
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, made) as stream:
        for number, at in enumerate([{"p": 0}, {"p": 1}, {"p": 1, "z": 1}, {"p": 2}]):
            stream.append(frame(number), at=at)
    (first, how, _), (second, other, _) = layers(path)
    assert (how["name"], how["visible"], how["axis_labels"]) == ("a a …", True, ("p", "y", "x"))
    assert (other["name"], other["visible"]) == ("a cell", False)
    assert other["translate"] == (0.0, 0.0, 7.0)
    np.testing.assert_array_equal(first, [frame(0), frame(3)])
    np.testing.assert_array_equal(second, [frame(1), frame(2)])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rgb_is_a_layer_of_its_own_kind(suffix: str, tmp_path: Path) -> None:
    made = schema(po.Dimension(name="t", size=2), dtype="uint8", rgb=True)
    pixels = np.random.default_rng(1).integers(0, 255, (2, HEIGHT, WIDTH, 3), "uint8")
    with po.open_stream(tmp_path / f"a{suffix}", made) as stream:
        for picture in pixels:
            stream.append(picture)
    ((data, how, _),) = layers(tmp_path / f"a{suffix}")
    assert how["rgb"] is True
    assert how["axis_labels"] == ("t", "y", "x")
    np.testing.assert_array_equal(data, pixels)
    np.testing.assert_array_equal(data[1, 3:5, 2:9], pixels[1, 3:5, 2:9])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_store_that_is_being_written_opens(suffix: str, tmp_path: Path) -> None:
    made = schema(po.Dimension(name="t", size=4), po.Dimension(name="p", coords=["a", "b"]))
    with po.open_stream(tmp_path / f"a{suffix}", made) as stream:
        stream.append(frame(0))
        ((data, how, _),) = layers(tmp_path / f"a{suffix}")
        assert data.shape == (2, 4, HEIGHT, WIDTH)
        assert how["metadata"]["pymmcore_ome"]["status"] == "incomplete"
        assert not data[1, 3].any()


def test_positions_that_grew_unevenly_are_padded(tmp_path: Path) -> None:
    growing = po.StorageSchema(
        dimensions=[po.Dimension(name="t"), *PLANE],
        dtype="uint16",
        grows=True,
    )
    with po.open_stream(tmp_path / "a.ome.zarr", growing) as stream:
        for number, at in enumerate([{"p": 0}, {"p": 1}, {"p": 0, "t": 1}]):
            stream.append(frame(number), at=at)
    ((data, _, _),) = layers(tmp_path / "a.ome.zarr")
    blank = np.zeros_like(frame(0))
    np.testing.assert_array_equal(data, [[frame(0), frame(2)], [frame(1), blank]])


def test_contrast_is_that_of_the_pixels_else_of_the_camera(tmp_path: Path) -> None:
    made = schema(po.Dimension(name="c", coords=["DAPI", "FITC"]), significant_bits=12)
    with po.open_stream(tmp_path / "a.ome.zarr", made) as stream:
        stream.append(np.full((HEIGHT, WIDTH), 700, "uint16") + frame(0) % 2)
    dim, empty = (how["contrast_limits"] for _, how, _ in layers(tmp_path / "a.ome.zarr"))
    assert dim == (700.0, 701.0)
    assert empty == (0.0, 4095.0)


def test_opening_reads_a_few_planes_and_looking_reads_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = schema(
        po.Dimension(name="t", size=20),
        po.Dimension(name="p", coords=[f"p{n}" for n in range(20)]),
    )
    path = write(tmp_path / "a.ome.zarr", made, 400)
    read: list[int] = []
    real = Image.__getitem__

    def counted(self: Image, key: Any) -> np.ndarray:
        block = real(self, key)
        read.append(block.size)
        return block

    monkeypatch.setattr(Image, "__getitem__", counted)
    ((data, _, _),) = layers_of(po.open_dataset(path))
    assert sum(read) <= 3 * HEIGHT * WIDTH
    read.clear()
    np.testing.assert_array_equal(data[7, 11], frame(11 * 20 + 7))
    assert read == [HEIGHT * WIDTH]


def foreign_zarr(path: Path) -> None:
    zarr.create_group(path).create_array("0", shape=(4, 4), dtype="uint8")


def foreign_tiff(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((2, 4, 4), "uint8"), ome=True)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("none.ome.zarr", lambda path: None),
        ("group.ome.zarr", foreign_zarr),
        ("folder.ome.zarr", Path.mkdir),
        ("ome.ome.tiff", foreign_tiff),
        ("text.ome.tiff", lambda path: path.write_text("II*")),
    ],
)
def test_reader_declines_what_is_not_ours(name: str, make: Any, tmp_path: Path) -> None:
    make(tmp_path / name)
    assert get_reader(str(tmp_path / name)) is None
    ours = write(tmp_path / "ours.ome.zarr", schema(), 1)
    assert get_reader([str(ours), str(tmp_path / name)]) is None
    reader = get_reader([str(ours), str(ours)])
    assert reader is not None
    assert len(reader("")) == 2


def test_manifest_names_what_is_there() -> None:
    (entry,) = (e for e in entry_points(group="napari.manifest") if e.name == "pymmcore-ome")
    folder, name = entry.value.split(":")
    manifest = yaml.safe_load((files(folder) / name).read_text())
    assert manifest["name"] == "pymmcore-ome"
    contributions = manifest["contributions"]
    commands = {command["id"]: command["python_name"] for command in contributions["commands"]}
    for python_name in commands.values():
        module, _, attribute = python_name.partition(":")
        assert callable(getattr(__import__(module, fromlist=[attribute]), attribute))
    used = [entry["command"] for entry in contributions["readers"] + contributions["widgets"]]
    assert sorted(used) == sorted(commands)


def test_napari_is_imported_only_when_something_is_shown() -> None:
    code = (
        "import sys, pymmcore_ome as po; assert 'pymmcore_ome.napari' not in sys.modules; "
        "po.napari.get_reader('none.ome.zarr'); "
        "assert not {'napari', 'qtpy', 'superqt'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG_S)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_an_image_with_levels_is_a_multiscale_layer(
    suffix: str, levels: int, tmp_path: Path
) -> None:
    made = schema(po.Dimension(name="t", size=2), po.Dimension(name="c", coords=["DAPI", "FITC"]))
    path = write(tmp_path / f"a{suffix}", made, 4, levels=levels)
    image = po.open_dataset(path).images[0]
    for channel, (data, how, _) in enumerate(layers(path)):
        assert how["multiscale"] == (levels > 1)
        found = data if levels > 1 else [data]
        assert [level.shape for level in found] == [(2, 12, 16), (2, 6, 8), (2, 3, 4)][:levels]
        for number, level in enumerate(found):
            np.testing.assert_array_equal(level, image.levels[number][:, channel])


def test_a_mosaic_of_images_with_levels_reads_their_levels(tmp_path: Path) -> None:
    ((data, how, _),) = layers(write(tmp_path / "a.ome.zarr", schema(tiles(8, 6)), 6, levels=2))
    assert how["multiscale"]
    assert [level.shape for level in data] == [(24, 48), (12, 24)]
    parts = [po.open_dataset(tmp_path / "a.ome.zarr").images[n].levels[1][...] for n in range(6)]
    for part in parts:  # each is somewhere in the picture, as a whole
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(data[1]), part.shape)
        assert (windows == part).all(axis=(2, 3)).any()


def test_a_wide_mosaic_has_levels_beyond_those_of_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymmcore_ome.napari import layers as module

    monkeypatch.setattr(module, "_WIDE", 30)
    monkeypatch.setattr(module, "_SCREEN", 8)
    ((data, _, _),) = layers(write(tmp_path / "a.ome.zarr", schema(tiles(8, 6)), 6, levels=2))
    assert [level.shape for level in data] == [(24, 48), (12, 24), (6, 12), (3, 6)]
    for level, step in zip(data[1:], (1, 2, 4), strict=True):
        np.testing.assert_array_equal(level, np.asarray(data[1])[::step, ::step])


def test_a_plate_that_is_too_wide_is_one_picture_where_its_levels_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_PLANE_BYTES", 2000)
    found = layers(write(tmp_path / "a.ome.zarr", plate(8), 8, levels=3))
    assert [kind for _, _, kind in found] == ["image", "image", "points"]
    assert all(len(data) == 3 for data, _, _ in found[:2])


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tiff"])
def test_contrast_of_a_layer_is_the_window_of_the_store(tmp_path: Path, name: str) -> None:
    frame = np.linspace(100, 900, 48).astype("uint16").reshape(6, 8)
    dims = (po.Dimension(name="t", size=2), po.Dimension(name="c", coords=["DAPI"]))
    size = (po.Dimension(name="y", size=6), po.Dimension(name="x", size=8))
    schema = po.StorageSchema(dimensions=(*dims, *size), dtype="uint16")
    with po.open_stream(tmp_path / name, schema) as stream:
        stream.append(frame)
        stream.append(frame + 3000)  # not in the plane that would be looked at otherwise
    ((_, how, _),) = layers_of(po.open_dataset(tmp_path / name))
    assert how["contrast_limits"] == (100, 3900)
