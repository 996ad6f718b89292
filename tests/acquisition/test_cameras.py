"""Several cameras on the real engine: of one kind, of different kinds, chosen by channels.

What is on disk is compared, event by event, with what an independent listener was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ome_types
import pytest
import tifffile
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import DEMO
from helpers import (
    SkipEvent,
    index_of,
    listening,
    needs_camera_counts,
    needs_skip_event,
    read_by_zarr,
)
from pymmcore_ome import errors

SUFFIXES = (".ome.zarr", ".ome.tiff")


@pytest.fixture
def mixed() -> Iterator[CMMCorePlus]:
    """A core with a 512 x 512 16-bit and a 256 x 256 8-bit camera, which channels choose."""
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "two_kinds_of_camera.cfg")
    with po.install(core):
        yield core
    core.unloadAllDevices()


@pytest.fixture
def twins() -> Iterator[CMMCorePlus]:
    """A core whose active camera is a Multi Camera with two of one kind."""
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "two_cameras.cfg")
    with po.install(core):
        yield core
    core.unloadAllDevices()


def check(path: Path, delivered: list[tuple[np.ndarray, Any, Any]]) -> po.Dataset:
    """Assert that each delivered frame, and no other, is where the frame table says it is."""
    dataset = po.open_dataset(path)
    arrays = {image.path: image[...] for image in dataset.images}
    by_event = {tuple(sorted(index_of(e).items())): pixels for pixels, e, _ in delivered}
    assert len(by_event) == len(delivered)
    expected = {key: np.zeros_like(array) for key, array in arrays.items()}
    rows = dataset.frames()
    for row in rows:
        pixels = by_event.pop(tuple(sorted(row["event_index"].items())))
        expected[row["image"]][row["index"]] = pixels
    assert not by_event, "frames that were delivered are missing"
    for image in dataset.images:
        np.testing.assert_array_equal(other_reader(path, image), expected[image.path])
    return dataset


def other_reader(path: Path, image: Any) -> np.ndarray:
    """Read an image by zarr-python or tifffile."""
    if path.suffix == ".zarr":
        return read_by_zarr(path, image.path)
    with tifffile.TiffFile(path) as file:
        series = next(s for s in file.series if s.name == image.name)
        return np.asarray(series.asarray()).reshape(image.shape)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cameras_behind_a_multi_camera_are_channels(
    twins: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    sequence = useq.MDASequence(
        channels=["DAPI", "FITC"],
        stage_positions=[(0, 0), (9, 9)],
        time_plan={"interval": 0, "loops": 2},
    )
    path = tmp_path / f"a{suffix}"
    with listening(twins) as delivered:
        twins.mda.run(sequence, output=path)
    assert len(delivered) == 2 * 2 * 2 * 2
    dataset = po.open_dataset(path)
    assert [image.shape for image in dataset.images] == [(2, 4, 512, 512)] * 2
    names = [channel.name for channel in dataset.images[0].channels]
    assert names == ["DAPI Left", "DAPI Right", "FITC Left", "FITC Right"]
    place = po.FrameRouter(dataset.schema).by_index
    for pixels, event, meta in delivered:
        at = index_of(event)
        assert meta["camera_device"] == ("Left", "Right")[at["cam"]]
        address = place(at)
        assert address.index[1] == 2 * at["c"] + at["cam"]
        image = dataset.images[address.image_number]
        np.testing.assert_array_equal(other_reader(path, image)[address.index], pixels)
    assert po.validate(path, pixels=True) == []


def test_burst_of_two_cameras_is_saved_by_event(twins: CMMCorePlus, tmp_path: Path) -> None:
    with listening(twins) as delivered:
        twins.mda.run(
            useq.MDASequence(time_plan={"interval": 0, "loops": 7}), output=tmp_path / "a.ome.zarr"
        )
    assert len(delivered) == 14
    found = read_by_zarr(tmp_path / "a.ome.zarr", "")
    assert found.shape == (7, 2, 512, 512)
    for pixels, event, _ in delivered:
        at = index_of(event)
        np.testing.assert_array_equal(found[at["t"], at["cam"]], pixels)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cameras_that_channels_choose_have_images_of_their_own(
    mixed: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    sequence = useq.MDASequence(
        channels=["DAPI", "FITC", "Rhodamine"],
        stage_positions=[(0, 0), useq.Position(x=9, y=9, name="cell")],
        z_plan={"range": 2, "step": 1},
        time_plan={"interval": 0, "loops": 2},
    )
    path = tmp_path / f"a{suffix}"
    with listening(mixed) as delivered:
        mixed.mda.run(sequence, output=path)
    assert len(delivered) == 2 * 3 * 3 * 2
    dataset = check(path, delivered)
    assert [(i.name, i.shape, i.dtype) for i in dataset.images] == [
        ("Pos0_Large", (2, 2, 3, 512, 512), np.uint16),
        ("Pos0_Small", (2, 1, 3, 256, 256), np.uint8),
        ("cell_Large", (2, 2, 3, 512, 512), np.uint16),
        ("cell_Small", (2, 1, 3, 256, 256), np.uint8),
    ]
    large, small = dataset.images[2:]
    assert [c.name for c in large.channels] == ["DAPI", "Rhodamine"]
    assert [c.name for c in small.channels] == ["FITC"]
    assert [axis.scale for axis in large.layout.axes[-2:]] == [0.325, 0.325]
    assert [axis.scale for axis in small.layout.axes[-2:]] == [0.65, 0.65], "its pixels are binned"
    assert (small.position.name, small.position.x_um) == ("cell", 9)
    assert po.validate(path, pixels=True) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_event_driven_frames_go_to_the_images_of_their_camera(
    mixed: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    names = ["FITC", "DAPI", "FITC", "Rhodamine", "DAPI"]
    events = [
        useq.MDAEvent(
            index={"t": t, "c": ["DAPI", "FITC", "Rhodamine"].index(n)}, channel={"config": n}
        )
        for t, n in enumerate(names)
    ]
    path = tmp_path / f"a{suffix}"
    with listening(mixed) as delivered:
        mixed.mda.run(iter(events), output=path)
    dataset = check(path, delivered)
    assert [(i.name, i.shape[:2], i.dtype) for i in dataset.images] == [
        ("Pos0_Small", (3, 1), np.uint8),
        ("Pos0_Large", (5, 2), np.uint16),
    ]
    assert [c.name for c in dataset.images[1].channels] == ["DAPI", "Rhodamine"]
    assert po.validate(path, pixels=True) == []


def test_channels_that_all_choose_the_other_camera_have_its_frames(
    mixed: CMMCorePlus, tmp_path: Path
) -> None:
    assert mixed.getCameraDevice() == "Large"
    with listening(mixed) as delivered:
        mixed.mda.run(useq.MDASequence(channels=["FITC"]), output=tmp_path / "a.ome.zarr")
    dataset = check(tmp_path / "a.ome.zarr", delivered)
    assert [(i.path, i.shape, i.dtype) for i in dataset.images] == [("", (1, 256, 256), np.uint8)]


@needs_skip_event
def test_skipped_event_of_one_camera_is_a_hole_there(
    mixed: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = mixed.mda.engine
    original = type(engine).setup_event

    def setup_event(self: Any, event: Any) -> None:
        if index_of(event) == {"t": 1, "c": 1}:
            raise SkipEvent
        original(self, event)

    monkeypatch.setattr(type(engine), "setup_event", setup_event)
    sequence = useq.MDASequence(channels=["DAPI", "FITC"], time_plan={"interval": 0.01, "loops": 3})
    with listening(mixed) as delivered:
        mixed.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    assert len(delivered) == 5
    dataset = check(tmp_path / "a.ome.zarr", delivered)
    assert dataset.record.frames == {"planned": 6, "written": 5, "skipped": 1}
    assert not dataset.images[1][1].any()
    assert dataset.images[1][2].any()


def test_roi_of_the_other_camera_changed_in_the_middle_is_refused(
    mixed: CMMCorePlus, tmp_path: Path
) -> None:
    sequence = useq.MDASequence(channels=["DAPI", "FITC"], time_plan={"interval": 0.01, "loops": 4})

    def crop(image: np.ndarray, event: Any, meta: Any) -> None:
        if index_of(event) == {"t": 1, "c": 1}:
            mixed.setROI("Small", 0, 0, 64, 32)

    mixed.mda.events.frameReady.connect(crop)
    with listening(mixed) as delivered, pytest.raises(errors.FrameError, match=r"\(256, 256\)"):
        mixed.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    assert po.open_dataset(tmp_path / "a.ome.zarr").status == "failed"
    assert len(delivered) == 5
    check(tmp_path / "a.ome.zarr", delivered)


class _TwoReaders:
    """Makes an engine read two cameras of its own for every event, as `cam` 0 and 1."""

    shapes = ((12, 16), (20, 8))
    dtypes = ("uint8", "uint16")

    def __init__(self, core: CMMCorePlus, monkeypatch: pytest.MonkeyPatch) -> None:
        kind: Any = type(core.mda.engine)
        set_up = kind.setup_sequence

        def setup_sequence(engine: Any, sequence: Any) -> Any:
            summary = set_up(engine, sequence)
            infos = [
                {
                    **summary["image_infos"][0],
                    "camera_label": label,
                    "plane_shape": shape,
                    "height": shape[0],
                    "width": shape[1],
                    "dtype": dtype,
                    "pixel_format": "Mono8" if dtype == "uint8" else "Mono16",
                    "num_camera_adapter_channels": 2,
                }
                for label, shape, dtype in zip("AB", self.shapes, self.dtypes, strict=True)
            ]
            return {**summary, "image_infos": tuple(infos)}

        def exec_event(engine: Any, event: Any) -> Iterator[Any]:
            for cam in (1, 0):  # the second one is faster
                frame = np.full(self.shapes[cam], 7 * cam + event.index["t"] + 1, self.dtypes[cam])
                own = event.model_copy(update={"index": {**event.index, "cam": cam}})
                yield frame, own, {"camera_device": "AB"[cam]}

        monkeypatch.setattr(kind, "setup_sequence", setup_sequence)
        monkeypatch.setattr(kind, "exec_event", exec_event)
        monkeypatch.setattr(core.mda.engine, "use_hardware_sequencing", False)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("jagged", [False, True])
def test_engine_that_reads_cameras_of_two_sizes_is_placed_by_index(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, jagged: bool
) -> None:
    _TwoReaders(core, monkeypatch)
    sub = useq.MDASequence(time_plan={"interval": 0, "loops": 2})
    sequence = useq.MDASequence(
        stage_positions=[(0, 0), useq.Position(x=1, y=1, sequence=sub if jagged else None)],
        time_plan=None if jagged else {"interval": 0, "loops": 2},
        axis_order="ptcz",
    )
    if jagged:
        sequence = sequence.replace(stage_positions=sequence.stage_positions[1:])
    path = tmp_path / f"a{suffix}"
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=path)
    dataset = check(path, delivered)
    places = 1 if jagged else 2
    assert [(i.shape, i.dtype) for i in dataset.images] == [
        ((2, 12, 16), np.uint8),
        ((2, 20, 8), np.uint16),
    ] * places
    assert po.validate(path, pixels=True) == []


def test_engine_that_reads_two_cameras_can_be_event_driven(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _TwoReaders(core, monkeypatch)
    events = [useq.MDAEvent(index={"t": t, "p": p}) for t in range(2) for p in range(2)]
    with po.install(core), listening(core) as delivered:
        core.mda.run(iter(events), output=tmp_path / "a.ome.zarr")
    dataset = check(tmp_path / "a.ome.zarr", delivered)
    assert [i.name for i in dataset.images] == ["Pos0_B", "Pos0_A", "Pos1_B", "Pos1_A"]


def test_multi_camera_of_two_bit_depths_is_refused_before_anything_moves(
    twins: CMMCorePlus, tmp_path: Path
) -> None:
    twins.setProperty("Right", "PixelType", "8bit")
    with listening(twins) as delivered, pytest.raises(errors.AcquisitionError, match="Multi"):
        twins.mda.run(useq.MDASequence(channels=["DAPI"]), output=tmp_path / "a.ome.zarr")
    assert not delivered
    assert not (tmp_path / "a.ome.zarr").exists()


class Rig:
    """Cameras A and B (alike), S (smaller) and Multi (A and B); presets choose among them."""

    def __init__(self, **presets: str | None) -> None:
        core = self.core = CMMCorePlus()
        core.loadSystemConfiguration(DEMO / "demo.cfg")
        core.unloadDevice("Camera")
        for name, binning, bits in (("A", 1, "12"), ("B", 1, "16"), ("S", 2, "16")):
            core.loadDevice(name, "DemoCamera", "DCam")
            core.initializeDevice(name)
            core.setProperty(name, "OnCameraCCDXSize", 64)
            core.setProperty(name, "OnCameraCCDYSize", 48)
            core.setProperty(name, "PixelType", "16bit")
            core.setProperty(name, "BitDepth", bits)
            core.setProperty(name, "Binning", binning)
        core.setProperty("A", "Gain", 3)  # pymmcore-plus tells no property that is 0
        core.setProperty("B", "Gain", 4)
        core.loadDevice("Multi", "Utilities", "Multi Camera")
        core.initializeDevice("Multi")
        core.setProperty("Multi", "Physical Camera 1", "A")
        core.setProperty("Multi", "Physical Camera 2", "B")
        for name, camera in presets.items():
            core.defineConfig("Channel", name, "Dichroic", "Label", "400DCLP")
            if camera is not None:
                core.defineConfig("Channel", name, "Core", "Camera", camera)
        core.setCameraDevice("A")
        core.setAutoShutter(False)

    def run(self, path: Path, sequence: Any, active: str = "A") -> list[Any]:
        self.core.setCameraDevice(active)
        self.core._last_config = ("", "")
        with po.install(self.core), listening(self.core) as delivered:
            self.core.mda.run(sequence, output=path)
        return delivered


def placed_by_camera(path: Path, delivered: list[Any]) -> po.Dataset:
    """Assert that every frame is in an image of its own camera, at its channel's name."""
    dataset = check(path, delivered)
    images = {image.path: image for image in dataset.images}
    for row in dataset.frames():
        image, camera = images[row["image"]], row["metadata"]["camera_device"]
        assert image.name.rpartition("_")[2] == camera
        place = dict(zip(image.axes, row["index"], strict=False))
        assert image.channels[place["c"]].name == row["channel"]
    assert po.validate(path, pixels=True) == []
    return dataset


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("active", ["A", "S"])
@pytest.mark.parametrize(
    "channels",
    [["DAPI", "FITC", "Cy5", "Mini"], ["Cy5", "DAPI", "Mini", "FITC"], ["DAPI", "Mini", "Cy5"]],
)
def test_channel_that_chooses_no_camera_is_taken_by_the_last_one(
    tmp_path: Path, suffix: str, channels: list[str], active: str
) -> None:
    rig = Rig(DAPI="A", FITC="B", Cy5=None, Mini="S")
    sequence = useq.MDASequence(channels=channels, time_plan={"interval": 0.001, "loops": 2})
    delivered = rig.run(tmp_path / f"a{suffix}", sequence, active)
    assert len(delivered) == 2 * len(channels)
    dataset = placed_by_camera(tmp_path / f"a{suffix}", delivered)
    assert dataset.record.frames["planned"] == len(delivered)


def test_cameras_of_a_run_are_the_detectors_of_their_channels(tmp_path: Path) -> None:
    rig = Rig(DAPI="A", FITC="B", Mini="S")
    two = useq.MDASequence(channels=["DAPI", "FITC"])
    rig.run(tmp_path / "a.ome.zarr", two)
    three = useq.MDASequence(channels=["DAPI", "FITC", "Mini"])
    rig.run(tmp_path / "b.ome.zarr", three)
    for name, images in (("a", 1), ("b", 3)):
        text = (tmp_path / f"{name}.ome.zarr" / "OME" / "METADATA.ome.xml").read_text()
        found = ome_types.from_xml(text)
        gains = [c.detector_settings.gain for i in found.images for c in i.pixels.channels]
        assert len(found.images) == images
        assert gains[:2] == [3, 4], "of A, of B"
        bits = [i.pixels.significant_bits for i in found.images]
        assert bits == ([16] if images == 1 else [12, 16, 16])


def test_cameras_of_one_size_whose_pixels_differ_have_images_of_their_own(tmp_path: Path) -> None:
    rig = Rig(DAPI="A", Mini="S")
    rig.core.setProperty("S", "OnCameraCCDXSize", 128)
    rig.core.setProperty("S", "OnCameraCCDYSize", 96)
    rig.core.setProperty("S", "BitDepth", 12)
    sequence = useq.MDASequence(channels=["DAPI", "Mini"])
    dataset = placed_by_camera(tmp_path / "a.ome.zarr", rig.run(tmp_path / "a.ome.zarr", sequence))
    scales = [image.layout.axes[-1].scale for image in dataset.images]
    assert scales == [0.325, 0.65]


@needs_camera_counts
@pytest.mark.parametrize("active", ["A", "Multi"])
def test_channels_that_all_choose_the_multi_camera_bring_its_frames(
    tmp_path: Path, active: str
) -> None:
    rig = Rig(Both="Multi", Also="Multi")
    delivered = rig.run(
        tmp_path / "a.ome.zarr", useq.MDASequence(channels=["Both", "Also"]), active
    )
    assert len(delivered) == 4
    dataset = check(tmp_path / "a.ome.zarr", delivered)
    names = [channel.name for channel in dataset.images[0].channels]
    assert names == ["Both A", "Both B", "Also A", "Also B"]


def test_channel_that_leaves_the_multi_camera_is_saved_alone(tmp_path: Path) -> None:
    rig = Rig(Mini="S")
    delivered = rig.run(tmp_path / "a.ome.zarr", useq.MDASequence(channels=["Mini"]), "Multi")
    assert check(tmp_path / "a.ome.zarr", delivered).images[0].shape == (1, 24, 32)


@needs_camera_counts
@pytest.mark.parametrize(
    ("channels", "active"), [(["DAPI", "Both"], "A"), (["Both", "Mini"], "Multi")]
)
def test_channels_that_mix_one_camera_and_several_are_refused_before_anything_moves(
    tmp_path: Path, channels: list[str], active: str
) -> None:
    rig = Rig(DAPI="A", Both="Multi", Mini="S")
    with pytest.raises(errors.AcquisitionError, match="several frames at once"):
        rig.run(tmp_path / "a.ome.zarr", useq.MDASequence(channels=channels), active)
    assert not (tmp_path / "a.ome.zarr").exists()


def test_event_that_sets_a_camera_itself_goes_to_that_cameras_image(tmp_path: Path) -> None:
    rig = Rig(DAPI="A", Mini="S")
    events = [
        useq.MDAEvent(index={"t": 0, "c": 0}, channel={"config": "DAPI"}),
        useq.MDAEvent(index={"t": 1, "c": 1}, properties=[("Core", "Camera", "B")]),
        useq.MDAEvent(index={"t": 2, "c": 2}, channel={"config": "Mini"}),
    ]
    delivered = rig.run(tmp_path / "a.ome.zarr", iter(events))
    dataset = check(tmp_path / "a.ome.zarr", delivered)
    assert [image.name for image in dataset.images] == ["Pos0_A", "Pos0_B", "Pos0_S"]


def test_camera_that_the_plan_does_not_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(DAPI="A", FITC="B", Mini="S")
    engine: Any = type(rig.core.mda.engine)
    original = engine.setup_event

    def setup_event(self: Any, event: Any) -> None:
        original(self, event)
        if index_of(event) == {"t": 1, "c": 1}:
            rig.core.setCameraDevice("A")

    monkeypatch.setattr(engine, "setup_event", setup_event)
    sequence = useq.MDASequence(
        channels=["DAPI", "FITC", "Mini"], time_plan={"interval": 0.001, "loops": 2}
    )
    with pytest.raises(errors.PlacementError, match="camera 'A' acquired it, and the plan has 'B'"):
        rig.run(tmp_path / "a.ome.zarr", sequence)
    assert len(po.open_dataset(tmp_path / "a.ome.zarr").frames()) == 4
