"""Fixtures that every room's tests share."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pymmcore_plus import CMMCorePlus

from pymmcore_ome.schema import Dimension, StorageSchema

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "demo_configs"
#: Width and height of the frames of `core`: what is large takes long, and shows nothing more.
SMALL = (64, 48)

#: Ends a test that hangs. Nothing takes so long, however slow or busy the machine is.
HANG_S = 300.0

#: The width of a terminal, which the processes of pytest-xdist inherit without having one.
os.environ.pop("COLUMNS", None)

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run a part of the tests in this process, since others start slowly; and the long soaks."""
    if config.option.markexpr == "slow":
        return 0
    whole = {str(ROOT), str(ROOT / "tests")}
    here = config.invocation_params.dir
    is_whole = all(str((here / name).resolve()) in whole for name in config.args)
    return (os.cpu_count() or 1) if is_whole else 0


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_not_ignored() -> Iterator[None]:
    """Take Ctrl-C where whoever started the tests ignores it: their children would inherit that."""
    is_ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    if is_ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if is_ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture(scope="session")
def loaded_core() -> CMMCorePlus:
    """One core with our demo configuration, for the whole session; its signals are not Qt's."""
    logging.getLogger("pymmcore-plus").setLevel(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patched:  # tests of panels may have made a QApplication
        patched.setenv("PYMM_SIGNALS_BACKEND", "psygnal")
        core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "demo.cfg")
    return core


@pytest.fixture
def core(loaded_core: CMMCorePlus) -> Iterator[CMMCorePlus]:
    """The core, at rest before and clean after: no shadows, no listeners, small quick frames.

    A test of sizes, regions or exposures sets its own.
    """
    loaded_core.setROI(0, 0, *SMALL)
    loaded_core.setExposure(1)
    yield loaded_core
    for thread in threading.enumerate():  # its error comes after its result, if it is slow
        if thread.name == "pymmcore-ome run":
            thread.join(HANG_S)
    assert not loaded_core.mda.is_running()
    assert "run" not in vars(loaded_core.mda), "a test left the package installed"
    assert "exec_event" not in vars(loaded_core.mda.engine), "a test left the engine shadowed"
    loaded_core.setProperty("Camera", "Binning", "1")
    loaded_core.setProperty("Camera", "PixelType", "16bit")
    loaded_core.setProperty("Camera", "Gain", "0")


@pytest.fixture
def small_schema() -> StorageSchema:
    """Three time points, two positions, two channels, frames of 6 x 8."""
    return StorageSchema(
        dimensions=[
            Dimension(name="t", size=3),
            Dimension(name="p", coords=["left", "right"]),
            Dimension(name="c", coords=["DAPI", "FITC"]),
            Dimension(name="y", size=6),
            Dimension(name="x", size=8),
        ],
        dtype="uint16",
    )
