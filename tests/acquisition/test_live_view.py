"""Live views of real runs: what a second thread sees is what frameReady delivered."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import ndv
import numpy as np
import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import HANG_S
from helpers import index_of, listening
from pymmcore_ome import errors
from pymmcore_ome.stream import ArrayView

SEQUENCE = useq.MDASequence(
    axis_order="tpcz",
    time_plan={"interval": 0, "loops": 3},
    stage_positions=[(0, 0, 0), (10, 10, 1)],
    channels=["DAPI", "FITC"],
    z_plan={"range": 2, "step": 1},
)


@pytest.mark.parametrize(
    ("backend", "options"),
    [("native", {}), ("tensorstore", {}), ("tensorstore", {"chunks": {"z": 2}, "shards": {"z": 4}}),
     ("zarr-python", {}), ("acquire-zarr", {}), ("tiff", {}), ("tiff", {"compression": "zstd"})],
)  # fmt: skip
def test_thread_sees_each_frame_as_it_was_delivered(
    core: CMMCorePlus, tmp_path: Path, backend: str, options: dict[str, Any]
) -> None:
    seen: dict[tuple[int, ...], np.ndarray] = {}
    wrong: list[tuple[int, ...]] = []
    views: list[ArrayView] = []
    done, has_seen = threading.Event(), threading.Event()

    def look() -> None:
        while not done.wait(0.001):
            for place in np.ndindex(views[0].shape[:-2]):
                if not views[0].is_acquired(place):
                    assert not views[0][place].any() or views[0].is_acquired(place)
                    continue
                try:
                    pixels = views[0][place]
                except errors.UnreadableFrameError:
                    assert backend == "acquire-zarr"
                    continue
                if not np.array_equal(seen.setdefault(place, pixels), pixels):
                    wrong.append(place)
                has_seen.set()

    def start(*_: Any) -> None:
        views.append(core.mda.get_view() or output.view())
        reader.start()

    def wait(*_: Any) -> None:
        if len(delivered) == 12:  # of 36: the thread sees some of them while others come
            assert has_seen.wait(HANG_S)

    sequence = SEQUENCE
    if backend == "acquire-zarr":
        sequence = SEQUENCE.replace(axis_order="ptcz")
    output = po.Output(
        tmp_path / f"a.{'ome.tiff' if backend == 'tiff' else 'ome.zarr'}",
        backend=backend,
        **options,
    )
    reader = threading.Thread(target=look, daemon=True)
    core.mda.events.sequenceStarted.connect(start)
    try:
        with po.install(core), listening(core) as delivered:
            core.mda.events.frameReady.connect(wait)
            core.mda.run(sequence, output=output)
    finally:
        core.mda.events.frameReady.disconnect(wait, missing_ok=True)
        core.mda.events.sequenceStarted.disconnect(start)
        done.set()
    reader.join(HANG_S)
    assert not reader.is_alive()
    expected = {_place(views[0], event): pixels for pixels, event, _ in delivered}
    assert len(expected) == 36
    assert wrong == []
    for place, pixels in seen.items():
        np.testing.assert_array_equal(pixels, expected[place])
    for place, pixels in expected.items():  # and when it is over
        np.testing.assert_array_equal(views[0][place], pixels)


def _place(view: ArrayView, event: Any) -> tuple[int, ...]:
    index = index_of(event)
    return tuple(index.get(name, 0) for name in view.dims[:-2])


def test_frame_is_in_the_view_when_frame_ready_tells_of_it(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    found: list[bool] = []

    def on_frame(image: np.ndarray, event: Any, meta: Any) -> None:
        view = core.mda.get_view()
        found.append(view.is_acquired(event.index))
        found.append(np.array_equal(view[_place(view, event)], image))

    core.mda.events.frameReady.connect(on_frame)
    try:
        with po.install(core):
            core.mda.run(SEQUENCE, output=tmp_path / "a.ome.zarr")
    finally:
        core.mda.events.frameReady.disconnect(on_frame)
    assert found == [True] * 72


def test_get_view_is_ours_for_our_runs_alone(core: CMMCorePlus, tmp_path: Path) -> None:
    before = getattr(core.mda, "get_view", None)
    sequence = useq.MDASequence(channels=["DAPI", "FITC"])
    with po.install(core) as installation:
        assert core.mda.get_view() is None
        core.mda.run(sequence, output=["memory", tmp_path / "a.ome.zarr"] if before else
                     tmp_path / "a.ome.zarr")  # fmt: skip
        ours = core.mda.get_view()
        assert isinstance(ours, ArrayView)
        assert ours.dims == ("c", "y", "x")
        core.mda.run(sequence)
        assert core.mda.get_view() is None
        if before is not None:
            core.mda.run(sequence, output="memory")
            assert core.mda.get_view().shape == ours.shape
            assert not isinstance(core.mda.get_view(), ArrayView)
        installation.uninstall()
        assert getattr(core.mda, "get_view", None) == before
    assert ours[1].any()


@pytest.mark.parametrize(
    ("positions", "names"),
    [([(0, 0, 0)], ("Pos0",)),
     ([(0, 0, 0), {"x": 1, "y": 1, "sequence": {"grid_plan": {"rows": 1, "columns": 2}}}], None),
     ([(0, 0, 0), {"x": 1, "y": 1, "sequence": {"z_plan": {"range": 2, "step": 1}}}], None)],
)  # fmt: skip
def test_positions_have_a_slider(
    core: CMMCorePlus, tmp_path: Path, positions: Any, names: tuple[str, ...] | None
) -> None:
    core.setROI(0, 0, 16, 12)
    path = tmp_path / "a.ome.zarr"
    sequence = useq.MDASequence(stage_positions=positions, channels=["DAPI"])
    with po.install(core):
        core.mda.run(sequence, output=path)
        view = core.mda.get_view()
    images = po.open_dataset(path).images
    assert view.dims[0] == "p"
    assert view.shape[0] == len(images)
    assert view.coords["p"] == tuple(image.name for image in images)
    for number, image in enumerate(images):
        block = view[number].reshape(view.shape[1:])
        inside = tuple(slice(image.sizes.get(name, 1)) for name in view.dims[1:])
        np.testing.assert_array_equal(block[inside].reshape(image.shape), image)
        assert np.count_nonzero(block) == np.count_nonzero(image[...])


def test_view_of_an_event_driven_run_is_there_before_its_first_frame(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    core.setROI(0, 0, 16, 12)
    started: list[tuple[Any, Any]] = []

    def start(*_: Any) -> None:
        view = core.mda.get_view()
        started.append((view, (view.shape, view.dtype, view[0].shape)))

    grew = threading.Semaphore(0)
    core.mda.events.sequenceStarted.connect(start)
    events = [{"t": 0, "p": 0}, {"t": 1, "p": 1, "c": 1}, {"t": 2, "p": 1}]

    def source() -> Any:
        started[0][0].coords_changed.connect(lambda: grew.release())
        for index in events:
            yield useq.MDAEvent(index=index)

    try:
        with po.install(core), listening(core) as delivered:
            core.mda.run(source(), output=tmp_path / "a.ome.zarr")
            assert core.mda.get_view() is started[0][0]
    finally:
        core.mda.events.sequenceStarted.disconnect(start)
    view, (shape, dtype, plane) = started[0]
    assert (shape, dtype, plane) == ((1, 1, 1, 1, 12, 16), np.uint16, (1, 1, 1, 12, 16))
    assert view.shape == (2, 3, 2, 1, 12, 16)
    assert grew.acquire(timeout=HANG_S)
    for pixels, event, _ in delivered:
        np.testing.assert_array_equal(view[_place(view, event)], pixels)
    assert not view.is_acquired({"p": 0, "t": 2})


def test_output_without_install_has_a_view(core: CMMCorePlus, tmp_path: Path) -> None:
    core.setROI(0, 0, 16, 12)
    output = po.Output(tmp_path / "a.ome.zarr", core=core)
    assert output.view() is None
    with listening(core) as delivered:
        core.mda.run(SEQUENCE, output=output)
    view = output.view()
    assert view is not None
    for pixels, event, _ in delivered:
        np.testing.assert_array_equal(view[_place(view, event)], pixels)


def test_refused_run_has_no_view_of_its_own(core: CMMCorePlus, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    sequence = useq.MDASequence(channels=["DAPI"])
    with po.install(core):
        core.mda.run(sequence, output=path)
        first = core.mda.get_view()
        with pytest.raises(errors.StoreExistsError):
            core.mda.run(sequence, output=path)
        assert core.mda.get_view() is first  # which is still there
        core.mda.run(sequence, output=path, overwrite=True)
        with pytest.raises(errors.NotAStoreError):
            first[0]
        assert core.mda.get_view()[0].any()


def test_ndv_takes_a_view_for_an_array_with_named_axes(core: CMMCorePlus, tmp_path: Path) -> None:
    core.setROI(0, 0, 16, 12)
    wrappers: list[Any] = []

    def start(*_: Any) -> None:
        wrappers.append(ndv.DataWrapper.create(core.mda.get_view()))
        wrappers.append(wrappers[0].isel({0: 0, 1: 0, 2: slice(0, 1)}))

    core.mda.events.sequenceStarted.connect(start)
    try:
        with po.install(core), listening(core) as delivered:
            core.mda.run(SEQUENCE, output=tmp_path / "a.ome.zarr")
    finally:
        core.mda.events.sequenceStarted.disconnect(start)
    wrapper, blank = wrappers
    assert blank.shape == (1, 3, 12, 16)
    assert not blank.any()
    assert wrapper.dims == ("p", "t", "c", "z", "y", "x")
    assert wrapper.sizes() == {"p": 2, "t": 3, "c": 2, "z": 3, "y": 12, "x": 16}
    assert wrapper.guess_channel_axis() == 2
    assert wrapper.channel_names(2) == {0: "DAPI", 1: "FITC"}
    assert wrapper.guess_z_axis() == 3
    scales = {name: wrapper.axis_scales()[name] for name in "zyx"}
    pixel_um = core.getPixelSizeUm()
    assert scales == pytest.approx({"z": 1, "y": pixel_um, "x": pixel_um})
    for pixels, event, _ in delivered:
        index = _place(wrapper.data, event)
        found = wrapper.isel({axis: slice(n, n + 1) for axis, n in enumerate(index)})
        np.testing.assert_array_equal(found.reshape(pixels.shape), pixels)
