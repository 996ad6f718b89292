"""Writing at a place of a file, in one call or, as on Windows, in several: the same bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from pymmcore_ome.disk import write_at
from pymmcore_ome.testing import encoded_frame

PIECES = [b"abc", b"", np.arange(5, dtype="<u2"), memoryview(b"xyz")]
WHOLE = b"abc" + np.arange(5, dtype="<u2").tobytes() + b"xyz"


@pytest.fixture(params=["one call", "a few bytes a call", "as on Windows"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "as on Windows":
        monkeypatch.delattr(os, "pwritev", raising=False)
    elif not hasattr(os, "pwritev"):
        pytest.skip("this system has no such call, and the other way is tested")
    elif request.param == "a few bytes a call":
        own = os.pwritev

        def some(file: int, pieces: list[Any], at: int) -> int:
            first = next(piece for piece in pieces if piece.nbytes)
            return own(file, [first[:2]], at)

        monkeypatch.setattr(os, "pwritev", some)


@pytest.mark.usefixtures("system")
def test_pieces_are_written_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"-" * 30)
    with path.open("r+b", buffering=0) as file:
        write_at(file, 4, PIECES)
    assert path.read_bytes() == b"----" + WHOLE + b"-" * (26 - len(WHOLE))


@pytest.mark.usefixtures("system")
def test_tiff_is_the_same_whichever_way_it_is_written(tmp_path: Path) -> None:
    dims = [po.Dimension(name="t", size=40), po.Dimension(name="y", size=6)]
    schema = po.StorageSchema(dimensions=[*dims, po.Dimension(name="x", size=8)], dtype="uint16")
    with po.open_stream(tmp_path / "a.ome.tiff", schema) as stream:
        for number in range(40):
            stream.append(encoded_frame(number, (6, 8)))
    assert po.validate(tmp_path / "a.ome.tiff", pixels=True) == []
