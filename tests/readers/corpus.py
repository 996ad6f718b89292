"""Named data sets, the frames that go into them, and what a reader must find.

What is expected is computed from the data set and the frames alone: it asks no layout, no
router and no address where anything went.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import pymmcore_ome as po
from pymmcore_ome import Channel, Dimension, Plate, Position, StorageSchema
from pymmcore_ome.schema import Detector, ImageSchema, Instrument, Objective

HEIGHT, WIDTH = 14, 22
UM_Y, UM_X, UM_Z, STEP_S = 0.25, 0.5, 0.75, 2.5
FRAME = (
    Dimension(name="y", size=HEIGHT, scale=UM_Y, unit="micrometer"),
    Dimension(name="x", size=WIDTH, scale=UM_X, unit="micrometer"),
)
CHANNELS = (
    Channel(
        name="DAPI", color="#3366FF", exposure_ms=20, excitation_nm=385, emission_nm=455,
        fluorophore="DAPI",
    ),
    Channel(
        name="FITC / µ", color="#11EE22", exposure_ms=35.5, excitation_nm=488, emission_nm=525,
        fluorophore="Alexa 488",
    ),
)  # fmt: skip
SCOPE = Instrument(
    name="Ti2",
    manufacturer="Nikon",
    objective=Objective(name="Plan", magnification=40, numerical_aperture=0.95),
    detectors=(Detector(name="Camera", model="Zyla", gain=1.5, offset=100, binning=2),),
)
Event = Mapping[str, int]


def axes(**sizes: int | None) -> tuple[Dimension, ...]:
    """Return the dimensions t, c and z of these sizes, in this order."""
    made = {
        "t": lambda n: Dimension(name="t", size=n, scale=STEP_S, unit="second"),
        "c": lambda n: Dimension(name="c", coords=CHANNELS[:n]),
        "z": lambda n: Dimension(name="z", size=n, scale=UM_Z, unit="micrometer"),
    }
    return tuple(made[name](size) for name, size in sizes.items())


def frame(number: int, dtype: str = "uint16", rgb: bool = False, bits: int | None = 12) -> Any:
    """Return the n-th frame: noise over all that the type can hold, never the same twice."""
    rng = np.random.default_rng(1000 + number)
    shape = (HEIGHT, WIDTH, 3) if rgb else (HEIGHT, WIDTH)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.normal(0, 1e3, shape).astype(kind)
    info = np.iinfo(kind)
    high = info.max if bits is None else min(info.max, 2**bits - 1)
    return rng.integers(info.min, high, shape, dtype=kind, endpoint=True)


@dataclass(frozen=True)
class Picture:
    """One image that must be found.

    `path` is its group in an OME-Zarr, `sizes` are those of its axes in OME's order, `at` the
    part of an event's index that leads to it.
    """

    label: str
    path: str
    sizes: Mapping[str, int]
    position: Position = field(default_factory=Position)
    at: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """A schema, the events whose frames are appended, in order of arrival, and the images."""

    name: str
    schema: StorageSchema
    pictures: tuple[Picture, ...]
    events: tuple[Event, ...]
    in_order: bool = True  # a sequential backend can write it
    formats: tuple[str, ...] = ("ome-zarr", "ome-tiff")

    @property
    def bounded(self) -> bool:
        """Whether the number of frames is known before they come."""
        return all(dim.size is not None for dim in self.schema.dimensions)

    def append(self, stream: po.Stream, first: int = 0, last: int | None = None) -> None:
        """Append some of the frames."""
        for number in range(len(self.events))[first:last]:
            stream.append(self.frame(number), at=self.events[number], metadata=self.facts(number))

    def write(self, path: Path, **options: Any) -> Path:
        """Write the whole data set."""
        with po.open_stream(path, self.schema, **options) as stream:
            self.append(stream)
        return path

    def frame(self, number: int) -> Any:
        bits = self.schema.significant_bits
        return frame(number, self.schema.dtype, self.schema.rgb, bits)

    def facts(self, number: int) -> dict[str, float]:
        """Return what the n-th frame brings with it."""
        at = self.picture(self.events[number]).position
        return {
            "delta_t_s": 0.125 + 0.5 * number,
            "exposure_ms": 10.5 + number,
            "x_um": (at.x_um or 0) + 0.01 * number,
            "y_um": (at.y_um or 0) - 0.01 * number,
            "z_um": (at.z_um or 0) + 0.75 * self.events[number].get("z", 0),
        }

    def picture(self, event: Event) -> Picture:
        """Return the image that a frame belongs to."""
        (found,) = (p for p in self.pictures if all(event.get(k, 0) == n for k, n in p.at.items()))
        return found

    def pixels(self, picture: Picture, frames: int | None = None) -> Any:
        """Return an image's pixels as (t, c, z, y, x), what was not appended being 0."""
        samples = 3 if self.schema.rgb else 1
        sizes = [picture.sizes.get(name, 1) for name in "tcz"]
        if self.schema.rgb and "c" not in picture.sizes:
            sizes[1] = 3
        found = np.zeros((*sizes, HEIGHT, WIDTH), self.schema.dtype)
        for number, event in enumerate(self.events[:frames]):
            if self.picture(event) is picture:
                t, c, z = (event.get(name, 0) for name in "tcz")
                pixels = self.frame(number).reshape(HEIGHT, WIDTH, samples)
                found[t, c * samples : (c + 1) * samples, z] = np.moveaxis(pixels, -1, 0)
        return found

    def planes(self, picture: Picture) -> dict[tuple[int, int, int], dict[str, float]]:
        """Return by (t, c, z) what is known of each frame of an image."""
        return {
            (event.get("t", 0), event.get("c", 0), event.get("z", 0)): self.facts(number)
            for number, event in enumerate(self.events)
            if self.picture(event) is picture
        }

    def channels(self, picture: Picture) -> tuple[Channel, ...]:
        """Return the channels of the planes of an image."""
        if not any("c" in event for event in self.events):
            return ()  # the colours of a pixel are no channels of the microscope
        return CHANNELS[: picture.sizes.get("c", 0) // (3 if self.schema.rgb else 1)]


def loops(**sizes: int) -> tuple[Event, ...]:
    """Return the events of a loop nest, slowest first."""
    return tuple(
        dict(zip(sizes, place, strict=True)) for place in product(*map(range, sizes.values()))
    )


def schema(*dimensions: Dimension, **fields: Any) -> StorageSchema:
    """Return a schema with all that can be said of a microscope."""
    settings = {"dtype": "uint16", "significant_bits": 12, "instrument": SCOPE, **fields}
    return StorageSchema(dimensions=(*dimensions, *FRAME), **settings)


def single(dtype: str = "uint16") -> DataSet:
    """One image with all axes."""
    bits = 12 if dtype == "uint16" else None
    made = schema(*axes(t=2, c=2, z=3), dtype=dtype, significant_bits=bits)
    return DataSet(
        "single" if dtype == "uint16" else f"single {dtype}",
        made, (Picture("Pos0", "", dict(t=2, c=2, z=3)),), loops(t=2, c=2, z=3),
    )  # fmt: skip


def positions() -> DataSet:
    """Stage positions, one with a label that is no file name."""
    places = (
        Position(name="left", x_um=10, y_um=-20, z_um=3),
        Position(name="right", label="rechts/oben µ", x_um=110.5, y_um=-20, z_um=4),
        Position(name="far", x_um=1000, y_um=2000, z_um=-5),
    )
    t, c, z = axes(t=2, c=2, z=2)
    return DataSet(
        "multi-position",
        schema(t, Dimension(name="p", coords=places), c, z),
        tuple(
            Picture(p.label or p.name or "", str(n), dict(t=2, c=2, z=2), p, {"p": n})
            for n, p in enumerate(places)
        ),
        loops(t=2, p=3, c=2, z=2),
    )


def grid() -> DataSet:
    """Four tiles around each of two positions."""
    centres = (Position(name="a", x_um=100, y_um=50, z_um=1), Position(name="b", x_um=-300, y_um=0))
    tiles = tuple(
        Position(name=f"r{r}c{c}", x_um=11.0 * c, y_um=-3.5 * r, grid_row=r, grid_column=c)
        for r, c in product(range(2), range(2))
    )
    t, c = axes(t=2, c=2)
    pictures = []
    for (p, centre), (g, tile) in product(enumerate(centres), enumerate(tiles)):
        at = tile.replace(
            name=None, z_um=centre.z_um, x_um=centre.x_um + tile.x_um, y_um=centre.y_um + tile.y_um
        )
        name = f"{centre.name}_{tile.name}"
        pictures.append(Picture(name, str(4 * p + g), dict(t=2, c=2), at, {"p": p, "g": g}))
    return DataSet(
        "grid",
        schema(t, Dimension(name="p", coords=centres), Dimension(name="g", coords=tiles), c),
        tuple(pictures), loops(t=2, p=2, g=4, c=2),
    )  # fmt: skip


def plate() -> DataSet:
    """Two wells of a plate with more, two fields each."""
    fields = [("A", "1", 0), ("A", "1", 1), ("C", "2", 0), ("C", "2", 1)]
    places = tuple(
        Position(
            name=f"{row}{column}_{n}", plate_row=row, plate_column=column,
            x_um=9000.0 * int(column) + 10 * n, y_um=-9000.0 * "ABC".index(row), z_um=2,
        )
        for row, column, n in fields
    )  # fmt: skip
    c, z = axes(c=2, z=2)
    return DataSet(
        "plate",
        schema(
            Dimension(name="p", coords=places), c, z,
            plate=Plate("screen 7", rows=["A", "B", "C"], columns=["1", "2"]),
        ),
        tuple(
            Picture(p.name or "", f"{row}/{column}/{n}", dict(c=2, z=2), p, {"p": number})
            for number, (p, (row, column, n)) in enumerate(zip(places, fields, strict=True))
        ),
        loops(p=4, c=2, z=2),
    )  # fmt: skip


def jagged() -> DataSet:
    """Images each with axes and sizes of their own."""
    shapes: list[dict[str, int]] = [dict(c=2, z=3), dict(t=2), {}, dict(t=3, c=1, z=2)]
    pictures = tuple(
        Picture(f"site {n}", str(n), sizes, Position(name=f"site {n}", x_um=n, y_um=2), {"p": n})
        for n, sizes in enumerate(shapes)
    )
    events: list[Event] = []
    for n, sizes in enumerate(shapes):
        events += [{"p": n, **event} for event in loops(**sizes)]
    rows = [[event.get(name, -1) for name in "ptcz"] for event in events]
    plans = [
        ImageSchema(at=dict(p.at), position=p.position, dimensions=axes(**p.sizes))
        for p in pictures
    ]
    made = schema(images=plans, order={"axes": list("ptcz"), "rows": rows})
    return DataSet("jagged", made, pictures, tuple(events))


def holes() -> DataSet:
    """Frames in no order, and a third of them never."""
    whole = positions()
    some = [n for n in np.random.default_rng(3).permutation(len(whole.events)) if n % 3]
    events = tuple(whole.events[n] for n in some)
    return DataSet("holes", whole.schema, whole.pictures, events, in_order=False)


def rgb(channels: int = 0, deep: bool = True) -> DataSet:
    """Pixels of red, green and blue; with two channels of such pixels, for those who dare."""
    places = (Position(name="left", x_um=1, y_um=2, z_um=3), Position(name="right", x_um=4, y_um=5))
    extra = {"c": channels} if channels else {}
    planes = {"z": 2} if deep else {}
    t, *others = axes(t=2, **extra, **planes)
    sizes = dict(t=2, c=3 * max(1, channels), **planes)
    name = "RGB of two channels" if channels else "RGB"
    return DataSet(
        name if deep else f"{name}, flat",
        schema(
            t, Dimension(name="p", coords=places), *others,
            rgb=True, dtype="uint8", significant_bits=None,
        ),
        tuple(Picture(p.name or "", str(n), sizes, p, {"p": n}) for n, p in enumerate(places)),
        loops(t=2, p=2, **extra, **planes),
        in_order=not deep,  # the samples of a pixel lie z apart in storage
    )  # fmt: skip


def turned(rgb: bool = False) -> DataSet:
    """Axes stored in the order of the acquisition, which is not OME's."""
    made = schema(*axes(z=3, c=2, t=2), storage_order="acquisition", rgb=rgb)
    sizes = dict(t=2, c=6 if rgb else 2, z=3)
    return DataSet(
        "RGB turned" if rgb else "turned", made, (Picture("Pos0", "", sizes),),
        loops(z=3, c=2, t=2),
        formats=("ome-tiff",),
    )  # fmt: skip


def growing() -> DataSet:
    """As many time points as came."""
    places = tuple(Position(name=name, x_um=1, y_um=2, z_um=3) for name in ("one", "two"))
    t, c = axes(t=None, c=2)
    sizes = dict(t=19, c=2)
    return DataSet(
        "growing",
        schema(t, Dimension(name="p", coords=places), c),
        tuple(Picture(p.name or "", str(n), sizes, p, {"p": n}) for n, p in enumerate(places)),
        loops(t=19, p=2, c=2),
    )


DATA_SETS = {
    one.name: one
    for one in (
        single(), positions(), grid(), plate(), jagged(), holes(), rgb(), rgb(2), rgb(deep=False),
        rgb(2, deep=False), turned(),
        turned(rgb=True), growing(),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """A backend and its options."""

    name: str
    format: str
    options: Mapping[str, Any]
    in_order: bool = False  # the backend is sequential
    bounded: bool = False  # the number of frames has to be known

    def holds(self, data: DataSet) -> bool:
        """Whether the backend can write the data set."""
        fits = (data.in_order or not self.in_order) and (data.bounded or not self.bounded)
        return self.format in data.formats and fits

    @property
    def suffix(self) -> str:
        return self.format.replace("ome-", ".ome.")


#: Every way to write; a further backend is one more line.
WAYS = (
    Way("native", "ome-zarr", {}),
    Way("native zstd", "ome-zarr", {"compression": "zstd"}),
    Way(
        "native tiles", "ome-zarr",
        {"backend": "native", "compression": "blosc", "chunks": {"y": 7, "x": 11}},
    ),
    Way("native levels", "ome-zarr", {"levels": 3}),
    Way("native files", "ome-zarr", {"backend": "native", "shards": False}),
    Way("tensorstore", "ome-zarr", {"backend": "tensorstore"}),
    Way("tensorstore zstd", "ome-zarr", {"backend": "tensorstore", "compression": "zstd"}),
    Way(
        "tensorstore sharded", "ome-zarr",
        {"backend": "tensorstore", "compression": "blosc", "chunks": {"y": 7, "x": 11},
         "shards": {"y": 14, "x": 22}},
    ),
    Way("zarr-python", "ome-zarr", {"backend": "zarr-python"}),
    Way("zarr-python gzip", "ome-zarr", {"backend": "zarr-python", "compression": "gzip"}),
    Way("tensorstore gathered", "ome-zarr", {"backend": "tensorstore", "chunks": "auto"}),
    Way("acquire-zarr", "ome-zarr", {"backend": "acquire-zarr"}, in_order=True),
    Way(
        "acquire-zarr blosc", "ome-zarr", {"backend": "acquire-zarr", "compression": "blosc"},
        in_order=True,
    ),
    Way("tiff", "ome-tiff", {}),
    Way("tiff zstd", "ome-tiff", {"compression": "zstd"}),
    Way("tiff lzw", "ome-tiff", {"compression": "lzw"}),
    Way("tiff deflate", "ome-tiff", {"compression": "deflate"}),
    Way("tiff levels", "ome-tiff", {"levels": 3}),
    Way("tiff classic", "ome-tiff", {"bigtiff": False}, bounded=True),
    Way("tiff folder", "ome-tiff", {"files": "per-position"}),
)  # fmt: skip


def cases(format_: str) -> Iterator[tuple[DataSet, Way]]:
    """Yield every data set with every way to write it in a format."""
    for data, way in product(DATA_SETS.values(), WAYS):
        if way.format == format_ and way.holds(data):
            yield data, way
