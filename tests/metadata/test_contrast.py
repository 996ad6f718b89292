"""The range of pixel values that viewers show is that of the pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from pymmcore_ome.layout import layout_of
from pymmcore_ome.metadata import ContrastSampler

D = po.Dimension


def windows(path: Path, group: str = "") -> list[dict[str, float]]:
    found = json.loads((path / group / "zarr.json").read_bytes())["attributes"]["ome"]
    return [channel["window"] for channel in found["omero"]["channels"]]


def schema(*dims: po.Dimension, dtype: str = "uint16", **more: Any) -> po.StorageSchema:
    frame = (D(name="y", size=40), D(name="x", size=50))
    return po.StorageSchema(dimensions=(*dims, *frame), dtype=dtype, **more)


def ramp(low: float, high: float, dtype: str = "uint16") -> Any:
    return np.linspace(low, high, 2000).astype(dtype).reshape(40, 50)


@pytest.mark.parametrize("backend", ["native", "tensorstore", "zarr-python"])
def test_window_of_a_channel_is_that_of_its_pixels_in_all_images(
    tmp_path: Path, backend: str
) -> None:
    path = tmp_path / "a.ome.zarr"
    plan = schema(D(name="p", coords=["a", "b"]), D(name="c", coords=["DAPI", "FITC"]))
    with po.open_stream(path, plan, backend=backend) as stream:
        for p, c, low, high in ((0, 0, 100, 200), (0, 1, 5, 9), (1, 0, 300, 400), (1, 1, 6, 10)):
            stream.append(ramp(low, high), at={"p": p, "c": c})
    assert windows(path, "0") == windows(path, "1")
    dapi, fitc = windows(path, "0")
    assert dapi["min"] == 0
    assert dapi["max"] == 65535
    assert dapi["start"] == pytest.approx(100, abs=1)
    assert dapi["end"] == pytest.approx(400, abs=1)
    assert (fitc["start"], fitc["end"]) == pytest.approx((5, 10), abs=1)
    assert po.validate(path) == []


def test_window_while_writing_is_the_range_of_the_camera(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    plan = schema(D(name="t", size=2), D(name="c", coords=["DAPI"]), significant_bits=12)
    with po.open_stream(path, plan) as stream:
        stream.append(ramp(100, 200))
        assert windows(path) == [{"min": 0, "max": 4095, "start": 0, "end": 4095}]
        stream.append(ramp(100, 200))
    assert windows(path)[0]["max"] == 4095
    assert windows(path)[0]["end"] < 201


@pytest.mark.parametrize("value", [0, 7])
def test_window_of_pixels_that_are_all_alike_is_the_range_of_the_camera(
    tmp_path: Path, value: int
) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, schema(D(name="c", coords=["DAPI"]))) as stream:
        stream.append(np.full((40, 50), value, "uint16"))
    assert windows(path) == [{"min": 0, "max": 65535, "start": 0, "end": 65535}]


def test_window_of_floats_ignores_what_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    frame = ramp(-3, 5, "float32")
    frame[0, :2] = np.nan, np.inf
    with po.open_stream(path, schema(D(name="c", coords=["DAPI"]), dtype="float32")) as stream:
        stream.append(frame)
    (window,) = windows(path)
    assert (window["start"], window["end"]) == pytest.approx((-3, 5), abs=0.1)
    assert window["min"] <= window["start"]
    assert window["end"] <= window["max"]


def test_rgb_images_keep_the_range_of_the_camera(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    with po.open_stream(path, schema(D(name="t", size=1), dtype="uint8", rgb=True)) as stream:
        stream.append(np.full((40, 50, 3), (10, 20, 30), "uint8"))
    assert [(w["start"], w["end"]) for w in windows(path)] == [(0, 255)] * 3


def test_a_tiff_keeps_the_windows_in_its_record(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    with po.open_stream(path, schema(D(name="c", coords=["DAPI"]))) as stream:
        stream.append(ramp(100, 200))
    (window,) = po.open_dataset(path).record.contrast.values()
    assert list(window) == pytest.approx([100, 200], abs=1)
    assert po.validate(path) == []


def test_sampler_keeps_few_frames_from_all_of_a_long_run() -> None:
    spec = layout_of(schema(D(name="t", size=10_000), D(name="c", coords=["DAPI"]))).specs[0]
    sampler = ContrastSampler()
    read = []

    def frame(t: int) -> Any:
        read.append(t)
        return np.full((40, 50), t, "uint16")

    for t in range(10_000):
        sampler.add(spec, (t, 0), lambda t=t: frame(t))
    assert len(read) < 64 * 10
    low, high = sampler.windows([spec])["DAPI"]
    assert low == 0
    assert high > 9500


def test_sampler_does_not_keep_an_array_of_the_caller() -> None:
    spec = layout_of(schema(D(name="c", coords=["DAPI"]))).specs[0]
    sampler = ContrastSampler()
    frame = ramp(100, 200)
    sampler.add(spec, (0,), frame)
    frame[:] = 9999
    low, high = sampler.windows([spec])["DAPI"]
    assert low >= 100
    assert high <= 200
