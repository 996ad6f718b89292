"""What is written once and read by many: the shelf of stores, and Bio-Formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .bioformats import BioFormats
from .corpus import DataSet, Way


class Shelf:
    """Data sets on disk, each written when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, data: DataSet, way: Way) -> Path:
        """Return where a data set is, written in a way."""
        path = self._folder / way.name / f"{data.name}{way.suffix}"
        if not path.exists():
            data.write(path, **way.options)
        return path


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """All data sets, written in all ways."""
    return Shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="session")
def bioformats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BioFormats]:
    """Bio-Formats, for the whole session; it said nothing but answers."""
    running = BioFormats(tmp_path_factory.mktemp("bioformats"))
    yield running
    running.close()
    assert running.log() == ""
