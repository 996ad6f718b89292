"""Images of different frame sizes and pixel types, beside each other, in every reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pymmcore_ome as po
from pymmcore_ome import Camera, Dimension

from .compare import read
from .corpus import WAYS, Way
from .registry import READERS, Reader

CAMERAS = (
    Camera("Wide", 14, 22, "uint8"),
    Camera("Deep", 7, 11, "uint16", significant_bits=12, pixel_size_um=0.5),
    Camera("Colour", 14, 11, "uint8", rgb=True),
)
SCHEMA = po.StorageSchema(
    dimensions=[
        Dimension(name="t", size=3),
        Dimension(name="p", coords=["left", "right"]),
        Dimension(name="cam", coords=CAMERAS),
        Dimension(name="y", size=14, scale=0.25, unit="micrometer"),
        Dimension(name="x", size=22, scale=0.25, unit="micrometer"),
    ],
    dtype="uint8",
)
pytestmark = [
    pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument:DeprecationWarning")
]


def frame(t: int, p: int, camera: Camera) -> Any:
    rng = np.random.default_rng([t, p, camera.height, camera.width])
    shape = (camera.height, camera.width, 3) if camera.rgb else (camera.height, camera.width)
    return rng.integers(1, 256 if camera.dtype == "uint8" else 4096, shape, dtype=camera.dtype)


@pytest.mark.parametrize(
    ("reader", "way"),
    [
        pytest.param(reader, way, id=f"{reader.name}-{way.name}")
        for reader in READERS
        for way in WAYS
        if way.format == reader.format
    ],
)
def test_cameras_that_differ_are_images_beside_each_other(
    reader: Reader, way: Way, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    reader.load()
    path = tmp_path / f"a{way.suffix}"
    with po.open_stream(path, SCHEMA, **way.options) as stream:
        for t, p, cam in np.ndindex(3, 2, 3):
            stream.append(frame(t, p, CAMERAS[cam]), at={"t": t, "p": p, "cam": cam})
    found = list(read(reader, path, request).values())
    assert len(found) == 6
    for image, (p, cam) in zip(found, np.ndindex(2, 3), strict=True):
        camera = CAMERAS[cam]
        wanted = np.stack([frame(t, p, camera) for t in range(3)])
        wanted = np.moveaxis(wanted, -1, 1) if camera.rgb else wanted[:, np.newaxis]
        np.testing.assert_array_equal(image.pixels, wanted[:, :, np.newaxis])
        assert image.pixels.dtype == camera.dtype
        if "step" in reader.tells:
            size = 0.5 if camera.name == "Deep" else 0.25
            assert image.facts["step"]["x"] == size
