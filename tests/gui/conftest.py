"""A core whose signals are Qt's, panels on it, and no icon from the network."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import useq
from pymmcore_plus import CMMCorePlus

from conftest import DEMO

if TYPE_CHECKING:
    from pymmcore_ome.gui import AcquisitionPanel

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
GUARD_MS = 80_000  # no test waits that long; it only ends one that hangs


def sequence_of(loops: int = 3, **fields: Any) -> useq.MDASequence:
    """Return a small sequence: two positions, two channels, some times."""
    return useq.MDASequence(
        **{
            "axis_order": "tpc",
            "time_plan": {"interval": 0, "loops": loops},
            "stage_positions": [(0, 0, 0), (20, 10, 1)],
            "channels": [{"config": c, "exposure": 1} for c in ("DAPI", "FITC")],
            **fields,
        }
    )


@pytest.fixture(autouse=True)
def rubbish_is_collected_by_the_window_s_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """A cycle with a QObject that another thread collects is destroyed there, which Qt forbids.

    Our panels are in no cycle (a test says so); what they are made of may be.
    """
    if "qapp" in request.fixturenames:  # it takes a third of a second
        gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="session")
def no_icons_from_the_network() -> Iterator[None]:
    """Offline, each would be waited for."""
    import superqt.iconify as iconify

    def svg_path(*key: Any, **options: Any) -> Any:
        raise OSError("no network in tests")

    original = iconify.svg_path  # type: ignore[attr-defined]
    iconify.svg_path = svg_path  # type: ignore[attr-defined]
    yield
    iconify.svg_path = original  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def loaded_qt_core(qapp: Any, no_icons_from_the_network: None) -> CMMCorePlus:
    """One core for all panels, made after the QApplication."""
    logging.getLogger("pymmcore-plus").setLevel(logging.CRITICAL)
    core = CMMCorePlus()
    core.loadSystemConfiguration(DEMO / "demo.cfg")
    return core


@pytest.fixture
def qt_core(loaded_qt_core: CMMCorePlus) -> Iterator[CMMCorePlus]:
    """The core, small frames, at rest before and clean after."""
    loaded_qt_core.setROI(0, 0, 64, 48)
    yield loaded_qt_core
    assert not loaded_qt_core.mda.is_running()
    assert "run" not in vars(loaded_qt_core.mda), "a test left the package installed"
    assert "exec_event" not in vars(loaded_qt_core.mda.engine), "a test left the engine shadowed"
    loaded_qt_core.clearROI()


@pytest.fixture
def make_panel(qtbot: Any, qt_core: CMMCorePlus, tmp_path: Path) -> Callable[..., AcquisitionPanel]:
    """Return what makes a panel that saves into tmp_path, with a small sequence."""
    from pymmcore_ome.gui import AcquisitionPanel, SaveSettings

    def make(
        sequence: useq.MDASequence | None = None, *, is_kept: bool = True, **changes: Any
    ) -> AcquisitionPanel:
        settings = SaveSettings(**{"folder": tmp_path, "name": "cells", **changes})
        panel = AcquisitionPanel(qt_core, settings=settings, measures_disk=False)
        if is_kept:
            qtbot.addWidget(panel)
        panel.resize(1180, 860)
        panel.editor.setValue(sequence or sequence_of())
        panel.show()
        return panel

    return make


@pytest.fixture
def wait_until(qtbot: Any) -> Callable[[Callable[[], bool]], None]:
    """Return what lets Qt work until something holds."""
    return lambda holds: qtbot.waitUntil(holds, timeout=GUARD_MS)
