"""`run_report`: a loss is never reported as a success, and every reason of the store is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pymmcore_ome.stream import Summary, duration_text, run_report

ODD = "2 frames were acquired with settings that failed to apply: no shutter"


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        ({}, "success", ["Saved: 10 frames, 1.0 kB in 3 s (333 bytes/s): "]),
        ({"frames_planned": None}, "success", ["Saved: 10 frames, "]),
        (
            {"frames_before": 7},
            "success",
            ["Saved: 3 added to the 7 from before, 10 frames, 1.0 kB in 3 s"],
        ),
        (
            {"frames_before": 10, "bytes_written": 0},
            "success",
            ["Nothing to acquire: the store has all 10 frames, and none was missing"],
        ),
        (
            {"frames_before": 9, "frames_written": 9},
            "warning",
            ["1 frame of 10 is missing", "0 added to the 9 from before"],
        ),
        ({"reason": ODD}, "warning", ["some settings could not be applied", "no shutter."]),
        (
            {"frames_written": 9, "reason": f"1 of 10 planned frames is missing; {ODD}"},
            "warning",
            ["1 frame of 10 is missing", "9 of 10 planned frames", "read as 0", "no shutter."],
        ),
        (
            {"status": "canceled", "frames_written": 4, "reason": "canceled by the user"},
            "warning",
            ["Canceled", "4 of 10 planned frames"],
        ),
        (
            {"status": "failed", "frames_written": 4, "reason": "The camera was unplugged."},
            "error",
            ["Failed", "4 of 10 planned frames", "The camera was unplugged."],
        ),
    ],
)
def test_report_has_every_reason_of_the_store(
    facts: dict[str, Any], level: str, words: list[str]
) -> None:
    plain = {
        "path": Path("/data/cells.ome.zarr"),
        "status": "complete",
        "reason": None,
        "frames_planned": 10,
        "frames_written": 10,
        "frames_skipped": 0,
        "bytes_written": 1000,
        "duration_s": 3.0,
    }
    report = run_report(Summary(**{**plain, **facts}))
    assert report.level == level
    for part in words:
        assert part in str(report)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min"), (86399.7, "1 d")],
)
def test_duration_is_rounded_before_it_is_split(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
