"""Presets, positions and events change objective, binning and camera: images follow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ome_types
import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import DEMO
from helpers import lines_in, listening, wait_until
from pymmcore_ome import errors
from pymmcore_ome.acquisition import forecast
from pymmcore_ome.dataset.check_table import stored_frame

BOTH = pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
TENFOLD, FORTYFOLD = [["Objective", "State", "1"]], [["Objective", "State", "0"]]


@pytest.fixture
def core() -> Iterator[CMMCorePlus]:
    """The demo microscope at 10x (1 um a pixel), 64 x 48 pixels, not binned."""
    core = CMMCorePlus()
    core.loadSystemConfiguration()
    core.setExposure(1)
    core.setROI(0, 0, 64, 48)
    yield core
    core.unloadAllDevices()


def scales(path: Path) -> list[float | None]:
    """The pixel size of each image, as its own document has it: None where it has none."""
    if path.suffix == ".tiff":
        return [image.pixels.physical_size_x for image in ome_types.from_tiff(path).images]
    found = []
    for image in po.open_dataset(path).images:
        ome = json.loads((path / image.path / "zarr.json").read_text())["attributes"]["ome"]
        (multiscale,) = ome["multiscales"]
        transform = multiscale["datasets"][0]["coordinateTransformations"][0]
        found.append(transform["scale"][-1] if multiscale["axes"][-1].get("unit") else None)
    return found


def run(core: CMMCorePlus, sequence: Any, path: Path, **options: Any) -> po.Dataset:
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=po.Output(path, **options))
    dataset = po.open_dataset(path)
    assert (dataset.status, po.validate(path, pixels=True)) == ("complete", [])
    assert len(dataset.frames()) == len(delivered)
    for row, (pixels, _, meta) in zip(dataset.frames(), delivered, strict=True):
        number = [image.path for image in dataset.images].index(row["image"])
        stored = stored_frame(dataset.images[number], row["index"])
        np.testing.assert_array_equal(stored, pixels)
        is_flagged = bool(row["metadata"].get("not_as_asked"))
        assert is_flagged == (scales(path)[number] != meta["pixel_size_um"])
    return dataset


@BOTH
def test_position_that_sets_the_objective_has_its_pixel_size(
    core: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    sequence = useq.MDASequence(
        stage_positions=[
            {"x": 0, "y": 0, "name": "wide", "properties": TENFOLD},
            {"x": 9, "y": 0, "name": "near", "properties": FORTYFOLD},
        ],
        channels=["DAPI", "FITC"], time_plan={"interval": 0, "loops": 2},
    )  # fmt: skip
    dataset = run(core, sequence, path)
    assert scales(path) == [1.0, 0.25]
    assert [image.name for image in dataset.images] == ["wide", "near"]
    assert dataset.layout.schema.instrument is not None
    assert dataset.layout.schema.instrument.objective is None  # there are two


@BOTH
def test_objective_of_a_single_preset_is_the_images(
    core: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    dataset = run(core, useq.MDASequence(channels=[{"config": "40X", "group": "Objective"}]), path)
    assert scales(path) == [0.25]
    assert dataset.layout.schema.instrument is not None
    assert dataset.layout.schema.instrument.objective is not None
    assert dataset.layout.schema.instrument.objective.magnification == 40


@BOTH
def test_channels_of_different_pixel_sizes_are_different_images(
    core: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    channels = [{"config": name, "group": "Objective"} for name in ("10X", "40X")]
    dataset = run(
        core, useq.MDASequence(channels=channels, time_plan={"interval": 0, "loops": 2}), path
    )
    assert sorted(scales(path)) == [0.25, 1.0]
    assert [image.shape[0] for image in dataset.images] == [2, 2]
    assert len({image.name for image in dataset.images}) == 2
    channels_of = [[channel.name for channel in image.channels] for image in dataset.images]
    assert sorted(channels_of) == [["10X"], ["40X"]]


@BOTH
@pytest.mark.parametrize(
    ("presets", "shapes"),
    [
        (["MedRes", "HighRes"], {(24, 32), (48, 64)}),
        (["MedRes"], {(24, 32)}),
        (["HighRes", "MedRes", "LowRes"], {(48, 64), (24, 32), (12, 16)}),
    ],
)
def test_presets_that_bin_have_images_of_their_own_size(
    core: CMMCorePlus, tmp_path: Path, suffix: str, presets: list[str], shapes: set[Any]
) -> None:
    path = tmp_path / f"a{suffix}"
    channels = [{"config": name, "group": "Camera"} for name in presets]
    sequence = useq.MDASequence(
        channels=channels, time_plan={"interval": 0, "loops": 2}, stage_positions=[(0, 0), (1, 1)]
    )
    plan = forecast(core, sequence, po.Output(path))
    dataset = run(core, sequence, path)
    assert {image.shape[-2:] for image in dataset.images} == shapes
    assert [i.shape for i in plan.plan.layout.images] == [i.shape for i in dataset.images]
    assert len(dataset.images) == 2 * len(presets)
    assert set(scales(path)) == {48 / height for height, _ in shapes}


@BOTH
def test_position_that_bins_has_its_own_size(
    core: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    positions = [
        {"x": n, "y": 0, "properties": [["Camera", "Binning", binning]]}
        for n, binning in enumerate("124")
    ]
    sequence = useq.MDASequence(stage_positions=positions, channels=["DAPI"])
    dataset = run(core, sequence, tmp_path / f"a{suffix}")
    assert [image.shape[-2:] for image in dataset.images] == [(48, 64), (24, 32), (12, 16)]


@BOTH
def test_run_without_a_plan_has_the_pixel_size_of_its_first_frame(
    core: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    events = [useq.MDAEvent(index={"t": t}, properties=FORTYFOLD) for t in range(2)]
    run(core, iter(events), path)
    assert scales(path) == [0.25]


@BOTH
def test_frame_whose_pixel_size_only_the_run_can_tell_is_flagged(
    core: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"

    def change(*_: object) -> None:
        core.setProperty(*FORTYFOLD[0])  # as a user does, or a script

    core.mda.events.frameReady.connect(change)
    dataset = run(core, useq.MDASequence(time_plan={"interval": 0, "loops": 2}), path)
    (row,) = dataset.not_as_asked()
    assert row["metadata"]["not_as_asked"] == [
        "the pixel size was 0.25 um; the scale of the image is 1 um"
    ]
    assert "0.25 um" in (dataset.record.reason or "")


CHANGES = {
    "region": lambda core: core.setROI(0, 0, 32, 16),
    "binning": lambda core: core.setProperty("Camera", "Binning", "2"),
    "type": lambda core: core.setProperty("Camera", "PixelType", "8bit"),
    "color": lambda core: core.setProperty("Camera", "PixelType", "32bitRGB"),
    "objective": lambda core: core.setProperty(*FORTYFOLD[0]),
}


def changing(core: CMMCorePlus, change: Any, back: Any = None) -> Iterator[useq.MDAEvent]:
    """Three times and two positions; something changes before the second time."""
    for t in range(3):
        if t == 1:
            change(core)
        if t == 2 and back is not None:
            back(core)
        for p in range(2):
            yield useq.MDAEvent(index={"t": t, "p": p}, x_pos=100.0 * p, channel="DAPI")


@BOTH
@pytest.mark.parametrize("change", CHANGES)
def test_frames_that_change_without_a_plan_have_images_of_their_own(
    core: CMMCorePlus, tmp_path: Path, suffix: str, change: str
) -> None:
    dataset = run(core, changing(core, CHANGES[change]), tmp_path / f"a{suffix}")
    assert len(dataset.images) == 4
    assert len({image.name for image in dataset.images}) == 4
    at = [image.position.x_um for image in dataset.images]
    assert at == pytest.approx([0, 100, 0, 100], abs=0.02)
    assert [row["index"][0] for row in dataset.frames()] == [0, 0, 1, 1, 2, 2]
    assert dataset.not_as_asked() == []


@BOTH
def test_frames_that_change_back_go_on_in_their_first_images(
    core: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    events = changing(core, CHANGES["region"], lambda core: core.setROI(0, 0, 64, 48))
    dataset = run(core, events, tmp_path / f"a{suffix}")
    assert [image.shape[:1] + image.shape[-2:] for image in dataset.images] == [
        (3, 48, 64), (3, 48, 64), (2, 16, 32), (2, 16, 32),
    ]  # fmt: skip


@BOTH
def test_frames_that_changed_are_recovered(core: CMMCorePlus, tmp_path: Path, suffix: str) -> None:
    path, copy = tmp_path / f"a{suffix}", tmp_path / "copy" / f"a{suffix}"
    copy.parent.mkdir()
    table = path / "frames.jsonl" if suffix == ".ome.zarr" else Path(f"{path}.frames.jsonl")

    def events() -> Iterator[useq.MDAEvent]:
        yield from changing(core, CHANGES["region"])
        wait_until(lambda: lines_in(table) == 6)
        for part in (path, Path(f"{path}.frames.jsonl")):
            if part.is_dir():
                shutil.copytree(part, copy)
            elif part.exists():
                shutil.copy(part, copy.parent)

    with po.install(core), listening(core) as delivered:
        core.mda.run(events(), output=po.Output(path, checkpoint_s=0.01))
    recovered = po.recover(copy)
    assert po.validate(copy, pixels=True) == []
    whole = po.open_dataset(path)
    assert [(i.name, i.shape, i.dtype) for i in recovered.images] == [
        (i.name, i.shape, i.dtype) for i in whole.images
    ]
    for row, (pixels, _, _) in zip(recovered.frames(), delivered, strict=True):
        number = [image.path for image in recovered.images].index(row["image"])
        np.testing.assert_array_equal(recovered.images[number][tuple(row["index"])], pixels)


def test_view_shows_frames_that_change(core: CMMCorePlus, tmp_path: Path) -> None:
    views = []

    def look(*_: object) -> None:
        view = core.mda.get_view()
        views.append((view.shape, view.dtype, int(view[0, 0].max()), int(view[-1].max())))

    core.setProperty("Camera", "PixelType", "8bit")
    core.mda.events.frameReady.connect(look)

    def larger(core: CMMCorePlus) -> None:
        core.setProperty("Camera", "PixelType", "16bit")
        core.clearROI()

    run(core, changing(core, larger), tmp_path / "a.ome.zarr")
    shape, dtype, first, last = views[-1]
    assert shape[0] == 4
    assert shape[-2:] == (512, 512)
    assert dtype == np.uint16
    assert first
    assert last > 255


def test_cameras_read_at_once_whose_frames_change_are_refused(tmp_path: Path) -> None:
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "two_cameras.cfg")
    (device, name, _), *_ = core.getConfigData("Channel", "DAPI")
    for preset, size_um in (("DAPI", 1.0), ("FITC", 0.25)):
        value = {d: v for d, _, v in core.getConfigData("Channel", preset)}[device]
        core.definePixelSizeConfig(preset, device, name, value)
        core.setPixelSizeUm(preset, size_um)
    path = tmp_path / "a.ome.zarr"
    with po.install(core), pytest.raises(errors.AcquisitionError, match="are read at once"):
        core.mda.run(useq.MDASequence(channels=["DAPI", "FITC"]), output=path)
    assert not path.exists()
    with po.install(core):
        core.mda.run(useq.MDASequence(channels=["FITC"]), output=path)
    assert scales(path) == [0.25]
    core.unloadAllDevices()


@BOTH
@pytest.mark.parametrize("is_list", [True, False], ids=["list", "iterator"])
def test_region_of_all_events_is_the_size_of_their_image(
    core: CMMCorePlus, tmp_path: Path, suffix: str, is_list: bool
) -> None:
    events = [useq.MDAEvent(roi=(0, 0, 40, 30), index={"t": t}) for t in range(3)]
    dataset = run(core, events if is_list else iter(events), tmp_path / f"a{suffix}")
    assert [image.shape[-2:] for image in dataset.images] == [(30, 40)]


@BOTH
def test_events_of_a_list_have_images_of_their_own_size_and_scale(
    core: CMMCorePlus, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    regions = [(0, 0, 40, 30), (0, 0, 20, 10), None]
    events = [
        useq.MDAEvent(roi=roi, index={"t": t, "p": t % 2}, properties=properties)
        for t, (roi, properties) in enumerate(
            [*((roi, None) for roi in regions), (None, [["Camera", "Binning", "2"]])]
        )
    ]
    dataset = run(core, events, path)
    shapes = [image.shape[-2:] for image in dataset.images]
    assert shapes == [(30, 40), (10, 20), (10, 20), (5, 10)]  # a region stays until the next
    assert len({image.name for image in dataset.images}) == 4


@BOTH
@pytest.mark.parametrize("step", [0.5, -1.0])
def test_stack_without_a_plan_has_its_step(
    core: CMMCorePlus, tmp_path: Path, suffix: str, step: float
) -> None:
    path = tmp_path / f"a{suffix}"
    events = [
        useq.MDAEvent(index={"t": t, "z": z}, z_pos=10 + z * step) for t in (0, 1) for z in range(4)
    ]
    dataset = run(core, iter(events), path)
    axis = next(axis for axis in dataset.layout.images[0].axes if axis.name == "z")
    assert (axis.scale, axis.unit) == (pytest.approx(step), "micrometer")


def test_stack_without_a_plan_whose_planes_are_uneven_has_no_step(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    events = [useq.MDAEvent(index={"z": n}, z_pos=z) for n, z in enumerate((0, 1, 5))]
    dataset = run(core, iter(events), tmp_path / "a.ome.zarr")
    axis = next(axis for axis in dataset.layout.images[0].axes if axis.name == "z")
    assert axis.scale is None


@BOTH
def test_frames_of_a_burst_have_the_place_where_the_stage_stands(
    tmp_path: Path, suffix: str
) -> None:
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "fast.cfg")
    core.setROI(0, 0, 32, 32)
    core.setXYPosition(7, 8)
    core.setZPosition(3)
    core.waitForSystem()
    path = tmp_path / f"a{suffix}"
    sequence = useq.MDASequence(time_plan={"interval": 0, "loops": 5}, channels=["DAPI"])
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=path)
    assert all(meta["hardware_triggered"] for _, _, meta in delivered)
    for row in po.open_dataset(path).frames():
        assert (row["x_um"], row["y_um"], row["z_um"]) == pytest.approx((7, 8, 3), abs=0.02)
    core.unloadAllDevices()
