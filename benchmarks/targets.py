"""What is aimed at, as ratios in one run: the targets, and whether they are met."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .figures import Figures, Rounds

Found = Mapping[str, Rounds]


@dataclass(frozen=True)
class Target:
    """One target: a figure of a load, and the least or the most that it may be."""

    load: str
    what: str
    figure: Callable[[Found], float]
    least: float | None = None
    most: float | None = None
    unit: str = ""


def _rate(figures: Figures) -> float:
    return figures.frames_per_s


def _ended(figures: Figures) -> float:
    return figures.frames / figures.ended_s if figures.ended_s else 0.0


def _of(mine: str, other: str, of: Callable[[Figures], float] = _rate) -> Callable[[Found], float]:
    return lambda found: found[mine].ratio(found[other], of)


def _faster(mine: str, other: str, of: Callable[[Figures], float]) -> Callable[[Found], float]:
    return lambda found: found[other].ratio(found[mine], of)


def _is(mine: str, of: Callable[[Figures], float]) -> Callable[[Found], float]:
    return lambda found: found[mine].median(of)


def _us(figures: Figures) -> float:
    return figures.write_s / figures.frames * 1e6


def _memory_mb(figures: Figures) -> float:
    return (figures.peak_bytes - figures.start_bytes) / 1e6


TARGETS = (
    Target("2048", "2048 x 2048 Zarr, of raw writes", _of("ours-zarr", "raw"), least=0.9),
    Target("2048", "2048 x 2048 TIFF, of raw writes", _of("ours-tiff", "raw"), least=0.9),
    Target("256", "256 x 256 TIFF, of raw writes", _of("ours-tiff", "raw"), least=0.8),
    Target("256", "256 x 256 TIFF until closed, times ome-writers",
           _of("ours-tiff", "ow-tiff", _ended), least=5),
    Target("256", "256 x 256 Zarr, of raw writes", _of("ours-zarr", "raw"), least=0.6),
    Target("256", "256 x 256 Zarr until closed, times ome-writers",
           _of("ours-zarr", "ow-zarr", _ended), least=2.5),
    *(
        Target("append", f"append, {name}, {q}", _is(f"ours-{name}", lambda f, n=n: f.append_us[n]),
               most=most, unit="µs")
        for name in ("zarr", "tiff")
        for n, q, most in ((0, "p50", 20), (1, "p99", 200))
    ),
    *(
        Target("routing", f"routing, {name}", _is(name, _us), most=3, unit="µs")
        for name in ("regular-index", "regular-arrival", "jagged-index", "jagged-arrival")
    ),
    Target("plate-384", "plate of 3,456 fields, open, times ome-writers",
           _faster("ours-zarr", "ow-zarr", lambda f: f.open_s), least=10),
    Target("plate-384", "… close, times ome-writers",
           _faster("ours-zarr", "ow-zarr", lambda f: f.close_s), least=10),
    Target("plate-384", "… memory", _is("ours-zarr", _memory_mb), most=100, unit="MB"),
    Target("tiff-384", "TIFF of 384 images, open and close",
           _is("ours-tiff", lambda f: f.open_s + f.close_s), most=2, unit="s"),
    Target("planes", "close after 200,000 planes, Zarr", _is("ours-zarr", lambda f: f.close_s),
           most=3, unit="s"),
    Target("planes", "close after 200,000 planes, TIFF", _is("ours-tiff", lambda f: f.close_s),
           most=3, unit="s"),
    Target("zstd", "zstd TIFF until closed, of imagecodecs in 2 threads",
           _of("ours-tiff", "imagecodecs", _ended), least=0.85),
    Target("zstd", "zstd Zarr until closed, of tensorstore alone",
           _of("ours-zarr", "tensorstore", _ended), least=0.85),
    *(
        Target(load, f"{load}, {name}, of no output", _of(name, "no-output"), least=0.95)
        for load in ("engine-demo", "engine-python")
        for name in ("ours-zarr", "ours-tiff")
    ),
)  # fmt: skip


def target_rows(found: Mapping[tuple[str, str], Found]) -> list[tuple[str, ...]]:
    """Return a row for each target that was measured, and whether it is met."""
    rows = []
    for target in TARGETS:
        for (load, place), results in found.items():
            if load != target.load:
                continue
            value = target.figure(results)
            is_met = not math.isnan(value) and (
                value >= target.least if target.least is not None else value <= (target.most or 0)
            )
            wanted = (
                f"at least {target.least:g}"
                if target.least is not None
                else f"at most {target.most:g}"
            )
            rows.append(
                (target.what, place, f"{wanted} {target.unit}".strip(),
                 "not measured" if math.isnan(value) else f"{value:.2f} {target.unit}".strip(),
                 "met" if is_met else "MISSED")
            )  # fmt: skip
    return rows
