"""`Load`: what is written in one measurement. Data only: it runs nothing."""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

#: Who can carry a load, by default options; a load names those that make sense for it.
STREAMS: Final = (
    "raw", "ours-zarr", "ours-tiff", "ow-zarr", "ow-tiff",
    "tensorstore", "tifffile", "acquire-zarr",
)  # fmt: skip
#: Loads of ``--quick`` where none is named.
QUICK: Final = ("startup", "256", "2048", "plate-384", "append")


@dataclass(frozen=True)
class Load:
    """One load.

    Attributes
    ----------
    name, title : str
    kind : str
        Which module runs it: ``"stream"``, ``"engine"``, ``"routing"``, ``"codec"``,
        ``"resume"`` or ``"startup"``.
    frames : int
        Of every position.
    positions, wells : int
        Images are positions times wells; no wells: no plate.
    side : int
        Height and width.
    contenders : tuple of str
        The first is what the others are measured against.
    extras : tuple of str
        Further contenders, such as ours with options: shown beneath, in fewer rounds.
    options : tuple of (name, value)
        Of `open_stream`, for all our contenders. Where users give none, a load has none.
    is_fresh : bool
        The process has opened no store before.
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
    extras: tuple[str, ...] = ()
    options: tuple[tuple[str, object], ...] = ()
    disk_bytes_per_s: float = 0.0
    copy: bool = False
    jagged: bool = False
    is_fresh: bool = False
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

    def without_extras(self) -> Load:
        """Return the same load by default options only."""
        return replace(self, extras=())

    def for_targets(self) -> Load:
        """Return the same load with what its targets compare, and fewer frames where they may."""
        part = _FOR_TARGETS[self.name]
        return replace(
            self, contenders=part.contenders, frames=part.frames or self.frames, extras=(),
        )  # fmt: skip

    def quick(self) -> Load:
        """Return the same load with a part of the work and of the contenders."""
        named = tuple(name for name in self.contenders if name not in _SLOW_AND_BARE)
        small = replace(self, contenders=named)
        if self.kind == "startup":
            return replace(small, frames=1)
        if self.wells:
            return replace(small, wells=self.wells // 10)
        if self.positions > 1:
            return replace(small, positions=max(2, self.positions // 10))
        part = _QUICK_PARTS.get(self.side, 10)  # of fast loads more, or noise is all there is
        return replace(small, frames=max(20, self.frames // part))


_QUICK_PARTS: Final = {256: 2, 512: 3, 2048: 5}
_SLOW_AND_BARE: Final = ("tifffile", "acquire-zarr")
_PLATES: Final = ("ow-zarr", "ours-zarr", "files")
_OURS: Final = ("ours-zarr", "ours-tiff")
_CHECKSUMS: Final = tuple(
    f"{name}{option}" for name in _OURS for option in ("", " checksums=False")
)
#: Most levels are put off, where the buffer is small and frames come as fast as they can.
_LEVELS_FROM_DISK: Final = tuple(f"{name} levels=2, buffer_bytes={64 * 2**20}" for name in _OURS)


def _levels(count: int) -> tuple[str, ...]:
    """Return our contenders without levels and with so many."""
    return tuple(f"{name}{option}" for name in _OURS for option in ("", f" levels={count}"))


_ENGINE: Final = ("no-output", "ours-zarr", "ours-tiff", "ow-zarr", "ow-tiff")

LOADS: Final = {
    load.name: load
    for load in (
        Load("startup", "CPU of a fresh process", kind="startup", frames=3, places=("memory",),
             contenders=("python", "import", "open-zarr", "open-tiff", "info-zarr", "info-tiff"),
             extras=("closed-zarr", "closed-tiff", "ow-zarr", "ow-tiff")),
        Load("256", "256 x 256 x 20,000", frames=20_000,
             extras=("ours-zarr chunks='auto'", "ours-zarr shards={'t': 1000}",
                     "ours-zarr shards=False", "ours-zarr backend=*",
                     "ours-zarr backend='tensorstore', chunks='auto'",
                     "ours-zarr compression='zstd:1'", "ours-tiff compression='zstd:1'")),
        Load("2048", "2048 x 2048 x 500", frames=500, side=2048,
             extras=("ours-zarr chunks={'y': 512, 'x': 512}", "ours-zarr shards={'t': 50}",
                     "ours-zarr shards=False", "ours-zarr backend=*")),
        Load("64", "64 x 64 x 100,000", frames=100_000, side=64, most_rounds=2,
             extras=("ours-zarr chunks='auto'",)),
        Load("append", "256 x 256 x 20,000, the buffer never full", frames=20_000,
             options=(("buffer_bytes", 4 * 2**30),), contenders=_OURS,
             extras=("ours-zarr chunks='auto'",)),
        Load(
            "copy", "2048 x 2048 x 500, the caller keeps its arrays",
            frames=500, side=2048, copy=True, contenders=("raw", *_OURS), most_rounds=3,
        ),
        Load("checksums-2048", "2048 x 2048 x 500, with checksums and without",
             frames=500, side=2048, contenders=_CHECKSUMS),
        Load("checksums-256", "256 x 256 x 20,000, with checksums and without",
             frames=20_000, contenders=_CHECKSUMS),
        Load("levels-2048", "2048 x 2048 x 100, with 4 resolution levels and without", frames=100,
             side=2048, contenders=_levels(4), options=(("buffer_bytes", 2 * 2**30),),
             extras=_LEVELS_FROM_DISK, places=("memory",)),
        Load("levels-256", "256 x 256 x 5,000, with 2 resolution levels and without", frames=5_000,
             contenders=_levels(2), options=(("buffer_bytes", 2 * 2**30),),
             extras=_LEVELS_FROM_DISK, places=("memory",)),
        Load("plate-384", "384 wells x 9 fields x 2 frames of 128 x 128", frames=2, positions=9,
             wells=384, side=128, contenders=_PLATES, extras=("ours-zarr backend=*",),
             most_rounds=3),
        Load("plate-384-fresh", "384 wells x 9 fields x 2 frames of 128 x 128, a fresh process",
             frames=2, positions=9, wells=384, side=128, contenders=("ow-zarr", "ours-zarr"),
             is_fresh=True, most_rounds=3),
        Load("plate-1536", "1,536 wells x 4 fields x 1 frame", positions=4, wells=1536, side=64,
             contenders=_PLATES, most_rounds=1),
        Load("tiff-384", "TIFF with 384 images x 30 frames", frames=30, positions=384, side=64,
             contenders=("ow-tiff", "ours-tiff"), extras=("ours-tiff files='per-position'",),
             most_rounds=1),
        Load("planes", "200,000 planes of 32 x 32", frames=200_000, side=32,
             contenders=("raw", *_OURS), extras=("ours-zarr chunks='auto'",), most_rounds=2),
        Load("jagged", "jagged, 5,000 events of 128 x 128", frames=5_000, side=128, jagged=True,
             contenders=("raw", *_OURS), places=("memory",)),
        Load("slow-disk", "a disk of 100 MB/s, 512 x 512 x 600", frames=600, side=512,
             disk_bytes_per_s=100e6, contenders=("raw", *_OURS),
             extras=("ours-zarr levels=2", "ours-tiff levels=2"),
             options=(("buffer_bytes", 64 * 2**20),), places=("memory",)),
        Load("zstd", "2048 x 2048 x 100, zstd:3", kind="codec", frames=100, side=2048,
             contenders=("imagecodecs", "tensorstore", *_OURS),
             extras=("ours-zarr backend='tensorstore'",),
             options=(("compression", "zstd:3"),), places=("memory",)),
        Load("engine-demo", "mda.run, demo camera (FastImage), 512 x 512 x 3,000", kind="engine",
             frames=3_000, side=512, camera="demo", places=("memory",), contenders=_ENGINE,
             extras=("ours-zarr chunks='auto'",)),
        Load("engine-python", "mda.run, UniMMCore camera, 512 x 512 x 3,000", kind="engine",
             frames=3_000, side=512, camera="python", places=("memory",), contenders=_ENGINE,
             extras=("ours-zarr chunks='auto'",)),
        Load("routing", "the router alone, 100,000 frames", kind="routing", frames=100_000,
             places=("memory",),
             contenders=("regular-index", "regular-arrival", "jagged-index", "jagged-arrival")),
        Load("resume-plate", "a plate of 3,456 fields x 2 is resumed", kind="resume", frames=2,
             positions=9, wells=384, side=32, places=("disk",), contenders=_OURS),
        Load("resume-events", "100,000 events, of which half have their frames", kind="resume",
             frames=10_000, positions=10, side=8, places=("disk",), contenders=_OURS),
    )
}  # fmt: skip


class _Part(NamedTuple):
    """What of a load the targets need; 0 frames: all."""

    contenders: tuple[str, ...]
    frames: int = 0


_FOR_TARGETS: Final = {
    "startup": _Part(("python", "import", "open-zarr", "open-tiff", "info-zarr", "info-tiff")),
    "256": _Part(
        ("raw", *_OURS, "ow-zarr", "ow-tiff", "tensorstore", "ours-zarr backend='tensorstore'")
    ),
    "2048": _Part(("raw", *_OURS), 250),
    "64": _Part(("raw", *_OURS)),
    "plate-384": _Part(("ow-zarr", "ours-zarr")),
    "plate-384-fresh": _Part(("ow-zarr", "ours-zarr")),
    "zstd": _Part(("imagecodecs", *_OURS)),
    "engine-demo": _Part(("no-output", *_OURS), 2_000),
    "engine-python": _Part(("no-output", *_OURS), 2_000),
}
#: Loads of ``--targets`` where none is named.
FOR_TARGETS: Final = tuple(_FOR_TARGETS)

#: The same load, larger and larger: what the times grow with.
GROWTH: Final = {
    "frames": tuple(
        Load(f"frames-{n}", f"{n} frames of 32 x 32", frames=n, side=32, contenders=_OURS)
        for n in (5_000, 20_000, 80_000)
    ),
    "images": tuple(
        Load(f"images-{n}", f"{n} images of 1 frame", positions=n, side=32, contenders=_OURS)
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
