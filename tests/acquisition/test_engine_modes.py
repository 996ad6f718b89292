"""What a real engine does besides snapping: bursts, colour, Python cameras, pauses, time-outs.

Every test compares what is on disk, event by event, with what frameReady gave an independent
listener; what was not delivered must be a hole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import useq
from pymmcore_plus import CMMCorePlus
from pymmcore_plus.experimental.unicore import CameraDevice, UniMMCore
from pymmcore_plus.mda import MDAEngine

import pymmcore_ome as po
from conftest import DEMO, HANG_S
from helpers import index_of, listening, read_by_zarr, wait_until
from pymmcore_ome import errors

SUFFIXES = (".ome.zarr", ".ome.tiff")
needs_0_18 = pytest.mark.skipif(
    not hasattr(MDAEngine, "_handle_timeout"),
    reason="this engine knows no setup events, time-outs or lost frames; install 0.18 or newer",
)
Delivered = list[tuple[np.ndarray, Any, Any]]


@pytest.fixture
def make_core() -> Iterator[Callable[[str], CMMCorePlus]]:
    """Make cores from demo configurations; each is installed on, and unloaded at the end."""
    made: list[CMMCorePlus] = []

    def make(name: str) -> CMMCorePlus:
        core = CMMCorePlus()
        core.loadSystemConfiguration(DEMO / name)
        po.install(core)
        made.append(core)
        return core

    yield make
    for core in made:
        po.install(core).uninstall()
        core.unloadAllDevices()


def pixels_of(path: Path, image: Any) -> np.ndarray:
    """Read an image by zarr-python or tifffile; the samples of a pixel become channels."""
    if path.suffix == ".zarr":
        return read_by_zarr(path, image.path)
    with tifffile.TiffFile(path) as file:
        series = next(s for s in file.series if s.name == image.name)
        found = np.asarray(series.asarray())
        if series.axes.endswith("S"):
            found = np.moveaxis(found, -1, -3)
        return found.reshape(image.shape)


def check(path: Path, delivered: Delivered) -> po.Dataset:
    """Assert that what was delivered is at its event's place, and nothing else is anywhere."""
    dataset = po.open_dataset(path)
    router = po.FrameRouter(dataset.schema)
    expected = [np.zeros(image.shape, image.dtype) for image in dataset.images]
    for pixels, event, _ in delivered:
        address = router.by_index(index_of(event))
        array = expected[address.image_number]
        region: list[Any] = [*address.index, slice(None), slice(None)]
        if pixels.ndim == 3:
            axis = dataset.images[address.image_number].axes.index("c")
            region[axis] = slice(region[axis], region[axis] + 3)
            pixels = np.moveaxis(pixels, -1, 0)
        array[tuple(region)] = pixels
    for image, wanted in zip(dataset.images, expected, strict=True):
        np.testing.assert_array_equal(pixels_of(path, image), wanted)
    assert len(dataset.frames()) == len(delivered)
    return dataset


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("keep_open", [(), ("z",), ("z", "c")])
def test_stack_in_hardware_is_saved_by_event(
    make_core: Any, tmp_path: Path, suffix: str, keep_open: tuple[str, ...]
) -> None:
    core = make_core("fast.cfg")
    core.setProperty("Camera", "FastImage", "0")
    sequence = useq.MDASequence(
        channels=["DAPI", "FITC"],
        z_plan={"range": 4, "step": 1},
        time_plan={"interval": 0, "loops": 2},
        stage_positions=[(0, 0, 10), (5, 5, 20)],
        axis_order="ptcz",
        keep_shutter_open_across=keep_open,
    )
    bursts = []
    core.mda.events.eventStarted.connect(lambda event: bursts.append(type(event).__name__))
    with listening(core) as delivered:
        core.mda.run(sequence, output=tmp_path / f"a{suffix}")
    assert "SequencedEvent" in bursts, "nothing ran in hardware, so this tested nothing"
    lost = 2 * 2 * 2 * 5 - len(delivered)  # the demo camera may drop some, on a busy machine
    assert delivered
    dataset = check(tmp_path / f"a{suffix}", delivered)
    assert dataset.record.frames == {"planned": 40, "written": 40 - lost, "skipped": lost}
    problems = po.validate(dataset.path, pixels=True)
    assert len(problems) == (1 if lost else 0), problems
    by_place = {(row["image"], row["index"]): row for row in dataset.frames()}
    for _, event, _ in delivered:
        address = po.FrameRouter(dataset.layout).by_index(index_of(event))
        row = by_place[address.image, address.index]
        assert row["z_um"] == pytest.approx(event.z_pos), "where the event was, if no one measured"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("pixel_type", ["32bitRGB", "64bitRGB"])
def test_colour_camera_is_three_channels(
    make_core: Any, tmp_path: Path, suffix: str, pixel_type: str
) -> None:
    core = make_core("rgb.cfg")
    core.setProperty("Camera", "PixelType", pixel_type)
    sequence = useq.MDASequence(
        time_plan={"interval": 0, "loops": 3}, stage_positions=[(0, 0), (1, 1)]
    )
    with listening(core) as delivered:
        core.mda.run(sequence, output=tmp_path / f"a{suffix}")
    assert {pixels.shape for pixels, *_ in delivered} == {(512, 512, 3)}
    dataset = check(tmp_path / f"a{suffix}", delivered)
    assert [c.name for c in dataset.images[0].channels] == ["Red", "Green", "Blue"]
    assert po.validate(dataset.path, pixels=True) == []


class Numbered(CameraDevice):
    """A camera in Python: every frame is full of its own number."""

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        super().__init__()
        self._shape, self._dtype, self._exposure, self.count = shape, dtype, 1.0, 0

    def get_exposure(self) -> float:
        return self._exposure

    def set_exposure(self, exposure: float) -> None:
        self._exposure = exposure

    def shape(self) -> Any:
        return self._shape

    def dtype(self) -> Any:
        return np.dtype(self._dtype)

    def start_sequence(self, n: int | None, get_buffer: Any) -> Iterator[dict[str, Any]]:
        for _ in range(n or 10**6):
            self.count += 1
            buffer = get_buffer(self._shape, self._dtype)
            buffer[...] = self.count
            yield {}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((7, 5), "uint8"), ((30, 40), "float32"), ((64, 48), "uint16"), ((9, 8, 3), "uint8")],
)
def test_python_camera_of_any_size_and_type_is_saved(
    tmp_path: Path, suffix: str, shape: tuple[int, ...], dtype: str
) -> None:
    core = UniMMCore()
    camera = Numbered(shape, dtype)
    core.loadPyDevice("Cam", camera)
    core.initializeDevice("Cam")
    core.setCameraDevice("Cam")
    sequence = useq.MDASequence(
        time_plan={"interval": 0, "loops": 20}, stage_positions=[], z_plan=None
    )
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=tmp_path / f"a{suffix}")
    assert len(delivered) == 20
    assert [int(pixels.flat[0]) for pixels, *_ in delivered] == list(range(1, 21))
    dataset = check(tmp_path / f"a{suffix}", delivered)
    assert dataset.images[0].dtype == dtype
    assert po.validate(dataset.path, pixels=True) == []


@needs_0_18
def test_region_of_a_setup_event_is_in_the_schema(core: CMMCorePlus, tmp_path: Path) -> None:
    sequence = useq.MDASequence(
        channels=["DAPI"],
        setup=useq.MDAEvent(properties=[("Camera", "Binning", "2")], roi=(8, 16, 64, 32)),
    )
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    assert {pixels.shape for pixels, *_ in delivered} == {(32, 64)}
    dataset = check(tmp_path / "a.ome.zarr", delivered)
    assert [axis.scale for axis in dataset.images[0].layout.axes[-2:]] == [0.65, 0.65]


def test_binning_changed_in_the_middle_is_refused_and_the_rest_is_safe(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    def bin_it(_: Any, event: Any, __: Any) -> None:
        if event.index["t"] == 2:
            core.setProperty("Camera", "Binning", "2")

    core.mda.events.frameReady.connect(bin_it)
    slow = useq.MDASequence(time_plan={"interval": 0.01, "loops": 6})
    with (
        po.install(core),
        listening(core) as delivered,
        pytest.raises(errors.FrameError, match=r"got .*ROI, binning"),
    ):
        core.mda.run(slow, output=tmp_path / "a.ome.zarr")
    core.mda.events.frameReady.disconnect(bin_it)
    assert len(delivered) == 3
    assert check(tmp_path / "a.ome.zarr", delivered).status == "failed"


def test_autofocus_events_leave_no_hole(core: CMMCorePlus, tmp_path: Path) -> None:
    sequence = useq.MDASequence(
        stage_positions=[(0, 0, 0), (1, 1, 1)],
        channels=["DAPI", "FITC"],
        autofocus_plan={"autofocus_motor_offset": 1, "axes": ("p",)},
    )
    actions = []
    core.mda.events.eventStarted.connect(lambda e: actions.append(type(e.action).__name__))
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    assert "HardwareAutofocus" in actions
    dataset = check(tmp_path / "a.ome.zarr", delivered)
    assert dataset.record.frames == {"planned": 4, "written": 4, "skipped": 0}


@needs_0_18
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_burst_that_times_out_with_a_warning_leaves_holes(
    core: CMMCorePlus, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The camera stops after four of nine frames; the engine yields None for the rest."""
    engine: Any = core.mda.engine
    monkeypatch.setattr(engine, "timeout_action", "warn")
    monkeypatch.setattr(engine, "timeout_base", 0.5)
    start = core.startSequenceAcquisition

    def start_four(_: int, *rest: Any) -> None:
        start(4, *rest)
        wait_until(lambda: core.getRemainingImageCount() == 4)  # or they time out themselves

    monkeypatch.setattr(core, "startSequenceAcquisition", start_four, raising=False)
    sequence = useq.MDASequence(
        time_plan={"interval": 0, "loops": 9}, stage_positions=[(0, 0), (1, 1)], axis_order="pt"
    )
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=tmp_path / f"a{suffix}")
    assert len(delivered) == 8
    dataset = check(tmp_path / f"a{suffix}", delivered)
    assert dataset.record.frames == {"planned": 18, "written": 8, "skipped": 10}
    assert "10 of 18 planned frames" in (dataset.record.reason or "")


def test_last_frames_of_a_burst_are_fetched_though_the_camera_has_stopped(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy machine: the burst ends between the engine's two questions."""
    is_running = core.isSequenceRunning

    def when_it_has_ended(*camera: str) -> bool:
        while is_running(*camera):
            continue
        return False

    sequence = useq.MDASequence(time_plan=useq.TIntervalLoops(interval=0, loops=5))
    monkeypatch.setattr(core, "isSequenceRunning", when_it_has_ended, raising=False)
    output = tmp_path / "a.ome.zarr"
    with po.install(core), listening(core) as delivered:
        core.mda.run(sequence, output=output)
    assert len(delivered) == 5
    assert core.isSequenceRunning is when_it_has_ended
    assert check(output, delivered).record.frames["written"] == 5


@needs_0_18
def test_camera_of_a_pair_that_loses_frames_leaves_holes_in_its_own_channel(
    make_core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that yields what it got of two cameras, and None for what it did not get."""
    core = make_core("two_cameras.cfg")
    original = type(core.mda.engine).exec_event

    def lossy(self: Any, event: Any) -> Iterator[Any]:
        for payload in original(self, event):
            if index_of(payload[1]) != {"t": 4, "cam": 1}:
                yield payload
        yield None

    monkeypatch.setattr(type(core.mda.engine), "exec_event", lossy)
    sequence = useq.MDASequence(time_plan={"interval": 0, "loops": 5})
    with listening(core) as delivered:
        core.mda.run(sequence, output=tmp_path / "a.ome.zarr")
    assert len(delivered) == 9
    dataset = check(tmp_path / "a.ome.zarr", delivered)
    assert dataset.record.frames == {"planned": 10, "written": 9, "skipped": 1}


def test_pause_and_resume_shift_nothing(core: CMMCorePlus, tmp_path: Path) -> None:
    paused = threading.Event()

    def pause(_: Any, event: Any, __: Any) -> None:
        if event.index["t"] == 2 and not paused.is_set():
            core.mda.set_paused(True) if hasattr(
                core.mda, "set_paused"
            ) else core.mda.toggle_pause()
            paused.set()

    core.mda.events.frameReady.connect(pause)
    sequence = useq.MDASequence(time_plan={"interval": 0.01, "loops": 6}, channels=["DAPI", "FITC"])
    with po.install(core), listening(core) as delivered:
        thread = core.run_mda(sequence, output=tmp_path / "a.ome.zarr")
        assert paused.wait(HANG_S)
        assert thread.is_alive()
        core.mda.set_paused(False) if hasattr(core.mda, "set_paused") else core.mda.toggle_pause()
        (summary,) = thread.result(HANG_S)
    core.mda.events.frameReady.disconnect(pause)
    assert summary.frames_written == len(delivered) == 12
    assert check(tmp_path / "a.ome.zarr", delivered).status == "complete"


def test_two_cores_are_saved_at_once_and_do_not_touch_each_other(
    core: CMMCorePlus, make_core: Any, tmp_path: Path
) -> None:
    other = make_core("fast.cfg")
    sequence = useq.MDASequence(time_plan={"interval": 0.01, "loops": 10})
    with po.install(core), listening(core) as here, listening(other) as there:
        threads = [
            core.run_mda(sequence, output=tmp_path / "here.ome.zarr"),
            other.run_mda(sequence, output=tmp_path / "there.ome.tiff"),
        ]
        for thread in threads:
            thread.result(HANG_S)
    check(tmp_path / "here.ome.zarr", here)
    check(tmp_path / "there.ome.tiff", there)
    assert "run" in vars(other.mda), "uninstalling from one core must leave the other"
