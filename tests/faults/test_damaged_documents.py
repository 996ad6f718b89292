"""Every verb answers a damaged store by a result or by our error, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from faults import damage
from pymmcore_ome import Dimension, StorageSchema, errors

GUARD_S = 1200


def answers(folder: Path, form: str, first: int, count: int) -> list[list[object]]:
    """Return what `damage.py` printed, but for what it tried."""
    done = subprocess.run(
        [sys.executable, damage.__file__, str(folder), form, str(first), str(count)],
        capture_output=True, text=True, check=False, timeout=GUARD_S,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1:], done.stderr)
    return [line for line in lines if line[0] != "trying"]


@pytest.mark.parametrize("form", damage.FORMS)
def test_damaged_document_gets_an_answer_or_our_error(tmp_path: Path, form: str) -> None:
    assert answers(tmp_path, form, 0, 75) == [["ended"]]


@pytest.mark.slow
@pytest.mark.parametrize("form", damage.FORMS)
def test_thousands_of_damaged_documents_get_an_answer_or_our_error(
    tmp_path: Path, form: str
) -> None:
    assert answers(tmp_path, form, 1000, 2500) == [["ended"]]


def test_schema_of_more_images_than_any_store_has_is_refused() -> None:
    dims = [Dimension(name=name, size=size) for name, size in (("p", 10**8), ("y", 4), ("x", 4))]
    with pytest.raises(errors.SchemaError, match="100000000 images"):
        StorageSchema(dimensions=dims, dtype="uint8")
