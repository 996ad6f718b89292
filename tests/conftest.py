"""Fixtures that every room's tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pymmcore_plus import CMMCorePlus

from pymmcore_ome.schema import Dimension, StorageSchema

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "demo_configs"

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


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
    """The core, at rest before and clean after: no shadows, no listeners, full frame."""
    yield loaded_core
    assert not loaded_core.mda.is_running()
    assert "run" not in vars(loaded_core.mda), "a test left the package installed"
    assert "exec_event" not in vars(loaded_core.mda.engine), "a test left the engine shadowed"
    loaded_core.clearROI()
    loaded_core.setProperty("Camera", "Binning", "1")
    loaded_core.setProperty("Camera", "PixelType", "16bit")


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
