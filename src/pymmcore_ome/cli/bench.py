"""The command `pymmcore-ome bench`: whether a disk keeps up with a camera."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from .rates import Rate, Source

_LEAST_S = 0.25  # a shorter measurement shows how files are created, not how fast frames are
_SHARE_TO_SPARE = 1.2  # less keeps up with a camera, but not for hours


def bench(
    path: Annotated[
        Path, typer.Option(help="A folder on the disk to measure; test files are removed.")
    ] = Path(),
    config: Annotated[
        Path | None,
        typer.Option(
            help='A Micro-Manager configuration, or "demo"; its camera is measured as configured.'
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(min=0.05, help="Duration for each configuration, over three rounds."),
    ] = 2.0,
) -> None:
    """Measure how fast each backend writes, compared with the camera. Lasts up to a minute."""
    from .rates import Rate, camera_source, measured, synthetic_source

    out = Console(highlight=False)
    source = synthetic_source() if config is None else camera_source(config, seconds)
    out.print(source.description)
    with out.status("Measuring the disk") as status:
        raw, found = measured(source, path, seconds, lambda way: status.update(f"Measuring {way}"))
    rates = [(str(way), rate) for way, rate in found]
    out.print(
        f"The disk at {path.resolve()} sustains {raw / 1e6:,.0f} MB/s of raw writes.",
        soft_wrap=True,
    )
    plain = Rate(raw / source.frames[0].nbytes, raw, 1.0, seconds)
    out.print(_table(source, [("raw writes", plain), *rates]))
    shortest_s = min(rate.elapsed_s for _, rate in rates)
    if shortest_s < _LEAST_S:
        out.print(
            f"A measurement lasted only {shortest_s:.2f} s, which is too short for reliable "
            f"figures. Run again with --seconds {math.ceil(seconds * _LEAST_S / shortest_s)}.",
            style="yellow",
        )
    out.print(_advice(source, rates))


def _table(source: Source, rates: list[tuple[str, Rate]]) -> Table:
    table = Table()
    table.add_column("configuration")
    columns = ["frames/s", "MB/s", "on disk"]
    if source.frames_per_s is not None:
        columns.append("margin")
    for column in columns:
        table.add_column(column, justify="right")
    for name, rate in rates:
        row = [f"{rate.frames_per_s:,.0f}", f"{rate.bytes_per_s / 1e6:,.0f}"]
        row.append(f"{100 * rate.stored_share:.0f} %")
        if source.frames_per_s is not None:
            margin = rate.frames_per_s / source.frames_per_s
            style = "red" if margin < 1 else "yellow" if margin < _SHARE_TO_SPARE else "green"
            row.append(f"[{style}]{margin:.1f} x[/]")
        table.add_row(name, *row)
    return table


def _advice(source: Source, rates: list[tuple[str, Rate]]) -> str:
    if source.frames_per_s is None:
        return "Set --config to compare with the rate of a camera."
    hold = [
        (name, rate)
        for name, rate in rates
        if rate.frames_per_s >= _SHARE_TO_SPARE * source.frames_per_s
    ]
    if not hold:
        return (
            "No configuration keeps up with the camera: acquisition will pause whenever the buffer "
            "fills. Use a faster disk, a smaller ROI, or a longer exposure."
        )
    fastest = max(hold, key=lambda found: found[1].frames_per_s)[0]
    smallest, rate = min(hold, key=lambda found: found[1].stored_share)
    advice = f"Fastest: {fastest}."
    if rate.stored_share < 0.95:
        advice += f" Smallest on disk and still fast enough: {smallest}."
    return advice
