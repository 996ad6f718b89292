"""The zarrs pipeline of zarr-python is used where it is installed, and never risks what is down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts
import zarr
import zarrs

import pymmcore_ome as po
from helpers import wait_until
from pymmcore_ome.backends.zarr import zarr_python
from pymmcore_ome.testing import encoded_frame
from pymmcore_ome.testing.backend_contract import loops

SHAPE = (6, 8)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shape of every block that zarrs writes."""
    seen: list[tuple[int, ...]] = []
    write = zarrs.ZarrsCodecPipeline.write

    async def noted(self: Any, batch: Any, value: Any, drop_axes: Any = ()) -> None:
        seen.append(value.shape)
        await write(self, batch, value, drop_axes)

    monkeypatch.setattr(zarrs.ZarrsCodecPipeline, "write", noted)
    return seen


def read(path: Path) -> np.ndarray:
    """Read the one array by tensorstore, which did not write it."""
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path.as_posix()}/0/"}}
    return np.asarray(ts.open(spec, open=True, read=True).result().read().result())


@pytest.mark.parametrize("compression", [None, "zstd", "gzip:1", "blosc"])
@pytest.mark.parametrize(
    ("sizes", "options", "expected"),
    [
        ({"t": 4}, {}, [(1, *SHAPE)] * 4),
        ({"t": None}, {}, [(1, *SHAPE)] * 4),
        ({"t": 2, "z": 2}, {"chunks": {"z": 2}}, [(1, 2, *SHAPE)] * 2),
        ({"t": 4}, {"chunks": {"y": 3}, "shards": {"t": 4, "y": 6}}, [(4, *SHAPE)]),
        ({"t": 4}, {"chunks": {"t": 3}}, [(3, *SHAPE), (1, *SHAPE)]),  # cut by the image's end
    ],
)
def test_zarrs_writes_every_block_that_fills_whole_chunks(
    tmp_path: Path,
    writes: list[tuple[int, ...]],
    sizes: Any,
    options: Any,
    expected: list[tuple[int, ...]],
    compression: str | None,
) -> None:
    path = tmp_path / "a.ome.zarr"
    with (
        zarr.config.set({"codec_pipeline.strict": True}),
        po.open_stream(
            path, loops(sizes), backend="zarr-python", compression=compression, **options
        ) as stream,
    ):
        for number in range(4):
            stream.append(encoded_frame(number, SHAPE))
    assert writes == expected
    frames = np.stack([encoded_frame(number, SHAPE) for number in range(4)])
    np.testing.assert_array_equal(read(path).reshape(frames.shape), frames)
    assert po.validate(path, pixels=True) == []


def test_zarrs_never_rewrites_a_chunk_that_holds_listed_frames(
    tmp_path: Path, writes: list[tuple[int, ...]]
) -> None:
    """It writes in place: a crash, or a full disk, would take what the chunk held before."""
    path = tmp_path / "a.ome.zarr"
    chunk = path / "0" / "c" / "0" / "0" / "0"
    stream = po.open_stream(
        path, loops({"t": 4}), backend="zarr-python", chunks={"t": 4}, buffer_bytes=1
    )
    with stream:
        stream.append(encoded_frame(0, SHAPE))
        wait_until(lambda: stream.progress.frames_written == 1)
        before = tmp_path / "before"
        os.link(chunk, before)  # what a reader that opened it then still reads
        old = before.read_bytes()
        stream.append(encoded_frame(1, SHAPE))
    assert before.read_bytes() == old != chunk.read_bytes()
    assert writes == []
    np.testing.assert_array_equal(read(path)[1], encoded_frame(1, SHAPE))


def test_settings_of_zarr_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are everybody's: another thread may open an array while this one writes."""
    seen = []
    write = zarr_python.ZarrPythonBackend.write

    def noted(self: Any, image: int, start: Any, block: Any) -> None:
        write(self, image, start, block)
        seen.append(zarr.config.get("codec_pipeline.path"))

    monkeypatch.setattr(zarr_python.ZarrPythonBackend, "write", noted)
    path, before = tmp_path / "a.ome.zarr", zarr.config.get("codec_pipeline.path")
    with po.open_stream(path, loops({"t": 2}), backend="zarr-python") as stream:
        for number in range(2):
            stream.append(encoded_frame(number, SHAPE))
    assert seen == [before, before]
    assert "zarrs" not in before


def test_without_zarrs_its_own_pipeline_writes(
    tmp_path: Path, writes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    zarr_python.zarrs_settings.cache_clear()
    monkeypatch.setattr(zarr_python, "import_module", missing)
    try:
        path = tmp_path / "a.ome.zarr"
        with po.open_stream(path, loops({"t": 2}), backend="zarr-python") as stream:
            for number in range(2):
                stream.append(encoded_frame(number, SHAPE))
    finally:
        zarr_python.zarrs_settings.cache_clear()
    assert writes == []
    np.testing.assert_array_equal(read(path)[1], encoded_frame(1, SHAPE))
