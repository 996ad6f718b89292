"""Resolution levels while frames arrive: every level of every frame, against the definition."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

import pymmcore_ome as po
from conftest import HANG_S
from helpers import wait_until
from level_reference import reference_levels
from pymmcore_ome import Dimension, ImageSchema, Plate, Position, StorageSchema, errors
from pymmcore_ome.backends import LevelWriter, ZarrBackend
from pymmcore_ome.backends.tiff.levels import TiffLevels
from pymmcore_ome.backends.zarr.levels import ZarrLevels

WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "native": (".ome.zarr", {}),
    "native zstd": (".ome.zarr", {"compression": "zstd"}),
    "native tiles": (".ome.zarr", {"chunks": {"y": 16, "x": 16}}),
    "native files": (".ome.zarr", {"shards": False}),
    "tensorstore": (".ome.zarr", {"backend": "tensorstore"}),
    "tensorstore gathered": (".ome.zarr", {"backend": "tensorstore", "chunks": {"t": 2}}),
    "zarr-python": (".ome.zarr", {"backend": "zarr-python"}),
    "tiff": (".ome.tiff", {}),
    "tiff zstd": (".ome.tiff", {"compression": "zstd"}),
    "tiff deflate": (".ome.tiff", {"compression": "deflate"}),
    "tiff folder": (".ome.tiff", {"files": "per-position"}),
    "tiff classic": (".ome.tiff", {"bigtiff": False}),
}
EITHER = ("native", "tiff")
Frames = dict[tuple[int, tuple[int, ...]], NDArray[Any]]  # image number, plane


@pytest.fixture(params=["at once", "put off"])
def buffer_bytes(request: pytest.FixtureRequest) -> int:
    """Hold enough frames for all levels to be made at once, or so few that most are put off."""
    return 1 << 28 if request.param == "at once" else 1


def plane(height: int, width: int) -> tuple[Dimension, Dimension]:
    scale: dict[str, Any] = {"scale": 0.5, "unit": "micrometer"}
    return Dimension(name="y", size=height, **scale), Dimension(name="x", size=width, **scale)


def frame_of(number: int, shape: tuple[int, ...], dtype: str = "uint16") -> NDArray[Any]:
    """Return noise over the whole range of a dtype."""
    rng = np.random.default_rng(number)
    if np.dtype(dtype).kind == "f":
        return (rng.standard_normal(shape) * 1000).astype(dtype)
    info = np.iinfo(dtype)
    noise: NDArray[Any] = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return noise


def stored(path: Path, image: int, level: int) -> NDArray[Any]:
    """Read a level of an image by zarr-python or tifffile, which did not write it."""
    if path.suffix == ".zarr":
        group = po.open_dataset(path).images[image].path
        return np.asarray(zarr.open_array(path / group / str(level), mode="r"))
    is_folder = path.is_dir()
    with tifffile.TiffFile(path / f"{image}.ome.tiff" if is_folder else path) as file:
        series = file.series[0 if is_folder else image]
        return np.asarray(series.levels[level].asarray(squeeze=False))


def check(path: Path, frames: Frames, count: int, downsample: str = "mean") -> None:
    """Compare every level of every frame with the definition, by two readers."""
    assert po.validate(path, pixels=True) == []
    dataset = po.open_dataset(path)
    levels = {
        number: [stored(path, number, level) for level in range(count)]
        for number in range(len(dataset.images))
    }
    for (number, index), frame in frames.items():
        image = dataset.images[number]
        assert len(image.levels) == count
        expected = [frame, *reference_levels(frame, count, downsample)]
        for level, pixels in enumerate(expected):
            ours = image.levels[level][index]
            theirs = levels[number][level].reshape(*image.shape[:-2], *ours.shape[-2:])[index]
            if pixels.ndim == 3:  # red, green and blue are channels
                pixels = np.moveaxis(pixels, -1, 0)
                theirs = levels[number][level].reshape(image.levels[level].shape)[index]
            np.testing.assert_array_equal(ours, pixels, strict=True)
            np.testing.assert_array_equal(theirs, pixels)


@pytest.mark.parametrize("way", WAYS)
def test_every_backend_writes_exact_levels(tmp_path: Path, way: str, buffer_bytes: int) -> None:
    suffix, options = WAYS[way]
    path = tmp_path / f"a{suffix}"
    dims = [Dimension(name="t", size=3), Dimension(name="p", size=2), Dimension(name="z", size=2)]
    schema = StorageSchema(dimensions=[*dims, *plane(37, 50)], dtype="uint16")
    frames: Frames = {}
    with po.open_stream(path, schema, levels=4, buffer_bytes=buffer_bytes, **options) as stream:
        for number in range(12):
            t, p, z = number // 4, number // 2 % 2, number % 2
            frames[p, (t, z)] = frame_of(number, (37, 50))
            stream.append(frames[p, (t, z)])
    check(path, frames, 4)


@pytest.mark.parametrize("way", EITHER)
@pytest.mark.parametrize("downsample", ["mean", "nearest"])
@pytest.mark.parametrize(
    "dtype",
    ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"],
)
def test_every_dtype_has_exact_levels(
    tmp_path: Path, dtype: str, downsample: Any, way: str
) -> None:
    path = tmp_path / f"a{WAYS[way][0]}"
    schema = StorageSchema(dimensions=[Dimension(name="t", size=2), *plane(33, 18)], dtype=dtype)
    frames = {(0, (t,)): frame_of(t, (33, 18), dtype) for t in range(2)}
    with po.open_stream(path, schema, levels=4, downsample=downsample) as stream:
        for frame in frames.values():
            stream.append(frame)
    check(path, frames, 4, downsample)


@pytest.mark.parametrize("way", EITHER)
@pytest.mark.parametrize("downsample", ["mean", "nearest"])
def test_every_size_has_exact_levels(tmp_path: Path, downsample: Any, way: str) -> None:
    """Sizes from 1 to 65, in one store: an image each."""
    path = tmp_path / f"a{WAYS[way][0]}"
    for first in range(1, 66, 13):
        sizes = [(height, 66 - height) for height in range(first, first + 13)]
        cameras = [po.Camera(f"{h}x{w}", height=h, width=w, dtype="uint8") for h, w in sizes]
        dims = [Dimension(name="cam", coords=cameras), *plane(1, 1)]
        schema = StorageSchema(dimensions=dims, dtype="uint8")
        frames = {(n, ()): frame_of(n, size, "uint8") for n, size in enumerate(sizes)}
        options = {"levels": 6, "downsample": downsample, "overwrite": True}
        with po.open_stream(path, schema, **options) as stream:
            for frame in frames.values():
                stream.append(frame)
        check(path, frames, 6, downsample)


@pytest.mark.parametrize("way", EITHER)
def test_colors_have_exact_levels(tmp_path: Path, way: str, buffer_bytes: int) -> None:
    path = tmp_path / f"a{WAYS[way][0]}"
    dims = [Dimension(name="t", size=3), *plane(21, 34)]
    schema = StorageSchema(dimensions=dims, dtype="uint8", rgb=True)
    with po.open_stream(path, schema, levels=3, buffer_bytes=buffer_bytes) as stream:
        for t in range(3):
            stream.append(frame_of(t, (21, 34, 3), "uint8"))
    assert po.validate(path, pixels=True) == []
    for t in range(3):
        frame = frame_of(t, (21, 34, 3), "uint8")
        for level, pixels in enumerate(reference_levels(frame, 3, "mean"), 1):
            image = po.open_dataset(path).images[0]
            np.testing.assert_array_equal(image.levels[level][t], np.moveaxis(pixels, -1, 0))
            theirs = stored(path, 0, level)
            if way == "tiff":  # samples are the last axis
                np.testing.assert_array_equal(theirs.reshape(3, *pixels.shape)[t], pixels)
            else:
                np.testing.assert_array_equal(theirs[t], np.moveaxis(pixels, -1, 0))


def jagged() -> StorageSchema:
    """Return two images of different lengths."""
    plans = [
        ImageSchema(at={"p": 0}, dimensions=[Dimension(name="t", size=3)]),
        ImageSchema(
            at={"p": 1}, dimensions=[Dimension(name="t", size=2), Dimension(name="z", size=2)]
        ),
    ]
    return StorageSchema(dimensions=plane(19, 40), dtype="uint16", images=plans)


def plate() -> StorageSchema:
    """Return a plate of two wells with two fields."""
    names = [("A", "1"), ("A", "1"), ("B", "2"), ("B", "2")]
    positions = [
        Position(name=f"{row}{column} {n}", plate_row=row, plate_column=column, x_um=10.0 * n)
        for n, (row, column) in enumerate(names)
    ]
    return StorageSchema(
        dimensions=[
            Dimension(name="p", coords=positions), Dimension(name="t", size=2), *plane(19, 40),
        ],
        dtype="uint16", plate=Plate(name="plate", rows=["A", "B"], columns=["1", "2"]),
    )  # fmt: skip


def growing() -> StorageSchema:
    """Return a time lapse of positions, both of unknown number."""
    dims = [Dimension(name="t"), Dimension(name="p", size=2)]
    return StorageSchema(dimensions=[*dims, *plane(19, 40)], dtype="uint16")


def event_driven() -> StorageSchema:
    """Return a plan of which nothing is known but the axes."""
    return StorageSchema(
        dimensions=[Dimension(name="t"), Dimension(name="z"), *plane(19, 40)],
        dtype="uint16", grows=True,
    )  # fmt: skip


SCHEMAS: dict[str, tuple[Callable[[], StorageSchema], list[dict[str, int]]]] = {
    "jagged": (
        jagged,
        [{"p": 1, "t": 1, "z": 1}, {"p": 0, "t": 2}, {"p": 0, "t": 0}, {"p": 1, "t": 0, "z": 1}],
    ),
    "plate": (plate, [{"p": p, "t": t} for p in (3, 0, 2, 1) for t in range(2)]),
    "holes": (plate, [{"p": 2, "t": 1}, {"p": 0, "t": 1}]),
    "event-driven": (
        event_driven,
        [{"t": t, "p": p, "z": z} for p in (0, 2) for t in range(3) for z in range(2)],
    ),
    "growing": (growing, [{"t": t, "p": p} for t in range(7) for p in range(2)][:-1]),
}


@pytest.mark.parametrize("way", ["native", "tensorstore", "tiff", "tiff folder"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_stores_of_any_form_have_exact_levels(
    tmp_path: Path, name: str, way: str, buffer_bytes: int
) -> None:
    suffix, options = WAYS[way]
    path = tmp_path / f"a{suffix}"
    schema_of, places = SCHEMAS[name]
    frames: Frames = {}
    with po.open_stream(
        path, schema_of(), levels=3, buffer_bytes=buffer_bytes, **options
    ) as stream:
        for number, at in enumerate(places):
            frame = frame_of(number, (19, 40))
            address = stream.append(frame, at=at)
            frames[address.image_number, address.index] = frame
    problems = [
        problem
        for problem in po.validate(path, pixels=True)
        if "missing" not in problem  # what was not acquired
    ]
    assert problems == []
    dataset = po.open_dataset(path)
    for (number, index), frame in frames.items():
        for level, pixels in enumerate(reference_levels(frame, 3, "mean"), 1):
            image = dataset.images[number]
            np.testing.assert_array_equal(image.levels[level][index], pixels)
            shape = (*image.shape[:-2], *pixels.shape)
            np.testing.assert_array_equal(stored(path, number, level).reshape(shape)[index], pixels)
    for image in dataset.images:  # what was not acquired reads as 0
        listed = {index for number, index in frames if number == image.layout.number}
        for index in np.ndindex(*image.shape[:-2]):
            assert image.levels[2][index].any() == (index in listed)


# -- what documents say, and when


def datasets(path: Path, group: str = "") -> list[dict[str, Any]]:
    """Return the datasets that a Zarr group lists."""
    attributes = json.loads((path / group / "zarr.json").read_bytes())["attributes"]
    found: list[dict[str, Any]] = attributes["ome"]["multiscales"][0]["datasets"]
    return found


def test_levels_are_listed_when_the_store_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    dims = [
        Dimension(name="p", coords=[Position(name="a", x_um=100.0), Position(name="b")]),
        *plane(64, 64),
    ]
    stream = po.open_stream(path, StorageSchema(dimensions=dims, dtype="uint8"), levels=3)
    for p in range(2):
        stream.append(np.ones((64, 64), "uint8"), at={"p": p})
    assert [dataset["path"] for dataset in datasets(path, "0")] == ["0"]
    assert len(po.open_dataset(path).images[0].levels) == 1
    stream.close()
    found = datasets(path, "0")
    assert [dataset["path"] for dataset in found] == ["0", "1", "2"]
    # micrometers: a pixel of level 1 covers the pixels at 100 and 100.5
    assert [one["coordinateTransformations"] for one in found] == [
        [
            {"type": "scale", "scale": [scale, scale]},
            {"type": "translation", "translation": [shift, 100 + shift]},
        ]
        for scale, shift in ((0.5, 0.0), (1.0, 0.25), (2.0, 0.75))
    ]
    x = po.open_dataset(path).images[0].levels[2].coords["x"]
    np.testing.assert_array_equal(x, 100.75 + 2 * np.arange(16))
    multiscale = json.loads((path / "0/zarr.json").read_bytes())["attributes"]["ome"]["multiscales"]
    assert multiscale[0]["type"] == "mean"


def test_without_levels_nothing_changes(tmp_path: Path) -> None:
    schema = StorageSchema(dimensions=plane(512, 512), dtype="uint8")
    for number, options in enumerate(({}, {"levels": None}, {"levels": 1})):
        path = tmp_path / f"{number}.ome.zarr"
        with po.open_stream(path, schema, **options) as stream:
            stream.append(np.ones((512, 512), "uint8"))
        assert not (path / "1").exists()
        assert (
            "levels"
            not in json.loads((path / "zarr.json").read_bytes())["attributes"]["pymmcore_ome"]
        )


@pytest.mark.parametrize("way", EITHER)
def test_auto_levels_follow_the_size_of_each_camera(tmp_path: Path, way: str) -> None:
    path = tmp_path / f"a{WAYS[way][0]}"
    cameras = [
        po.Camera("small", height=100, width=200, dtype="uint8"),
        po.Camera("large", height=300, width=1030, dtype="uint8"),
    ]
    dims = [Dimension(name="cam", coords=cameras), *plane(1, 1)]
    with po.open_stream(
        path, StorageSchema(dimensions=dims, dtype="uint8"), levels="auto"
    ) as stream:
        stream.append(frame_of(0, (100, 200), "uint8"))
        stream.append(frame_of(1, (300, 1030), "uint8"))
    assert po.validate(path, pixels=True) == []
    shapes = [[level.shape for level in image.levels] for image in po.open_dataset(path).images]
    assert shapes == [[(100, 200)], [(300, 1030), (150, 515), (75, 258), (38, 129)]]


def test_levels_need_no_code_of_a_backend_of_ones_own(tmp_path: Path) -> None:
    class Plain(ZarrBackend):
        name = "plain"

        def open_array(self, image: Any) -> Any:
            return zarr.open_array(self.folder(image), mode="r+")

        def write(self, image: int, start: tuple[int, ...], block: NDArray[Any]) -> None:
            stop = [first + size for first, size in zip(start, block.shape, strict=True)]
            self.array(image)[tuple(map(slice, start, stop))] = block

        def grow(self, image: int, shape: tuple[int, ...]) -> bool:
            raise NotImplementedError

    path = tmp_path / "a.ome.zarr"
    dims = [Dimension(name="t", size=3), *plane(37, 50)]
    frames = {(0, (t,)): frame_of(t, (37, 50)) for t in range(3)}
    with po.open_stream(
        path, StorageSchema(dimensions=dims, dtype="uint16"), backend=Plain, levels=3
    ) as stream:
        for frame in frames.values():
            stream.append(frame)
    check(path, frames, 3)


# -- refusals


@pytest.mark.parametrize("levels", [0, 9, -1, True, 2.0, "all", "2"])
def test_levels_that_cannot_be_are_refused(tmp_path: Path, levels: Any) -> None:
    schema = StorageSchema(dimensions=plane(512, 512), dtype="uint8")
    with pytest.raises(errors.OptionError, match="levels must be"):
        po.open_stream(tmp_path / "a.ome.zarr", schema, levels=levels)
    assert not list(tmp_path.iterdir())


def test_levels_below_a_pixel_are_refused_with_how_many_fit(tmp_path: Path) -> None:
    schema = StorageSchema(dimensions=plane(20, 9), dtype="uint8")
    with pytest.raises(errors.OptionError, match="can have 5"):
        po.open_stream(tmp_path / "a.ome.zarr", schema, levels=6)
    with pytest.raises(errors.OptionError, match="downsample must be one of"):
        po.open_stream(tmp_path / "a.ome.zarr", schema, levels=2, downsample="median")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_acquire_zarr_refuses_levels_with_the_reason(tmp_path: Path) -> None:
    dims = [Dimension(name="t", size=2), *plane(64, 64)]
    schema = StorageSchema(dimensions=dims, dtype="uint8")
    with pytest.raises(errors.OptionError, match="rounds means down"):
        po.open_stream(tmp_path / "a.ome.zarr", schema, backend="acquire-zarr", levels=2)


# -- frames first


class Gate:
    """Holds every level back until it is opened."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.opened, self.reached = threading.Event(), threading.Event()
        for kind in (ZarrLevels, TiffLevels):
            patch.setattr(kind, "write", self._held(kind.write))

    def _held(self, write: Callable[[Any, Sequence[Any]], None]) -> Callable[..., None]:
        def held(levels: LevelWriter, frames: Sequence[Any]) -> None:
            self.reached.set()
            assert self.opened.wait(HANG_S)
            write(levels, frames)

        return held


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Hold every level back; let go at the end, whatever happens."""
    gate = Gate(monkeypatch)
    yield gate
    gate.opened.set()


@pytest.mark.parametrize("way", ["native", "tensorstore", "tiff"])
def test_levels_that_hang_hold_up_neither_append_nor_the_frame_table(
    tmp_path: Path, gate: Gate, way: str
) -> None:
    suffix, options = WAYS[way]
    path = tmp_path / f"a{suffix}"
    schema = StorageSchema(
        dimensions=[Dimension(name="t", size=200), *plane(64, 64)], dtype="uint16"
    )
    frames = {(0, (t,)): frame_of(t, (64, 64)) for t in range(200)}
    stream = po.open_stream(
        path, schema, levels=3, buffer_bytes=20 * 8192, checkpoint_s=0.05, stall_s=30, **options
    )
    for t, frame in enumerate(frames.values()):  # ten times what the buffer can hold
        stream.append(frame)
        assert t or gate.reached.wait(HANG_S)
    wait_until(lambda: stream.progress.frames_written == 200)
    wait_until(lambda: len(po.open_dataset(path).frames()) == 200)
    assert stream.progress.bytes_in_flight <= 20 * 8192
    gate.opened.set()
    stream.close()
    check(path, frames, 3)


def test_a_full_buffer_that_raises_has_the_room_of_levels_that_wait(
    tmp_path: Path, gate: Gate
) -> None:
    schema = StorageSchema(
        dimensions=[Dimension(name="t", size=64), *plane(64, 64)], dtype="uint16"
    )
    stream = po.open_stream(
        tmp_path / "a.ome.zarr", schema, levels=3, buffer_bytes=8 * 8192, when_full="raise"
    )
    for t in range(64):
        # one frame, and a batch that is being made of at most four, leave room for others
        wait_until(lambda: stream.progress.bytes_in_flight <= 5 * 8192)
        stream.append(frame_of(t, (64, 64)))
    gate.opened.set()
    assert stream.close().frames_written == 64


def test_an_error_of_levels_leaves_the_frames_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.ome.zarr"
    dims = [Dimension(name="t", size=5), *plane(64, 64)]
    frames = {(0, (t,)): frame_of(t, (64, 64)) for t in range(5)}

    def fails(self: Any, frames: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ZarrLevels, "write", fails)
        stream = po.open_stream(path, StorageSchema(dimensions=dims, dtype="uint16"), levels=3)
        for frame in frames.values():
            stream.append(frame)
        summary = stream.close()
    assert (summary.status, summary.frames_written) == ("complete", 5)
    assert "No space left" in caplog.text
    assert "pymmcore-ome levels" in caplog.text
    assert len(datasets(path)) == 1
    (problem,) = po.validate(path, pixels=True)
    assert "pymmcore-ome levels" in problem
    po.build_levels(path, levels=3)
    check(path, frames, 3)


@pytest.mark.parametrize("way", EITHER)
def test_a_canceled_run_has_levels_and_a_failed_one_gets_them_by_recover(
    tmp_path: Path, way: str, buffer_bytes: int
) -> None:
    dims = [Dimension(name="t", size=5), *plane(30, 41)]
    schema = StorageSchema(dimensions=dims, dtype="uint16")
    for error in (KeyboardInterrupt, ZeroDivisionError):
        path = tmp_path / f"{error.__name__}{WAYS[way][0]}"
        with (
            pytest.raises(error),
            po.open_stream(path, schema, levels=3, buffer_bytes=buffer_bytes) as stream,
        ):
            for t in range(3):
                stream.append(frame_of(t, (30, 41)))
            raise error
        if error is ZeroDivisionError:
            assert len(po.open_dataset(path).images[0].levels) == 1
            assert po.recover(path).status == "failed"
        image = po.open_dataset(path).images[0]
        for t in range(3):
            for level, pixels in enumerate(reference_levels(frame_of(t, (30, 41)), 3, "mean"), 1):
                np.testing.assert_array_equal(image.levels[level][t], pixels)
        assert not image.levels[2][3:].any()


def test_levels_that_take_long_to_close_are_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pymmcore_ome.stream.level_maker._LOG_EVERY_S", 0.0)
    dims = [Dimension(name="t", size=9), *plane(64, 64)]
    schema = StorageSchema(dimensions=dims, dtype="uint16")
    with po.open_stream(tmp_path / "a.ome.zarr", schema, levels=3, buffer_bytes=1) as stream:
        for t in range(9):
            stream.append(frame_of(t, (64, 64)))
    assert "Still making resolution levels from disk" in caplog.text
    assert "all frames are stored" in caplog.text


# -- views


@pytest.mark.parametrize("way", EITHER)
def test_a_view_of_a_level_shows_frames_on_their_way_and_on_disk(
    tmp_path: Path, way: str, gate: Gate
) -> None:
    suffix, options = WAYS[way]
    schema = StorageSchema(dimensions=[Dimension(name="t", size=4), *plane(30, 41)], dtype="uint16")
    frames = [frame_of(t, (30, 41)) for t in range(3)]
    expected = [reference_levels(frame, 3, "mean")[1] for frame in frames]
    stream = po.open_stream(tmp_path / f"a{suffix}", schema, levels=3, **options)
    view = stream.view(level=2)
    assert view.shape == (4, 8, 11)
    assert view.dims == ("t", "y", "x")
    np.testing.assert_allclose(view.coords["x"][:2], [0.75, 2.75])

    def check_view() -> None:
        for t, pixels in enumerate(expected):
            np.testing.assert_array_equal(view[t], pixels)
            np.testing.assert_array_equal(view[t, 2:5, ::3], pixels[2:5, ::3])
        assert not view[3].any()
        assert not view.is_acquired((3,))

    for frame in frames:
        stream.append(frame)
    check_view()
    wait_until(lambda: stream.progress.frames_written == 3)
    check_view()
    gate.opened.set()
    check_view()
    stream.close()
    check_view()
    full = stream.view()
    np.testing.assert_array_equal(full[1], frames[1])


def test_a_view_of_a_level_of_colors(tmp_path: Path) -> None:
    dims = [Dimension(name="t", size=2), *plane(20, 30)]
    schema = StorageSchema(dimensions=dims, dtype="uint8", rgb=True)
    frame = frame_of(1, (20, 30, 3), "uint8")
    with po.open_stream(tmp_path / "a.ome.zarr", schema, levels=2) as stream:
        stream.append(frame)
        view = stream.view(level=1)
        expected = np.moveaxis(reference_levels(frame, 2, "mean")[0], -1, 0)
        np.testing.assert_array_equal(view[0], expected)
        np.testing.assert_array_equal(view[0, 1], expected[1])
    np.testing.assert_array_equal(view[0, [0, 2]], expected[[0, 2]])


def test_a_view_of_a_level_that_is_not_there_is_refused(tmp_path: Path) -> None:
    schema = StorageSchema(dimensions=[Dimension(name="t", size=2), *plane(20, 30)], dtype="uint8")
    with po.open_stream(tmp_path / "a.ome.zarr", schema, levels=2) as stream:
        for level in (2, -1, True):
            with pytest.raises(errors.OptionError, match="has 2 resolution levels"):
                stream.view(level=level)
        with pytest.raises(errors.OptionError):
            stream.view(None, level=1)
        stream.append(np.ones((20, 30), "uint8"))
        stream.append(np.ones((20, 30), "uint8"))


def test_a_level_view_after_the_store_was_replaced_is_refused(tmp_path: Path) -> None:
    schema = StorageSchema(dimensions=[Dimension(name="t", size=1), *plane(20, 30)], dtype="uint8")
    with po.open_stream(tmp_path / "a.ome.zarr", schema, levels=2) as stream:
        stream.append(np.ones((20, 30), "uint8"))
    view = stream.view(level=1)
    with po.open_stream(tmp_path / "a.ome.zarr", schema, levels=2, overwrite=True) as other:
        other.append(np.full((20, 30), 2, "uint8"))
    with pytest.raises(errors.NotAStoreError):
        view[0]
