"""`Load`: what is written in one measurement. Data only: it runs nothing."""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

#: Everybody who can carry a load; a load names those that make sense for it.
STREAMS: Final = ("raw", "ours-zarr", "ours-tiff", "tensorstore", "tifffile", "ow-zarr", "ow-tiff")
STORES: Final = ("ours-zarr", "ours-tiff", "ow-zarr", "ow-tiff")


@dataclass(frozen=True)
class Load:
    """One load.

    Attributes
    ----------
    name, title : str
    kind : str
        Which module runs it: ``"stream"``, ``"engine"``, ``"routing"`` or ``"codec"``.
    frames : int
        Of every position.
    positions, wells : int
        Images are positions times wells; no wells: no plate.
    side : int
        Height and width.
    contenders : tuple of str
        The first is what the others are measured against.
    options : tuple of (name, value)
        Of `open_stream`, for our contenders.
    disk_bytes_per_s : float
        How fast a disk that is slow on purpose is; 0: as it is.
    copy : bool
        The producer keeps its arrays, as a script does; a camera hands them over.
    jagged : bool
        Positions have sequences of their own.
    camera : str
        Of an engine load: ``"demo"`` or ``"python"``.
    most_rounds : int
        Where what is looked for is a factor, not a percentage.
    places : tuple of str
        Where it runs: ``"memory"``, ``"disk"``. What is bound by neither needs one only.
    """

    name: str
    title: str
    kind: str = "stream"
    frames: int = 1
    positions: int = 1
    wells: int = 0
    side: int = 256
    contenders: tuple[str, ...] = STREAMS
    options: tuple[tuple[str, object], ...] = ()
    disk_bytes_per_s: float = 0.0
    copy: bool = False
    jagged: bool = False
    camera: str = ""
    most_rounds: int = 99
    places: tuple[str, ...] = ("memory", "disk")

    @property
    def images(self) -> int:
        """Images of the store."""
        return self.positions * (self.wells or 1)

    @property
    def frame_count(self) -> int:
        """Frames of all images."""
        return self.frames * self.images

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame, uint16."""
        return self.side * self.side * 2

    def quick(self) -> Load:
        """Return the same load with about a tenth of the work."""
        if self.wells:
            return replace(self, wells=self.wells // 10)
        if self.positions > 1:
            return replace(self, positions=max(2, self.positions // 10))
        return replace(self, frames=max(20, self.frames // 10))


_PLATES: Final = ("ow-zarr", "ours-zarr", "files")
_SMALL: Final = (("chunks", "auto"),)

LOADS: Final = {
    load.name: load
    for load in (
        Load("2048", "2048 x 2048 x 500", frames=500, side=2048, options=_SMALL),
        Load("256", "256 x 256 x 20,000", frames=20_000, options=_SMALL),
        Load("append", "256 x 256 x 20,000, the buffer never full", frames=20_000,
             options=(*_SMALL, ("buffer_bytes", 4 * 2**30)), contenders=("ours-zarr", "ours-tiff")),
        Load("64", "64 x 64 x 100,000", frames=100_000, side=64, options=_SMALL, most_rounds=1),
        Load(
            "copy", "2048 x 2048 x 500, the caller keeps its arrays",
            frames=500, side=2048, copy=True, contenders=("raw", "ours-zarr", "ours-tiff"),
            most_rounds=3,
        ),
        Load(
            "checksums-2048", "2048 x 2048 x 500, with checksums and without",
            frames=500, side=2048, options=_SMALL,
            contenders=("ours-zarr", "ours-zarr-plain", "ours-tiff", "ours-tiff-plain"),
        ),
        Load(
            "checksums-256", "256 x 256 x 20,000, with checksums and without",
            frames=20_000, options=_SMALL,
            contenders=("ours-zarr", "ours-zarr-plain", "ours-tiff", "ours-tiff-plain"),
        ),
        Load("plate-384", "384 wells x 9 fields x 2 frames", frames=2, positions=9, wells=384,
             side=64, contenders=_PLATES, most_rounds=2),
        Load("plate-1536", "1,536 wells x 4 fields x 1 frame", positions=4, wells=1536, side=64,
             contenders=_PLATES, most_rounds=1),
        Load("tiff-384", "TIFF with 384 images x 30 frames", frames=30, positions=384, side=64,
             contenders=("ow-tiff", "ours-tiff", "ours-tiff-files"), most_rounds=1),
        Load("planes", "200,000 planes of 32 x 32", frames=200_000, side=32, options=_SMALL,
             contenders=("raw", "ours-zarr", "ours-tiff"), most_rounds=2),
        Load("jagged", "jagged, 5,000 events of 128 x 128", frames=5_000, side=128, jagged=True,
             contenders=("raw", "ours-zarr", "ours-tiff"), places=("memory",)),
        Load("slow-disk", "a disk of 100 MB/s, 512 x 512 x 600", frames=600, side=512,
             disk_bytes_per_s=100e6, contenders=("raw", "ours-zarr", "ours-tiff"),
             options=(("buffer_bytes", 64 * 2**20),), places=("memory",)),
        Load("zstd", "2048 x 2048 x 100, zstd:3", kind="codec", frames=100, side=2048,
             contenders=("imagecodecs", "tensorstore", "ours-zarr", "ours-tiff"),
             options=(("compression", "zstd:3"),), places=("memory",)),
        Load("engine-demo", "mda.run, demo camera (FastImage), 512 x 512 x 3,000", kind="engine",
             frames=3_000, side=512, camera="demo", places=("memory",),
             contenders=("no-output", "ours-zarr", "ours-tiff", "ow-zarr", "ow-tiff")),
        Load("engine-python", "mda.run, UniMMCore camera, 512 x 512 x 3,000", kind="engine",
             frames=3_000, side=512, camera="python", places=("memory",),
             contenders=("no-output", "ours-zarr", "ours-tiff", "ow-zarr", "ow-tiff")),
        Load("routing", "the router alone, 100,000 frames", kind="routing", frames=100_000,
             places=("memory",),
             contenders=("regular-index", "regular-arrival", "jagged-index", "jagged-arrival")),
    )
}  # fmt: skip

#: The same load, larger and larger: what the times grow with.
GROWTH: Final = {
    "frames": tuple(
        Load(f"frames-{n}", f"{n} frames of 32 x 32", frames=n, side=32, options=_SMALL,
             contenders=("ours-zarr", "ours-tiff"))
        for n in (5_000, 20_000, 80_000)
    ),
    "images": tuple(
        Load(f"images-{n}", f"{n} images of 1 frame", positions=n, side=32,
             contenders=("ours-zarr", "ours-tiff"))
        for n in (100, 1_000, 10_000)
    ),
}  # fmt: skip


def frames_of(load: Load) -> list[np.ndarray]:
    """Return frames to hand over again and again, more bytes than a cache of 64 MB holds."""
    count = max(4, min(512, 2**26 // load.frame_bytes + 1))
    rng = np.random.default_rng(0)
    shape = (load.side, load.side)
    return [rng.poisson(200, shape).astype("uint16") for _ in range(min(count, load.frame_count))]


def plate_names(wells: int) -> tuple[list[str], list[str]]:
    """Return the rows and columns of a plate of 384 or 1,536 wells."""
    letters = string.ascii_uppercase
    rows = [*letters, *(f"A{letter}" for letter in letters[:6])][: 16 if wells <= 384 else 32]
    return rows, [str(n + 1) for n in range(24 if wells <= 384 else 48)]


def wells_of(load: Load) -> list[tuple[str, str]]:
    """Return row and column of each well that is visited."""
    rows, columns = plate_names(load.wells)
    return [(row, column) for row in rows for column in columns][: load.wells]
