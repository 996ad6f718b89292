"""Tables of what was found, for a terminal and for `results.md`; the targets beside them."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import psutil
from rich.table import Table

from .contender import default_backend
from .figures import Figures, Rounds, added_mb, ended_rate
from .kept import Kept, Measured, Row
from .loads import GROWTH, LOADS, Load
from .targets import target_rows

_PACKAGES = ("pymmcore-ome", "tensorstore", "tifffile", "imagecodecs", "numpy", "zarr",
             "acquire-zarr", "pymmcore-plus", "ome-writers")  # fmt: skip
COLUMNS = ("", "frames/s", "GB/s", "ratio", "until closed", "append p50", "p99", "worst µs",
            "open s", "close s", "CPU µs/frame", "memory MB", "files")  # fmt: skip
_OTHER_COLUMNS = {
    "startup": ("", "CPU s", "wall s"),
    "routing": ("", "µs a call", "ratio"),
    "resume": ("", "open s", "µs an event", "CPU µs an event"),
}
TARGET_HEADS = ("target", "place", "wanted", "found", "")
GROWTH_HEADS = ("with", "", "figure", "median", "exponent", "wanted", "")
#: What a figure may grow with at most, by what grows: 1 is linear, and a tenth is for noise.
_MOST_EXPONENTS = {("images", "open"): 1.1, ("frames", "close"): 1.1, ("frames", "append p50"): 0.1}
GROWTH_TITLE = "What times grow with: the exponent b of a * n^b"


def columns_of(load: Load) -> Row:
    """Return the columns of a load's table."""
    return _OTHER_COLUMNS.get(load.kind, COLUMNS)


def rows_of(load: Load, found: Mapping[str, Rounds]) -> list[Row]:
    """Return a row for each contender, ratios against the first of them."""
    columns = columns_of(load)
    first = found.get(load.contenders[0], Rounds())
    rows = []
    for name, mine in found.items():
        if mine.rounds:
            rows.append((name, *_CELLS.get(load.kind, _stream_cells)(name, mine, first)))
        else:
            rows.append(
                (name, f"cannot: {' '.join(mine.why_not.split())[:80]}", *[""] * (len(columns) - 2))
            )
    return rows


def _startup_cells(name: str, mine: Rounds, first: Rounds) -> Row:
    return tuple(f"{mine.median(of):.2f}" for of in (lambda f: f.cpu_s, lambda f: f.write_s))


def _routing_cells(name: str, mine: Rounds, first: Rounds) -> Row:
    each = mine.median(lambda f: f.write_s / f.frames * 1e6)
    return (f"{each:.2f}", _number(mine.ratio(first, _rate)))


def _stream_cells(name: str, mine: Rounds, first: Rounds) -> Row:
    # ome-writers and acquire-zarr do not report when pixels are written: all that is known is
    # when they have closed
    reports = not name.startswith(("ow-", "acquire-zarr"))
    rate = _rate if reports else ended_rate
    return (
        f"{mine.median(rate):,.0f}",
        f"{mine.median(lambda f: rate(f) * f.nbytes / f.frames / 1e9):.2f}",
        _number(mine.ratio(first, rate)),
        _number(mine.ratio(first, ended_rate)),
        *(f"{mine.median(lambda f, n=n: f.append_us[n]):,.0f}" for n in range(3)),
        f"{mine.median(lambda f: f.open_s):.3f}",
        f"{mine.median(lambda f: f.close_s):.3f}",
        f"{mine.median(lambda f: f.cpu_s / f.frames * 1e6):,.0f}",
        f"{mine.median(added_mb):,.0f}",
        f"{mine.median(lambda f: f.files):,.0f}",
    )


def _resume_cells(name: str, mine: Rounds, first: Rounds) -> Row:
    return (
        f"{mine.median(lambda f: f.open_s):.2f}",
        *(
            f"{mine.median(lambda f, of=of: getattr(f, of) / f.frames * 1e6):.2f}"
            for of in ("write_s", "cpu_s")
        ),
    )


_CELLS = {"startup": _startup_cells, "routing": _routing_cells, "resume": _resume_cells}


def growth_rows(found: Mapping[str, Mapping[int, Mapping[str, Rounds]]]) -> list[Row]:
    """Return a row for each figure that should grow with the load, and its exponent."""
    figures = {
        "open": lambda f: f.open_s, "close": lambda f: f.close_s,
        "append p50": lambda f: f.append_us[0] / 1e6, "write": lambda f: f.write_s,
    }  # fmt: skip
    rows = []
    for what, by_size in found.items():
        for name in next(iter(by_size.values())):
            for figure, of in figures.items():
                values = [by_size[n][name].median(of) for n in by_size]
                shown = ", ".join(
                    f"{n:,}: {_seconds(v)}" for n, v in zip(by_size, values, strict=True)
                )
                found_exponent = _exponent(list(by_size), values)
                most = _MOST_EXPONENTS.get((what, figure))
                judged = ("", "") if most is None else (
                    f"at most {most:g}", "met" if found_exponent <= most else "MISSED"
                )  # fmt: skip
                rows.append((what, name, figure, shown, f"{found_exponent:.2f}", *judged))
    return rows


def table(title: str, columns: Row, rows: list[Row]) -> Table:
    """Return a table for the terminal."""
    shown = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        shown.add_column(column, justify="right" if number else "left", no_wrap=number == 0)
    for row in rows:
        shown.add_row(*row)
    return shown


def markdown(columns: Row, rows: list[Row]) -> str:
    """Return the same as Markdown."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def results(kept: Kept) -> str:
    """Return `results.md`: the machine, the targets, and a table for each load and place."""
    text = [
        "# Results\n",
        "Written by `python -m benchmarks`. What the columns mean: [README](README.md).\n",
        markdown(("", ""), kept.facts),
        "\n## Targets\n",
        markdown(TARGET_HEADS, target_rows(kept.measured)),
    ]
    for name, load in LOADS.items():
        for (measured_load, place), measured in kept.measured.items():
            if measured_load == name:
                rows = rows_of(load, measured.found)
                head = f"\n## {title_of(load, place, measured)}\n"
                text += [head, markdown(columns_of(load), rows)]
    grown = growth_of(kept)
    if grown:
        text += [f"\n## {GROWTH_TITLE}\n", markdown(GROWTH_HEADS, growth_rows(grown))]
    return "\n".join(text)


def title_of(load: Load, place: str, measured: Measured) -> str:
    """Return what a table is headed with: the load, where, and how well it was measured."""
    rounds = "one round" if measured.rounds == 1 else f"{measured.rounds} rounds"
    return (
        f"{load.title}{', a part of it' if measured.is_quick else ''}, in {place} ({rounds}, "
        f"{measured.day}, {measured.waiting:.1f} processes before)"
    )


def growth_of(kept: Kept) -> dict[str, dict[int, dict[str, Rounds]]]:
    """Return what was found at each size that was measured, by what grows."""
    sizes = {
        what: {
            load.frame_count: measured.found
            for load in loads
            for (name, _), measured in kept.measured.items()
            if name == load.name
        }
        for what, loads in GROWTH.items()
    }
    return {what: found for what, found in sizes.items() if len(found) > 1}


def machine_facts(places: Mapping[str, Path]) -> list[Row]:
    """Return what the figures depend on: processor, memory, disks, versions."""
    rows = [
        ("system", f"{platform.system()} {platform.release()}"),
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("memory", f"{psutil.virtual_memory().total / 2**30:.0f} GiB"),
        ("Python", platform.python_version()),
    ]
    rows += [(f"place {name!r}", _file_system(path)) for name, path in places.items()]
    rows += [
        (f"default backend, {kind}", default_backend(kind)) for kind in ("ome-zarr", "ome-tiff")
    ]
    for name in _PACKAGES:
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            rows.append((name, "not installed"))
    return rows


def waiting() -> float:
    """Return how many processes want the processor, over the last minute."""
    return psutil.getloadavg()[0] if hasattr(psutil, "getloadavg") else math.nan


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        return platform.processor() or platform.machine()
    return platform.machine()


def _file_system(path: Path) -> str:
    best = max(
        (
            p
            for p in psutil.disk_partitions(all=True)
            if path.resolve().is_relative_to(p.mountpoint)
        ),
        key=lambda p: len(p.mountpoint),
        default=None,
    )
    return "unknown" if best is None else best.fstype


def _rate(figures: Figures) -> float:
    return figures.frames_per_s


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _seconds(value: float) -> str:
    return f"{value:.3f} s" if value >= 0.001 else f"{value * 1e6:.1f} µs"


def _exponent(sizes: list[int], values: list[float]) -> float:
    """Return b of the best fit of a * n**b."""
    if min(values) <= 0:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
