"""The commands that run a microscope: `demo` and `run`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from pymmcore_ome.errors import AcquisitionError, how_to_install

from .arguments import AsFormat, AsJson, Missing, Overwrite, a_path, chunks, levels, shards
from .interrupts import CANCELED
from .stores import SETTINGS_NOT_APPLIED, checked, show_store
from .terminal import err, out, print_content, print_json, print_warning, quoted

if TYPE_CHECKING:
    from pymmcore_ome.stream import Summary

#: Exit code of a run that was saved but lacks planned frames.
FRAMES_MISSING: Final = 3


def demo(
    name: Annotated[str, typer.Argument(help="The name of a demo; see --list.")] = "demo",
    output: Annotated[
        Path | None,
        typer.Option(
            help="Where to write. Default: NAME.ome.zarr.", parser=a_path, metavar="<path>"
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_format: AsFormat = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the demos.")] = False,
) -> None:
    """Run an acquisition on the demo camera, and save, validate, and show it."""
    from .microscope import demo_microscope, demo_sequences

    demos = demo_sequences()
    if show_list:
        for each, (_, shows) in demos.items():
            out.print(Text(f"{each:<18} {shows}"), soft_wrap=True)
        return
    if name not in demos:
        raise typer.BadParameter(f"There is no demo {name!r}: {', '.join(demos)}.")
    from pymmcore_ome.acquisition import Output, forecast

    from .acquire import acquire
    from .microscope import load_core
    from .plan_text import short
    from .sequence_file import load_sequence
    from .store_text import print_problems

    path = Path(f"{name}.ome.zarr") if output is None else output
    target = Output(path, format=as_format, overwrite=overwrite)
    target.check()
    sequence = load_sequence(demos[name][0])
    core = load_core(demo_microscope(demos[name][0]))
    out.print(Text(f"{demos[name][1]}."))
    expected = forecast(core, sequence, target)
    out.print(f"{short(expected)}, on the demo camera.")
    summary = acquire(core, sequence, target, err, expected.duration_s)
    _report(summary, as_json=False)
    problems, warnings = checked(summary.path)
    print_problems(out, problems, warnings)
    _print_contact_sheet(summary, overwrite=overwrite)
    _print_hints(path, summary, is_zarr=target.format == "ome-zarr")
    raise typer.Exit(_exit_code(summary, is_applied=not warnings) or (1 if problems else 0))


def run(
    sequence: Annotated[Path, typer.Argument(help="A useq sequence, YAML or JSON.")],
    config: Annotated[
        Path | None,
        typer.Option(help='Required: a Micro-Manager configuration, or "demo" for the demo one.'),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Required: a path that ends in .ome.zarr or .ome.tiff.",
            parser=a_path,
            metavar="<path>",
        ),
    ] = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the store at --output: acquire what it lacks."),
    ] = False,
    as_format: AsFormat = None,
    backend: Annotated[
        str | None, typer.Option(help="native, tensorstore, zarr-python, acquire-zarr, or tiff.")
    ] = None,
    compression: Annotated[
        str | None, typer.Option(help="By name and level, such as zstd:3.")
    ] = None,
    chunk_sizes: Annotated[
        str | None, typer.Option("--chunks", help='"auto", or such as t=10,y=256,x=256.')
    ] = None,
    shard_sizes: Annotated[
        str | None,
        typer.Option(
            "--shards", help='Such as t=100, in multiples of a chunk; "none": a file each chunk.'
        ),
    ] = None,
    files: Annotated[str, typer.Option(help='"one", or "per-position": OME-TIFF only.')] = "one",
    level_count: Annotated[
        str | None,
        typer.Option(
            "--levels", help='Resolution levels: 2 to 8, or "auto". Default: the full one alone.'
        ),
    ] = None,
    downsample: Annotated[
        str, typer.Option(help='How levels are made: "mean", or "nearest" for labels.')
    ] = "mean",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be stored, without acquiring.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Turn warnings before the start into errors.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run even if the disk is too small for all frames.")
    ] = False,
    unready: Annotated[
        str,
        typer.Option(
            help='If the microscope lacks something: "refuse", or "record" to run and flag frames.'
        ),
    ] = "refuse",
    as_json: AsJson = False,
) -> None:
    """Run a sequence on a microscope and save it. Ctrl-C cancels and leaves a valid store."""
    if config is None:
        raise Missing(
            "Option --config is missing: the path of your microscope's Micro-Manager configuration "
            "(.cfg), or  --config demo  for the demo microscope."
        )
    if output is None:
        raise Missing(
            "Option --output is missing: where to write, such as  --output exp.ome.zarr  or  "
            "--output exp.ome.tiff."
        )
    chosen_chunks, chosen_shards = chunks(chunk_sizes), shards(shard_sizes)
    from pymmcore_ome.acquisition import Output, forecast
    from pymmcore_ome.dataset import open_dataset, store_warnings

    from .acquire import acquire
    from .microscope import load_core
    from .plan_text import plan_json, plan_text, short, too_little_space
    from .sequence_file import load_sequence
    from .sequence_problems import left_out

    target = Output(
        output, format=as_format, overwrite=overwrite, resume=resume,
        backend=backend, compression=compression,
        chunks=chosen_chunks, shards=chosen_shards,
        levels=levels(level_count), downsample=downsample,  # type: ignore[arg-type]
        files=files, unready=unready,  # type: ignore[arg-type]
    )  # fmt: skip
    plan = load_sequence(sequence)
    _warn(left_out(plan.model_copy(deep=True)), strict)
    target.check()
    core = load_core(config)
    expected = forecast(core, plan, target)
    if dry_run and as_json:
        print_json(plan_json(expected))
    elif dry_run:
        print_content(plan_text(expected, out))
        out.print("Nothing was acquired or written.", style="bold")
    for reason in too_little_space(expected):
        is_sure = expected.plan.options.compression is None and not dry_run
        if (is_sure or strict) and not force:
            raise AcquisitionError(f"{reason} To run anyway, pass --force.")
        print_warning(reason)
    if dry_run:
        return
    err.print(f"{short(expected)}. Ctrl-C cancels.", soft_wrap=True)
    summary = acquire(core, plan, target, err, expected.duration_s)
    _report(summary, as_json)
    raise typer.Exit(_exit_code(summary, is_applied=not store_warnings(open_dataset(summary.path))))


def _warn(reasons: Iterable[str], strict: bool) -> None:
    """Print warnings, or raise the first one as an error."""
    for reason in reasons:
        if strict:
            raise AcquisitionError(f"{reason} Remove --strict to run anyway.")
        print_warning(reason)


def _report(summary: Summary, as_json: bool) -> None:
    """Print what a run stored."""
    from pymmcore_ome.dataset import open_dataset
    from pymmcore_ome.stream import run_report

    from .contents import Contents

    if as_json:
        contents = Contents.of(open_dataset(summary.path)).to_json()
        duration_s = round(summary.duration_s, 3)
        print_json({**contents, "pixel_bytes": summary.bytes_written, "duration_s": duration_s})
        return
    report = run_report(summary)
    style = {"success": "green", "warning": "yellow", "error": "red"}[report.level]
    out.print(Text(f"{report.title}: ", style=style), Text(report.text), sep="", soft_wrap=True)
    show_store(summary.path, as_json=False)


def _exit_code(summary: Summary, *, is_applied: bool) -> int:
    if summary.status == "canceled":
        return CANCELED
    if summary.status != "complete":
        return 1
    if summary.frames_missing:
        return FRAMES_MISSING
    return 0 if is_applied else SETTINGS_NOT_APPLIED


def _print_contact_sheet(summary: Summary, *, overwrite: bool) -> None:
    """Write a contact sheet next to a store, and print the command that shows it."""
    from pymmcore_ome.dataset import open_dataset

    from .contact_sheet import write_contact_sheet

    target = summary.path.with_name(f"{summary.path.name}.png")
    if target.exists() and not overwrite:
        print_warning(f"{target.name} exists and was not replaced. Pass --overwrite to replace it.")
        return
    sheet = write_contact_sheet(open_dataset(summary.path), target)
    out.print("\nLook at it:", style="bold")
    command = f"python -m webbrowser {quoted(target.absolute().as_uri())}"
    out.print(Text(f"  {command}"), soft_wrap=True)
    rows, columns = ", ".join(sheet.rows), ", ".join(sheet.columns)
    more = (
        f" (the first {len(sheet.rows)} of {sheet.images})"
        if len(sheet.rows) < sheet.images
        else ""
    )
    out.print(Text(f"Rows: {rows}{more}. Columns: {columns}.", style="dim"), soft_wrap=True)


def _print_hints(path: Path, summary: Summary, *, is_zarr: bool) -> None:
    """Print commands that open a store, which work as printed."""
    from pymmcore_ome.dataset import open_dataset

    name = path.as_posix()
    code = f"import pymmcore_ome as po; print(po.open_dataset({name!r}).images)"
    hints = [
        f"napari --plugin pymmcore-ome {quoted(str(path))}",
        f"python -c {quoted(code)}",
    ]
    if is_zarr and find_spec("zarr"):
        array = "/".join(filter(None, (open_dataset(summary.path).images[0].path, "0")))
        code = f"import zarr; print(zarr.open({f'{name}/{array}'!r}))"
        hints.append(f"python -c {quoted(code)}")
    out.print("\nOpen it:", style="bold")
    for hint in hints:
        out.print(Text(f"  {hint}"), soft_wrap=True)
    if not find_spec("napari"):
        how = how_to_install("napari")
        out.print(Text(f"To install napari:  {how}", style="dim"), soft_wrap=True)
