"""How a run tells how it ended: the thread's result, signals, `Output.result`; and its options."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import useq
import zarr
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from conftest import HANG_S
from helpers import listening
from pymmcore_ome import errors
from pymmcore_ome.backends.zarr.tensorstore import TensorstoreBackend

SEQUENCE = useq.MDASequence(time_plan={"interval": 0.01, "loops": 6})


class Told:
    """What an installation and an output told, in which order."""

    def __init__(self, *sources: Any) -> None:
        self.heard: list[tuple[str, Any]] = []
        for source in sources:
            kind = type(source).__name__
            source.saved.connect(lambda what, kind=kind: self.heard.append((f"{kind} saved", what)))
            source.failed.connect(
                lambda what, kind=kind: self.heard.append((f"{kind} failed", what))
            )


class Breaking(TensorstoreBackend):
    """A disk that takes two frames and no more."""

    def __init__(self) -> None:
        super().__init__()
        self._writes = 0

    def write(self, *args: Any) -> Any:
        self._writes += 1
        if self._writes > 2:
            raise OSError(28, "No space left on device")
        return super().write(*args)


def test_thread_of_a_run_returns_what_was_stored(core: CMMCorePlus, tmp_path: Path) -> None:
    output = po.Output(tmp_path / "b.ome.tiff")
    with po.install(core) as installation:
        told = Told(installation, output)
        thread = core.run_mda(SEQUENCE, output=[tmp_path / "a.ome.zarr", output])
        first, second = thread.result(HANG_S)
    assert (first.frames_written, second.frames_written) == (6, 6)
    assert first.path == tmp_path / "a.ome.zarr"
    assert told.heard == [("Output saved", second), ("Installation saved", (first, second))]


def test_thread_of_a_run_without_our_outputs_has_an_empty_result(core: CMMCorePlus) -> None:
    with po.install(core):
        assert core.run_mda(SEQUENCE).result(HANG_S) == ()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_failed_write_reaches_result_signals_and_excepthook(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: hooked.append(args.exc_value))
    output = po.Output(tmp_path / "a.ome.zarr", backend=Breaking)
    endless = useq.MDASequence(time_plan={"interval": 0.01, "loops": 5000})
    before = core.getXYPosition()
    with po.install(core) as installation, listening(core) as delivered:
        told = Told(installation, output)
        thread = core.run_mda(endless, output=output)
        with pytest.raises(errors.WriteError, match="No space left") as caught:
            thread.result(HANG_S)
        thread.join(HANG_S)
    assert hooked == [caught.value]
    assert told.heard == [("Output failed", caught.value), ("Installation failed", caught.value)]
    assert thread.error is caught.value
    assert len(delivered) < 5000
    assert core.getXYPosition() == before
    with pytest.raises(errors.WriteError):
        output.result()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_refused_path_reaches_result_and_signals_before_anything_moves(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    (tmp_path / "a.ome.zarr").mkdir()
    output = po.Output(tmp_path / "a.ome.zarr")
    with po.install(core) as installation, listening(core) as delivered:
        told = Told(installation, output)
        with pytest.raises(errors.StoreExistsError):
            core.run_mda(SEQUENCE, output=output).result(HANG_S)
    assert [name for name, _ in told.heard] == ["Output failed", "Installation failed"]
    assert not delivered


def test_bad_output_is_refused_where_the_run_is_started(core: CMMCorePlus, tmp_path: Path) -> None:
    with po.install(core, backend="tensorstore"), pytest.raises(errors.OptionError):
        core.run_mda(SEQUENCE, output=tmp_path / "a.ome.tiff")


def test_result_of_a_run_that_goes_on_times_out(core: CMMCorePlus, tmp_path: Path) -> None:
    endless = useq.MDASequence(time_plan={"interval": 0.05, "loops": 5000})
    with po.install(core):
        thread = core.run_mda(endless, output=tmp_path / "a.ome.zarr")
        with pytest.raises(TimeoutError, match="goes on"):
            thread.result(0.2)
        with pytest.raises(errors.RunningError, match="under way"):
            core.run_mda(SEQUENCE)
        core.mda.cancel()
        (summary,) = thread.result(HANG_S)
    assert summary.status == "canceled"


def test_slot_that_raises_changes_nothing(
    core: CMMCorePlus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Any) -> None:
        raise ValueError("a slot of mine")

    with po.install(core) as installation:
        installation.saved.connect(broken)
        core.mda.run(SEQUENCE, output=tmp_path / "a.ome.zarr")
        installation.saved.disconnect(broken)
    assert "a slot of mine" in caplog.text
    assert po.validate(tmp_path / "a.ome.zarr") == []


def test_output_without_install_tells_how_it_ended(core: CMMCorePlus, tmp_path: Path) -> None:
    good = po.Output(tmp_path / "a.ome.zarr", core=core)
    bad = po.Output(tmp_path / "a.ome.zarr", core=core)
    told_good, told_bad = Told(good), Told(bad)
    core.mda.run(SEQUENCE, output=good)
    core.mda.run(SEQUENCE, output=bad)
    assert told_good.heard == [("Output saved", good.result())]
    ((name, error),) = told_bad.heard
    assert name == "Output failed"
    assert isinstance(error, errors.StoreExistsError)


def test_dimension_overrides_are_chunks_and_shards_of_our_paths(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    overrides = {"t": {"chunk_size": 1, "shard_size_chunks": 3}, "y": {"chunk_size": 24}}
    with po.install(core, chunks={"x": 16}):
        core.mda.run(SEQUENCE, output=tmp_path / "a.ome.zarr", dimension_overrides=overrides)
        with pytest.raises(errors.OptionError, match="chunk_size"):
            core.mda.run(SEQUENCE, output="b.ome.zarr", dimension_overrides={"t": {"size": 1}})
        with pytest.raises(errors.OptionError, match="needs a chunk_size"):
            core.run_mda(
                SEQUENCE, output="b.ome.zarr", dimension_overrides={"t": {"shard_size_chunks": 1}}
            )
    array = zarr.open_array(tmp_path / "a.ome.zarr" / "0")
    assert array.chunks == (1, 24, 16)
    assert array.shards == (3, 48, 64) or array.shards == (3, 24, 16)
    assert po.validate(tmp_path / "a.ome.zarr", pixels=True) == []


def test_paths_of_others_keep_the_runners_own_arguments(
    core: CMMCorePlus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[dict[str, Any]] = []
    monkeypatch.setattr(
        type(core.mda), "run", lambda self, events, **options: passed.append(options)
    )
    settings = object()
    with po.install(core):
        core.mda.run(SEQUENCE, output="memory", overwrite=True)
        core.mda.run(SEQUENCE, output=settings, dimension_overrides={"t": {"chunk_size": 1}})
        core.run_mda(SEQUENCE, output="scratch://", overwrite=True).join()
        core.run_mda(SEQUENCE).join()
    assert passed == [
        {"output": "memory", "overwrite": True},
        {"output": settings, "dimension_overrides": {"t": {"chunk_size": 1}}},
        {"output": "scratch://", "overwrite": True},
        {"output": None},
    ]


@pytest.mark.parametrize("name", ["exp", "exp.h5", "memory/a", "exp.zarr.gz"])
@pytest.mark.parametrize("method", ["run", "run_mda"])
def test_path_without_a_known_suffix_is_refused(
    core: CMMCorePlus, tmp_path: Path, name: str, method: str
) -> None:
    with po.install(core):
        run = core.mda.run if method == "run" else core.run_mda
        with pytest.raises(errors.OptionError, match=r"End the path in .ome.zarr or .ome.tiff"):
            run(SEQUENCE, output=str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_path_without_a_suffix_is_ours_where_install_names_the_format(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    with po.install(core, format="ome-zarr"):
        core.mda.run(SEQUENCE, output=tmp_path / "exp")
    assert po.validate(tmp_path / "exp") == []


def test_scratch_output_of_the_runner_works_beside_ours(core: CMMCorePlus, tmp_path: Path) -> None:
    if not hasattr(core.mda, "get_view"):
        pytest.skip("pymmcore-plus keeps frames in memory since 0.18; install that")
    with po.install(core):
        core.mda.run(SEQUENCE, output=["memory", tmp_path / "a.ome.zarr"])
    assert po.validate(tmp_path / "a.ome.zarr") == []


def test_one_path_under_two_names_is_refused_and_what_is_there_stays(
    core: CMMCorePlus, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / "a.ome.zarr"
    with po.install(core, overwrite=True):
        core.mda.run(SEQUENCE, output=path)
        with pytest.raises(errors.AcquisitionError, match="name the same path"):
            core.mda.run(SEQUENCE, output=[path, tmp_path / "folder" / ".." / "a.ome.zarr"])
    assert po.validate(path) == []
