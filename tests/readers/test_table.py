"""The page on readers says what the tests prove, and the tests cover what it promises."""

from __future__ import annotations

from .corpus import DATA_SETS
from .registry import READERS
from .table import END, PAGE, START, text_with_table


def test_page_has_the_table_of_the_registry() -> None:
    text = PAGE.read_text()
    assert START in text
    assert END in text
    assert text_with_table(text) == text, "run PYTHONPATH=tests python -m readers.table"


def test_every_format_has_three_independent_readers() -> None:
    for format_ in ("ome-zarr", "ome-tiff"):
        assert len({reader.name for reader in READERS if reader.format == format_}) >= 3


def test_limits_name_data_sets() -> None:
    for reader in READERS:
        assert set(reader.limits) <= set(DATA_SETS)
