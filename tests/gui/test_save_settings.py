"""What a person chose about saving, apart from any widget."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import DEMO
from pymmcore_ome import errors
from pymmcore_ome.disk import advice_on_write
from pymmcore_ome.gui import SaveSettings
from pymmcore_ome.gui.advice import advice_on
from pymmcore_ome.gui.estimate import Estimate, estimate_of
from pymmcore_ome.gui.newest_frame import NewestFrame, as_gray8
from pymmcore_ome.gui.planned_run import PlannedRun
from pymmcore_ome.gui.save_settings import METADATA_KEY, backends_of, next_path

from .conftest import sequence_of

CAMERA = po.Camera("Camera", 48, 64, "uint16")


@pytest.mark.parametrize(
    ("there", "name", "expected"),
    [
        ([], "cells", "cells_001.ome.zarr"),
        (["cells_001.ome.zarr"], "cells", "cells_002.ome.zarr"),
        (["cells_001.ome.zarr", "cells_007.ome.tiff"], "cells", "cells_008.ome.zarr"),
        (["CELLS_003.OME.TIFF"], "cells", "cells_004.ome.zarr"),
        (["cells_002.ome.tiff.frames.jsonl"], "cells", "cells_003.ome.zarr"),
        ([".cells_004.ome.zarr.old0"], "cells", "cells_005.ome.zarr"),
        (["cells_999.ome.zarr"], "cells", "cells_1000.ome.zarr"),
        (["cells2_005.ome.zarr", "my_cells_006.ome.zarr"], "cells", "cells_001.ome.zarr"),
        (["cells_001.ome.zarr"], "cells_007", "cells_007.ome.zarr"),
        (["cells_007.ome.zarr"], "cells_007", "cells_008.ome.zarr"),
        (["a+b_001.ome.zarr"], "a+b", "a+b_002.ome.zarr"),
    ],
)
def test_next_path_is_above_all_that_is_there(
    tmp_path: Path, there: list[str], name: str, expected: str
) -> None:
    for entry in there:
        (tmp_path / entry).mkdir()
    assert next_path(tmp_path, name, ".ome.zarr") == tmp_path / expected


def test_next_path_of_a_folder_that_is_not_there_makes_nothing(tmp_path: Path) -> None:
    settings = SaveSettings(folder=tmp_path / "new" / "deep", name="cells")
    assert settings.next_path() == tmp_path / "new" / "deep" / "cells_001.ome.zarr"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "a/b"}, "contains '/'"),
        ({"name": ""}, "it is empty"),
        ({"name": ".."}, "cannot be used"),
        ({"folder": Path("somewhere")}, "not a full path"),
        ({"folder": Path("FILE")}, "is a file"),
        ({"chunks": "huge"}, "one frame"),
        ({"backend": "none-such"}, "none-such"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    if changes.get("folder") == Path("FILE"):
        changes = {"folder": file}
    settings = SaveSettings(folder=tmp_path).replace(**changes)
    with pytest.raises(errors.PymmcoreOmeError, match=words):
        settings.output()
    assert words in (estimate_of(settings).problem or "")
    assert sorted(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("suffix", [".ome.tiff", ".OME.TIF", ".tif"])
def test_a_suffix_that_is_typed_chooses_the_format(suffix: str) -> None:
    settings = SaveSettings(backend="zarr-python", compression="blosc").named(f"cells{suffix}")
    assert (settings.name, settings.format) == ("cells", "ome-tiff")
    assert (settings.backend, settings.compression) == (None, None)  # that no TIFF knows
    assert SaveSettings(compression="zstd").with_format("ome-tiff").compression == "zstd"


def test_settings_come_back_from_the_metadata_of_a_sequence(tmp_path: Path) -> None:
    chosen = SaveSettings(
        folder=tmp_path, name="cells", format="ome-tiff", compression="zstd", is_on=False
    )
    sequence = useq.MDASequence(metadata={"pymmcore_ome": {"save": chosen.to_metadata()}})
    read = useq.MDASequence.model_validate_json(sequence.model_dump_json())
    assert SaveSettings().from_metadata(read.metadata) == chosen


def test_settings_of_pymmcore_widgets_are_understood_and_nonsense_is_left_out() -> None:
    theirs = {"save_dir": "/data", "save_name": "run.ome.tif", "should_save": True, "format": "x"}
    found = SaveSettings().from_metadata({"pymmcore_widgets": theirs})
    assert (found.folder, found.name, found.format) == (Path("/data"), "run", "ome-tiff")
    before = SaveSettings(name="mine")
    odd = {"format": "avi", "backend": "b", "chunks": 3, "name": 4, "compression": "rar"}
    for metadata in ({}, {"pymmcore_ome": 3}, {"pymmcore_ome": {"save": odd}}):
        assert before.from_metadata(metadata) == before


def test_backends_of_a_format_have_its_default_first() -> None:
    assert backends_of("ome-zarr")[0] == "native"
    assert backends_of("ome-tiff") == ("tiff",)


@pytest.fixture
def small_core(core: CMMCorePlus) -> CMMCorePlus:
    core.setROI(0, 0, 64, 48)
    return core


def test_estimate_says_what_an_acquisition_takes(small_core: CMMCorePlus, tmp_path: Path) -> None:
    plan = PlannedRun.of(small_core, sequence_of(loops=3))
    found = estimate_of(SaveSettings(folder=tmp_path, name="cells"), plan, 2e6)
    assert found.problem is None
    assert (found.images, found.frames) == (2, 12)
    assert found.nbytes == 12 * 48 * 64 * 2
    assert found.duration_s == pytest.approx(0.012)
    assert found.needed_bytes_per_s == 48 * 64 * 2 * 1000  # a frame a millisecond
    assert found.path == tmp_path / "cells_001.ome.zarr"
    assert found.outruns_disk
    assert not found.lacks_space
    assert "2 images · 12 frames · 73.7 kB" in found.size_line
    assert found.rate_line == "The camera delivers up to 6.1 MB/s, the disk writes 2.0 MB/s."
    assert len(found.warnings) == 1
    assert list(tmp_path.iterdir()) == []


def test_estimate_counts_frames_that_come_not_places(
    small_core: CMMCorePlus, tmp_path: Path
) -> None:
    channels = [{"config": "DAPI"}, {"config": "FITC", "acquire_every": 3}]
    sequence = useq.MDASequence(channels=channels, time_plan={"interval": 0, "loops": 6})
    found = estimate_of(SaveSettings(folder=tmp_path), PlannedRun.of(small_core, sequence))
    assert found.frames == len(list(sequence)) == 8
    assert found.nbytes == 8 * 48 * 64 * 2


@pytest.mark.parametrize("name", ["two_cameras", "two_kinds_of_camera", "rgb"])
def test_estimate_is_what_a_run_stores(name: str, tmp_path: Path) -> None:
    """Of several cameras, of one kind or two, and of colour."""
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / f"{name}.cfg")
    sequence = useq.MDASequence.from_file(DEMO / f"{name}.yaml")
    settings = SaveSettings(folder=tmp_path, name="cells")
    found = estimate_of(settings, PlannedRun.of(core, sequence))
    output = settings.output(core=core)
    assert output is not None
    with po.install(core):
        core.mda.run(sequence, output=output)
    summary = output.result()
    assert (found.frames, found.nbytes) == (summary.frames_written, summary.bytes_written)
    assert found.images == len(po.open_dataset(summary.path).images)
    assert (found.needed_bytes_per_s or 0) > 0


def test_estimate_refuses_what_the_stream_would_refuse(
    small_core: CMMCorePlus, tmp_path: Path
) -> None:
    settings = SaveSettings(folder=tmp_path, backend="acquire-zarr")
    plan = PlannedRun.of(small_core, sequence_of(axis_order="ctp"))
    found = estimate_of(settings, plan)
    with pytest.raises(errors.OptionError) as refused:
        schema = po.schema_from_useq(plan.sequence, cameras=[CAMERA])
        po.open_stream(tmp_path / "a.ome.zarr", schema, backend="acquire-zarr")
    assert found.problem == str(refused.value)


@pytest.mark.parametrize("is_on", [True, False])
def test_estimate_refuses_what_the_microscope_does_not_have(
    small_core: CMMCorePlus, tmp_path: Path, is_on: bool
) -> None:
    plan = PlannedRun.of(small_core, useq.MDASequence(channels=["DAPI", "Cy7"]))
    found = estimate_of(SaveSettings(folder=tmp_path, is_on=is_on), plan)
    assert isinstance(found.error, errors.AcquisitionError)
    assert "has no channel 'Cy7'" in (found.problem or "")


def test_estimate_of_a_sequence_without_events_says_so(
    small_core: CMMCorePlus, tmp_path: Path
) -> None:
    found = estimate_of(
        SaveSettings(folder=tmp_path), PlannedRun.of(small_core, useq.MDASequence())
    )
    assert "acquires no frame" in (found.problem or "")


def test_estimate_without_a_camera_says_so(tmp_path: Path) -> None:
    found = estimate_of(SaveSettings(folder=tmp_path), PlannedRun.of(CMMCorePlus(), sequence_of()))
    assert "no camera is set" in (found.problem or "")
    assert found.path is not None


def test_estimate_of_what_is_not_saved_has_no_place_and_no_warning(
    small_core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = estimate_of(
        SaveSettings(folder=tmp_path, is_on=False), PlannedRun.of(small_core, sequence_of()), 1.0
    )
    assert (found.path, found.frames, found.warnings, found.rate_line) == (None, 12, (), "")
    assert list(tmp_path.iterdir()) == []


def test_estimate_warns_of_a_disk_that_is_too_small() -> None:
    full = Estimate(path=Path("/data/a.ome.zarr"), nbytes=10**12, free_bytes=10**9)
    assert full.lacks_space
    assert "1.0 TB are needed" in full.warnings[0]


@pytest.mark.parametrize(
    ("error", "title", "words"),
    [
        (errors.WriteError("Frame 3 was lost."), "Frames could not be written", "Frame 3 was lost"),
        (errors.StalledError("Stalled."), "The disk has stopped accepting data", "Stalled."),
        (
            errors.StoreExistsError("It exists."),
            "The acquisition cannot be saved there",
            "It exists.",
        ),
        (RuntimeError("Camera not connected"), "The microscope", "switched on"),
        (MemoryError("buffer"), "Memory is full", "faster disk"),
        (KeyError("x"), "unexpected error", "report this"),
    ],
)
def test_advice_says_what_to_do(error: Exception, title: str, words: str) -> None:
    advice = advice_on(error)
    assert title in advice.title
    assert words in advice.text


def test_advice_on_a_full_disk_says_so_first() -> None:
    error = errors.WriteError("Frame 3 could not be written.")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert advice_on(error).text.startswith("The disk is full. Free some space")
    again = errors.WriteError(
        f"It could not be: No space left on device. {advice_on_write(error.__cause__)}."
    )
    assert advice_on(again).text.lower().count("free some space") == 1


def test_newest_frame_holds_one_and_says_what_it_is() -> None:
    newest = NewestFrame()
    assert newest.take() is None
    for t in range(3):
        event = useq.MDAEvent(
            index={"t": t, "p": 1, "c": 0, "z": 4}, pos_name="left", channel="DAPI"
        )
        newest.put(np.full((4, 4), t, "uint16"), event, {"camera_device": "Camera"})
    shown = newest.take()
    assert shown is not None
    assert shown.pixels[0, 0] == 2
    assert shown.caption == "Position left · DAPI · t 2, z 4 · Camera"
    assert newest.take() is None
    assert newest.count == 3


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(300, 400), (300, 400, 3), (1, 1), (5000, 8)])
def test_gray_is_stretched_over_what_is_in_the_frame(dtype: str, shape: tuple[int, ...]) -> None:
    ramp = np.linspace(20, 220, int(np.prod(shape))).reshape(shape).astype(dtype)
    gray = as_gray8(ramp, 100, 100)
    assert gray.dtype == np.uint8
    assert gray.ndim == len(shape)
    assert gray.flags.c_contiguous
    if ramp.size > 1:
        assert gray.min() < 5
        assert gray.max() > 250
    assert as_gray8(np.full(shape, 7, dtype), 100, 100).max() <= 255


@pytest.mark.parametrize(("levels", "count"), [("full size", 1), ("automatic", 2)])
def test_levels_are_what_a_run_stores(levels: str, count: int, tmp_path: Path) -> None:
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "demo.cfg")
    settings = SaveSettings(folder=tmp_path, levels=levels)
    assert (
        SaveSettings().from_metadata({METADATA_KEY: {"save": settings.to_metadata()}}) == settings
    )
    output = settings.output(core=core)
    assert output is not None
    with po.install(core):
        core.mda.run(useq.MDASequence(channels=["DAPI"]), output=output)
    assert len(po.open_dataset(output.result().path).images[0].levels) == count


def test_levels_that_are_none_of_the_choices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.OptionError, match="Levels 'some'"):
        SaveSettings(folder=tmp_path, levels="some").output()
    metadata = {METADATA_KEY: {"save": {"levels": "some"}}}
    assert SaveSettings().from_metadata(metadata) == SaveSettings()
