"""Whether what a reader found is what was written."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from . import expected
from .corpus import DataSet, Picture
from .found import Found
from .registry import BY_NAME, Reader


def read(reader: Reader, path: Path, request: pytest.FixtureRequest) -> dict[str, Found]:
    """Read a store with a reader; Bio-Formats is a fixture, started when it is first needed."""
    adapter: ModuleType = reader.load()
    if reader is BY_NAME["Bio-Formats"]:
        return adapter.read(path, request.getfixturevalue("bioformats"))
    return adapter.read(path)


def check(reader: Reader, data: DataSet, found: dict[str, Found]) -> None:
    """Assert that every image is there, with its pixels and all that the reader tells."""
    wanted = {
        picture.path if reader.format == "ome-zarr" else str(number): picture
        for number, picture in enumerate(data.pictures)
    }
    if reader.name == "napari-ome-zarr" and data.schema.plate is not None:
        wanted = {path: picture for path, picture in wanted.items() if path.endswith("/0")}
    assert list(found) == list(wanted)
    for key, picture in wanted.items():
        check_pixels(found[key], data, picture)
        check_facts(reader, found[key], data, picture)


def check_pixels(found: Found, data: DataSet, picture: Picture, frames: int | None = None) -> None:
    """Assert that an image has its dtype and pixels, after so many frames of the data set."""
    pixels = data.pixels(picture, frames)
    assert found.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(found.pixels, pixels)


def check_facts(reader: Reader, found: Found, data: DataSet, picture: Picture) -> None:
    """Assert that a reader says what it is said to say, and that it is right."""
    facts = expected.facts(data, picture, reader.format)
    assert set(found.facts) == set(reader.tells)
    for name, value in found.facts.items():
        assert _same(value, facts[name]), f"{name}: found {value}, expected {facts[name]}"


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return set(found) == set(wanted) and all(_same(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, (list, tuple)):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    if isinstance(wanted, float):
        return found is not None and math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)
    return bool(found == wanted)
