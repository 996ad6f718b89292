"""Verbs on a store that is being written: an honest answer, and the writer is not disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from helpers import wait_until
from pymmcore_ome.dataset import validation
from pymmcore_ome.disk import location
from pymmcore_ome.testing.backend_contract import loops

FORMS: dict[str, dict[str, Any]] = {
    "a.ome.zarr": {},
    "b.ome.zarr": {"backend": "tensorstore"},
    "a.ome.tiff": {},
    "b.ome.tiff": {"files": "per-position"},
}
INCOMPLETE = [
    "the run is incomplete. If nothing is writing to it, run `pymmcore-ome recover`, or "
    "pymmcore_ome.recover(path)"
]


def append(stream: po.Stream, path: Path, count: int) -> None:
    """Append frames, and wait until they are listed."""
    for _ in range(count):
        stream.append(np.ones((6, 8), "uint16"))
    expected = stream.progress.frames_appended
    wait_until(lambda: len(po.open_dataset(path).frames()) == expected)


@pytest.mark.parametrize("form", FORMS)
def test_frames_that_arrive_during_validate_are_no_problem(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"checkpoint_s": 0.01, **FORMS[form]}
    stream = po.open_stream(tmp_path / form, loops({"t": None, "p": 2}), **options)
    append(stream, tmp_path / form, 4)
    level_problems = validation.level_problems

    def meanwhile(dataset: Any) -> Iterator[str]:
        append(stream, tmp_path / form, 300)  # more than a TIFF has pages for
        yield from level_problems(dataset)

    monkeypatch.setattr(validation, "level_problems", meanwhile)
    assert po.validate(tmp_path / form, pixels=True) == INCOMPLETE
    stream.close()


@pytest.mark.parametrize("form", FORMS)
def test_store_that_is_closed_during_validate_is_validated_again(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = po.open_stream(tmp_path / form, loops({"t": None, "p": 2}), **FORMS[form])
    stream.append(np.ones((6, 8), "uint16"))
    stream.append(np.ones((6, 8), "uint16"))
    document_problems = validation.document_problems

    def meanwhile(dataset: Any) -> Iterator[str]:
        stream.close()
        yield from document_problems(dataset)

    monkeypatch.setattr(validation, "document_problems", meanwhile)
    assert po.validate(tmp_path / form, pixels=True) == []


@pytest.mark.parametrize(("first", "second"), [("per-position", "one"), ("one", "per-position")])
def test_store_that_is_being_written_is_not_replaced_by_one_of_the_other_kind(
    tmp_path: Path, first: str, second: str
) -> None:
    path = tmp_path / "a.ome.tiff"
    with po.open_stream(path, loops({"t": 2}), files=first) as stream:
        stream.append(np.ones((6, 8), "uint16"))
        with pytest.raises(po.errors.StoreExistsError, match="is being written"):
            po.open_stream(path, loops({"t": 2}), files=second, overwrite=True)
        stream.append(np.ones((6, 8), "uint16"))
    assert po.validate(path, pixels=True) == []
    po.open_stream(path, loops({"t": 2}), files=second, overwrite=True).close()


def test_file_that_its_writer_removes_is_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        path = str(tmp_path / "zarr.json.part")

        def stat(self, *, follow_symlinks: bool) -> None:
            raise FileNotFoundError(self.path)

    class Folder:
        def __enter__(self) -> list[Gone]:
            return [Gone()]

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(location.os, "scandir", lambda _: Folder())
    assert location._first_link(tmp_path) is None
