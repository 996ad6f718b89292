"""What a run will be, before anything moves; and what the microscope lacks for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import SMALL
from helpers import needs_setup
from pymmcore_ome.acquisition import check_ready, forecast

FRAME_BYTES = SMALL[0] * SMALL[1] * 2

DURATIONS: list[tuple[dict[str, Any], float]] = [
    ({"channels": [{"config": "DAPI", "exposure": 20}]}, 0.02),
    ({"time_plan": {"interval": 5, "loops": 4}}, 15.01),  # of the core's exposure, 10 ms
    ({"time_plan": {"interval": 0.001, "loops": 100}}, 1.0),  # exposures take longer
    (
        {
            "axis_order": "tc",
            "time_plan": [{"interval": 1, "loops": 3}, {"interval": 10, "loops": 2}],
            "channels": [{"config": "DAPI", "exposure": 100}, {"config": "FITC", "exposure": 200}],
        },
        12.3,
    ),
]


@pytest.mark.parametrize(("fields", "duration_s"), DURATIONS)
def test_duration_is_exposures_and_intervals(
    core: CMMCorePlus, tmp_path: Path, fields: dict[str, Any], duration_s: float
) -> None:
    core.setExposure(10)
    found = forecast(core, useq.MDASequence(**fields), po.Output(tmp_path / "a.ome.zarr"))
    assert found.duration_s == pytest.approx(duration_s)
    assert list(tmp_path.iterdir()) == []


def test_long_sequence_is_not_walked(core: CMMCorePlus, tmp_path: Path) -> None:
    sequence = useq.MDASequence(
        time_plan={"interval": 0, "loops": 10_000_000},
        channels=[{"config": "DAPI", "exposure": 1}],
    )
    found = forecast(core, sequence, po.Output(tmp_path / "a.ome.zarr", chunks={"t": 100}))
    assert found.frames == 10_000_000
    assert found.pixel_bytes == 10_000_000 * FRAME_BYTES
    assert found.plan.pixel_files == 100_000
    assert found.duration_s == pytest.approx(10_000)


@needs_setup
def test_setup_roi_is_the_size_of_the_frames(core: CMMCorePlus, tmp_path: Path) -> None:
    sequence = useq.MDASequence(
        channels=["DAPI"], setup={"roi": (0, 0, 64, 32)}, grid_plan={"rows": 1, "columns": 2}
    )
    found = forecast(core, sequence, po.Output(tmp_path / "a.ome.zarr"))
    assert found.plan.layout.images[0].shape == (1, 32, 64)
    left, right = (image.position.x_um or 0.0 for image in found.plan.layout.images)
    assert right - left == pytest.approx(64 * 0.325)
    assert core.getROI() == [0, 0, *SMALL]


def test_disk_that_is_too_small_is_told(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = 3 * FRAME_BYTES
    sequence = useq.MDASequence(time_plan={"interval": 0, "loops": 3})
    output = po.Output(tmp_path / "a.ome.zarr", overwrite=True)
    room = sys.modules["pymmcore_ome.acquisition.run_forecast"]
    for free, fits in ((need, True), (need - 1, False)):
        monkeypatch.setattr(room, "free_bytes", lambda path, free=free: free)
        assert forecast(core, sequence, output).fits_on_disk is fits
    with po.install(core):
        core.mda.run(sequence, output=output)
    monkeypatch.setattr(room, "free_bytes", lambda path: 0)  # what is replaced makes room
    assert forecast(core, sequence, output).fits_on_disk
    monkeypatch.setattr(room, "free_bytes", lambda path: None)
    assert forecast(core, sequence, output).fits_on_disk


def test_number_of_pixel_files_is_that_on_disk(core: CMMCorePlus, tmp_path: Path) -> None:
    sequence = useq.MDASequence(
        stage_positions=[(0, 0, 0), (1, 1, 1)], time_plan={"interval": 0, "loops": 5}
    )
    for number, (name, options) in enumerate(
        [
            ("a.ome.zarr", {}),
            ("b.ome.zarr", {"chunks": {"t": 2, "y": 24}, "shards": {"t": 4, "y": 48}}),
            ("c.ome.tiff", {}),
            ("d.ome.tiff", {"files": "per-position"}),
        ]
    ):
        output = po.Output(tmp_path / name, **options)
        planned = forecast(core, sequence, output).plan.pixel_files
        with po.install(core):
            core.mda.run(sequence, output=output)
        pattern = "[01]/0/c/**/*" if number < 2 else "*.ome.tiff"
        root = output.path if output.path.is_dir() else tmp_path
        assert planned == sum(file.is_file() for file in root.glob(pattern)), name


LACKING: list[tuple[dict[str, Any], list[str]]] = [
    ({"channels": ["DAPY"]}, ["no channel 'DAPY'", "did you mean 'DAPI'?"]),
    ({"channels": ["dapi"]}, ["no channel 'dapi'", "did you mean 'DAPI'?"]),
    ({"channels": [{"config": "DAPI", "group": "Filter"}]}, ["group 'Filter'", "Channel, System"]),
    (
        {"stage_positions": [{"x": 0, "sequence": {"channels": ["Cy5"]}}], "channels": ["DAPI"]},
        ["no channel 'Cy5'"],
    ),
    ({"channels": [{"config": "DAPI", "camera": "Camra"}]}, ["device 'Camra'", "'Camera'?"]),
    ({"setup": {"properties": [("Cam", "Gain", 1)]}}, ["setup names device 'Cam'"]),
    ({"setup": {"properties": [("Camera", "Gian", 1)]}}, ["Camera.Gian", "'Gain'?"]),
    ({"setup": {"properties": [("Camera", "Binning", 3)]}}, ["Camera.Binning to 3", "1, 2, 4, 8"]),
    (
        {
            "stage_positions": [{"x": 0, "y": 0}],
            "autofocus_plan": {
                "autofocus_device_name": "PFS",
                "autofocus_motor_offset": 5,
                "axes": ("p",),
            },
        },
        ["autofocus_plan names device 'PFS'"],
    ),
]


@pytest.mark.parametrize(("fields", "words"), LACKING)
def test_what_the_microscope_lacks_is_told_before_anything_moves(
    core: CMMCorePlus, fields: dict[str, Any], words: list[str]
) -> None:
    before = core.getXYPosition(), core.getPosition(), core.getProperty("Camera", "Binning")
    with pytest.raises(po.errors.AcquisitionError) as raised:
        check_ready(core, useq.MDASequence(**fields))
    for word in words:
        assert word in str(raised.value)
    after = core.getXYPosition(), core.getPosition(), core.getProperty("Camera", "Binning")
    assert after == before


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "no camera"),
        ({"stage_positions": [(1, 2, None), (1, 3, None)]}, "no XY stage"),
        ({"grid_plan": {"rows": 1, "columns": 2}}, "no XY stage"),
        ({"z_plan": {"range": 2, "step": 1}}, "no focus device"),
        ({"stage_positions": [{"z": 3}, {"z": 4}]}, "no focus device"),
        ({"channels": ["DAPI"]}, "groups: none"),
    ],
)
def test_microscope_without_devices_is_told_what_it_lacks(
    fields: dict[str, Any], word: str
) -> None:
    with pytest.raises(po.errors.AcquisitionError, match=word):
        check_ready(CMMCorePlus(), useq.MDASequence(**fields))


@needs_setup
def test_everything_that_is_there_is_ready(core: CMMCorePlus) -> None:
    check_ready(
        core,
        useq.MDASequence(
            setup={"properties": [("Camera", "Binning", 1), ("Z", "Position", 3)]},
            channels=["DAPI", "FITC"],
            stage_positions=[
                (0, 0, 0), {"x": 1, "sequence": {"grid_plan": {"rows": 1, "columns": 2}}},
            ],
            z_plan={"range": 2, "step": 1},
        ),
    )  # fmt: skip


def test_looking_ahead_leaves_the_sequence_as_it_was(core: CMMCorePlus, tmp_path: Path) -> None:
    def sequence() -> useq.MDASequence:
        return useq.MDASequence(grid_plan={"rows": 1, "columns": 2}, channels=["DAPI"])

    seen, fresh = sequence(), sequence()
    forecast(core, seen, po.Output(tmp_path / "a.ome.zarr"))
    for each in (seen, fresh):
        core.mda.engine.setup_sequence(each)
    assert [e.x_pos for e in seen] == [e.x_pos for e in fresh]
