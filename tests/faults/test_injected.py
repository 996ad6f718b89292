"""Random faults of the operating system: no frame is lost in silence, no listed frame is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .injected import HOW, Injector, build, faults
from .ways import WAYS


def check(folder: Path, count: int, seed: int) -> None:
    library = build(folder)
    if library is None:
        pytest.skip(f"The injector cannot be built: {HOW}")
    injector = Injector(library, folder)
    wrong = [
        f"{way.name}, {kind}: {json.dumps(answer)}"
        for way, kind, answer in faults(injector, count, seed)
        if answer["problem"]
    ]
    injector.close()
    assert wrong == []


def test_store_without_a_fault_is_right_and_its_calls_are_counted(tmp_path: Path) -> None:
    library = build(tmp_path)
    if library is None:
        pytest.skip(f"The injector cannot be built: {HOW}")
    injector = Injector(library, tmp_path)
    for way in WAYS:
        answer = injector.try_fault(way, 0, "EIO")
        assert (answer["ended"], answer["problem"]) == (0, None), way.name
        assert answer["calls"] > 10, way.name
    injector.close()


def test_no_fault_loses_a_frame_in_silence(tmp_path: Path) -> None:
    check(tmp_path, 200, seed=1)


@pytest.mark.slow
def test_no_fault_of_two_thousand_loses_a_frame_in_silence(tmp_path: Path) -> None:
    check(tmp_path, 2000, seed=2)
