"""`panel_state`: what a panel allows, from what happens. Without Qt."""

from __future__ import annotations

from typing import Any

import pytest

from pymmcore_ome.gui.acquisition_run import RunSnapshot
from pymmcore_ome.gui.panel_state import ForeignRun, panel_state
from pymmcore_ome.stream import Progress


def progress(held: int, skipped: int = 0) -> Progress:
    return Progress(10, 3, skipped, 3, 30, held, 100, 0.0, 1.0)


@pytest.mark.parametrize(
    ("given", "allowed", "status"),
    [
        ({}, "edit run", ""),
        ({"last": "It ended"}, "edit run", "It ended"),
        ({"is_checking": True}, "cancel", "Checking"),
        ({"foreign": ForeignRun(2, False)}, "pause cancel", "started elsewhere"),
        ({"foreign": ForeignRun(2, True)}, "pause cancel paused", "started elsewhere"),
        ({"run": RunSnapshot("starting")}, "cancel", "Starting"),
        ({"run": RunSnapshot("running", progress(0))}, "pause cancel", "Acquiring"),
        ({"run": RunSnapshot("running", progress(91))}, "pause cancel", "waiting for the disk"),
        ({"run": RunSnapshot("pausing")}, "pause cancel paused", "Pausing"),
        ({"run": RunSnapshot("paused")}, "pause cancel paused", "Paused"),
        ({"run": RunSnapshot("canceling")}, "cancel", "Canceling"),
        ({"run": RunSnapshot("finishing")}, "cancel", "Writing"),
        ({"run": RunSnapshot("complete")}, "edit run", "Complete"),
        ({"run": RunSnapshot("canceled")}, "edit run", "Canceled"),
        ({"run": RunSnapshot("failed")}, "edit run", "Failed"),
        ({"run": RunSnapshot("failed"), "is_checking": True}, "cancel", "Checking"),
        ({"run": RunSnapshot("running"), "foreign": ForeignRun(1, False)}, "pause cancel", "Acq"),
        ({"is_checking": True, "foreign": ForeignRun(1, False)}, "cancel", "Checking"),
    ],
)
def test_state_follows_from_what_happens(given: dict[str, Any], allowed: str, status: str) -> None:
    state = panel_state(**given)
    flags = {
        "edit": state.can_edit,
        "run": state.can_run,
        "pause": state.can_pause,
        "cancel": state.can_cancel,
        "paused": state.is_paused,
    }
    assert [name for name, is_on in flags.items() if is_on] == allowed.split()
    assert status in state.status


def test_frames_of_a_run_that_was_started_elsewhere_are_counted() -> None:
    assert panel_state(foreign=ForeignRun(1, False)).frames == "1 frame"


@pytest.mark.parametrize(
    ("skipped", "free", "words"),
    [
        (0, None, []),
        (0, 70, []),  # seven frames of ten bytes are left
        (0, 69, ["The disk is filling up: 69 bytes free"]),
        (1, None, ["1 frame skipped"]),
        (2, 10, ["2 frames skipped", "filling up"]),
    ],
)
def test_lost_frames_and_a_full_disk_are_warned_of_while_it_runs(
    skipped: int, free: int | None, words: list[str]
) -> None:
    run = RunSnapshot("running", progress(0, skipped))
    warning = panel_state(run, free_bytes=free).warning
    assert bool(warning) == bool(words)
    assert all(word in warning for word in words)
    over = RunSnapshot("complete", progress(0, skipped))
    assert panel_state(over, free_bytes=free).warning == ""  # the report says it


def test_title_shows_how_far_the_run_is() -> None:
    assert panel_state(RunSnapshot("running", progress(0))).title == "30 % Acquiring"
    assert panel_state(RunSnapshot("starting")).title == "Starting…"
    assert panel_state(RunSnapshot("complete", progress(0))).title == ""
