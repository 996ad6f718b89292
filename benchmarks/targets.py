"""What is aimed at, as ratios in one run: the targets, and whether they are met."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .figures import Figures, Rounds, added_mb, ended_rate
from .kept import Measured

Found = Mapping[str, Rounds]


@dataclass(frozen=True)
class Target:
    """One target: a figure of a load, and the least or the most that it may be.

    Attributes
    ----------
    load, what : str
    figure : callable
        From what was found, by contender.
    least, most : float or None
    unit : str
    place : str
        Where it holds; empty: wherever the load ran.
    is_whole : bool
        A part of the load does not show it.
    """

    load: str
    what: str
    figure: Callable[[Found], float]
    least: float | None = None
    most: float | None = None
    unit: str = ""
    place: str = ""
    is_whole: bool = False

    def row(self, place: str, measured: Measured) -> tuple[str, ...]:
        """Return target, place, wanted, found, and whether it is met."""
        limit, word = (self.most, "at most") if self.least is None else (self.least, "at least")
        wanted = f"{word} {limit:g} {self.unit}".strip()
        value = self.figure(measured.found)
        if math.isnan(value):
            return (self.what, place, wanted, "not measured", "")
        is_met = value <= (limit or 0) if self.least is None else value >= self.least
        met = "met" if is_met else "MISSED"
        return (self.what, place, wanted, f"{value:.2f} {self.unit}".strip(), met)


def _of(
    mine: str, other: str, of: Callable[[Figures], float] = ended_rate
) -> Callable[[Found], float]:
    """Return mine by the other's, until closed."""
    return lambda found: _rounds(found, mine).ratio(_rounds(found, other), of)


def _faster(mine: str, other: str, of: Callable[[Figures], float]) -> Callable[[Found], float]:
    return lambda found: _rounds(found, other).ratio(_rounds(found, mine), of)


def _is(mine: str, of: Callable[[Figures], float]) -> Callable[[Found], float]:
    return lambda found: _rounds(found, mine).median(of)


def _rounds(found: Found, name: str) -> Rounds:
    return found.get(name, Rounds())


def _us(figures: Figures) -> float:
    return figures.write_s / figures.frames * 1e6


def _cpu_us(figures: Figures) -> float:
    return figures.cpu_s / figures.frames * 1e6


def _whole_s(figures: Figures) -> float:
    return figures.open_s + figures.ended_s


_FORMATS = (("zarr", "Zarr"), ("tiff", "TIFF"))

TARGETS = (
    *(Target("256", f"256 x 256 {name}, of plain writes", _of(f"ours-{kind}", "raw"), least=0.8)
      for kind, name in _FORMATS),
    Target("256", "256 x 256 Zarr, times ome-writers", _of("ours-zarr", "ow-zarr"), least=3,
           place="memory"),
    Target("256", "256 x 256 Zarr, times ome-writers", _of("ours-zarr", "ow-zarr"), least=5,
           place="disk"),
    Target("256", "256 x 256 TIFF, times ome-writers", _of("ours-tiff", "ow-tiff"), least=4),
    Target("256", "256 x 256 Zarr through tensorstore, of tensorstore alone",
           _of("ours-zarr backend='tensorstore'", "tensorstore"), least=0.9),
    Target("256", "256 x 256 x 20,000 Zarr, files", _is("ours-zarr", lambda f: f.files), most=59,
           is_whole=True),
    *(Target("256", f"256 x 256 {name}, CPU of the process a frame", _is(f"ours-{kind}", _cpu_us),
             most=100, unit="µs") for kind, name in _FORMATS),
    *(Target("2048", f"2048 x 2048 {name}, of plain writes", _of(f"ours-{kind}", "raw"),
             least=0.95) for kind, name in _FORMATS),
    *(Target(load, f"{load} x {load} {name}, memory above the frames that wait",
             _is(f"ours-{kind}", added_mb), most=64, unit="MB")
      for load in ("256", "2048") for kind, name in _FORMATS),
    *(Target("64", f"64 x 64 {name}, times the version before (--before)",
             _of(f"ours-{kind}", f"before-{kind}"), least=2) for kind, name in _FORMATS),
    *(
        Target(load, f"plate of 3,456 fields x 2{state}, {what}, times ome-writers",
               _faster("ours-zarr", "ow-zarr", of), least=least, place=place, is_whole=True)
        for load, state in (("plate-384", ""), ("plate-384-fresh", ", fresh process"))
        for what, of, least, place in (
            ("open", lambda f: f.open_s, 10, ""),
            ("open, write and close", _whole_s, 5, "memory"),
            ("open, write and close", _whole_s, 10, "disk"),
        )
    ),
    *(
        Target(f"levels-{side}", f"{side} x {side} Zarr with {count} levels, {what}",
               of(f"ours-zarr levels={count}"), place="memory", **limit)
        for side, count, least in ((2048, 4, 0.7), (256, 2, 0.6))
        for what, of, limit in (
            ("of without", lambda mine: _of(mine, "ours-zarr"), {"least": least}),
            ("memory above the frames that wait", lambda mine: _is(mine, added_mb),
             {"most": 150, "unit": "MB"}),
        )
    ),
    Target("plate-384", "plate of 3,456 fields x 2, memory", _is("ours-zarr", added_mb), most=64,
           unit="MB", is_whole=True),
    *(
        Target("startup", f"fresh process, {what}", _is(name, lambda f: f.cpu_s), most=most,
               unit="s of CPU")
        for name, what, most in (
            ("open-zarr", "first open_stream, Zarr", 0.35),
            ("open-tiff", "first open_stream, TIFF", 0.8),
            ("info-zarr", "pymmcore-ome info, Zarr", 0.6),
            ("info-tiff", "pymmcore-ome info, TIFF", 0.6),
        )
    ),
    *(
        Target(load, f"mda.run, {camera}, {name}, of no output", _of(f"ours-{kind}", "no-output"),
               least=0.95)
        for load, camera in (("engine-demo", "demo camera"), ("engine-python", "Python camera"))
        for kind, name in _FORMATS
    ),
    *(Target("zstd", f"zstd {name}, of the bare codec in 2 threads",
             _of(f"ours-{kind}", "imagecodecs"), least=0.9) for kind, name in _FORMATS),
    *(
        Target("append", f"append, {name}, {q}", _is(f"ours-{kind}", lambda f, n=n: f.append_us[n]),
               most=most, unit="µs")
        for kind, name in _FORMATS
        for n, q, most in ((0, "p50", 20), (1, "p99", 200))
    ),
    *(
        Target("routing", f"routing, {name}", _is(name, _us), most=3, unit="µs")
        for name in ("regular-index", "regular-arrival", "jagged-index", "jagged-arrival")
    ),
    *(Target("resume-plate", f"plate of 3,456 fields is opened again, {name}",
             _is(f"ours-{kind}", lambda f: f.open_s), most=1, unit="s", is_whole=True)
      for kind, name in _FORMATS),
    *(Target("resume-events", f"an event is left out or not, {name}",
             _is(f"ours-{kind}", _cpu_us), most=5, unit="µs of CPU") for kind, name in _FORMATS),
    Target("tiff-384", "TIFF of 384 images, open and close",
           _is("ours-tiff", lambda f: f.open_s + f.close_s), most=2, unit="s", is_whole=True),
    *(Target("planes", f"close after 200,000 planes, {name}",
             _is(f"ours-{kind}", lambda f: f.close_s), most=3, unit="s", is_whole=True)
      for kind, name in _FORMATS),
)  # fmt: skip


def target_rows(measured: Mapping[tuple[str, str], Measured]) -> list[tuple[str, ...]]:
    """Return a row for each target that was measured, and whether it is met."""
    return [
        target.row(place, found)
        for target in TARGETS
        for (load, place), found in measured.items()
        if load == target.load
        and target.place in ("", place)
        and not (target.is_whole and found.is_quick)
    ]
