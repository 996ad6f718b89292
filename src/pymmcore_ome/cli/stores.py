"""The commands for a store: `info`, `validate`, `recover`, and `frames`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from pymmcore_ome.errors import NotAStoreError, StoreExistsError, StorePathError

from .arguments import AsJson, Overwrite, PathArgument
from .arguments import levels as level_count
from .terminal import out, print_content, print_json

#: Exit code of a complete store with frames whose settings failed to apply.
SETTINGS_NOT_APPLIED: Final = 4


def info(path: PathArgument, as_json: AsJson = False) -> None:
    """Show the tree, axes, channels, wells, status, and holes of a store."""
    show_store(path, as_json)


def validate(
    path: PathArgument,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Also verify the checksum of every frame.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a store. Exit codes: 1 invalid or missing frames; 4 settings that failed to apply."""
    problems, warnings = checked(path, pixels=pixels)
    if as_json:
        found = {"valid": not problems, "problems": problems, "warnings": warnings}
        print_json({"path": str(path), **found})
    else:
        from .store_text import print_problems

        print_problems(out, problems, warnings, pixels=pixels)
    raise typer.Exit(1 if problems else SETTINGS_NOT_APPLIED if warnings else 0)


def checked(path: Path, *, pixels: bool = False) -> tuple[list[str], list[str]]:
    """Return the problems of a store, and its warnings."""
    from pymmcore_ome.dataset import open_dataset, store_warnings, validate

    problems = validate(path, pixels=pixels)
    try:
        return problems, store_warnings(open_dataset(path))
    except StorePathError:  # not a store, which is a problem already
        return problems, []


def recover(path: PathArgument, as_json: AsJson = False) -> None:
    """Repair a store whose program was interrupted. Changes no pixel; safe to repeat."""
    from pymmcore_ome import dataset

    try:
        before: dataset.Dataset | None = dataset.open_dataset(path)
    except NotAStoreError:
        before = None  # an earlier store may be put back
    after = dataset.recover(path)
    show_store(path, as_json)
    if before is not None and before.record == after.record and not as_json:
        out.print(f"Nothing to recover: the store is {before.status}.")


def levels(
    path: PathArgument,
    count: Annotated[
        str, typer.Option("--levels", help='Levels, the full resolution included, or "auto".')
    ] = "auto",
    downsample: Annotated[
        str, typer.Option(help='How they are made: "mean", or "nearest" for labels.')
    ] = "mean",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace levels that are there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the resolution levels of a closed store. Changes no frame; safe to repeat."""
    from pymmcore_ome.stream import build_levels, count_text, duration_text, size_text

    summary = build_levels(
        path,
        levels=level_count(count) or "auto",
        downsample=downsample,  # type: ignore[arg-type]
        overwrite=overwrite,
    )
    if not as_json:
        frames_text = count_text(summary.frames_written, "frame")
        out.print(
            f"Made the levels of {frames_text}, {size_text(summary.bytes_written)}, in "
            f"{duration_text(summary.duration_s)}.",
            soft_wrap=True,
        )
    show_store(path, as_json)


def frames(
    path: PathArgument,
    to: Annotated[
        str | None, typer.Option(help="csv, tsv, json, jsonl or parquet.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The file to write. Default: standard output.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """List the frames of a store: index, time, exposure, stage, channel."""
    from pymmcore_ome.dataset import flat_rows, open_dataset

    from .frame_table import as_text, format_of, write

    form = format_of(to, output)
    dataset = open_dataset(path)
    if form is None:
        from .store_text import frame_rows

        print_content(frame_rows(flat_rows(dataset), out.width))
        return
    if output is None:
        if form == "parquet":
            raise typer.BadParameter("Parquet is not text. Set --output to the file to write.")
        sys.stdout.buffer.write(as_text(dataset, form).encode())
        return
    if output.exists() and not overwrite:
        raise StoreExistsError(f"{output} already exists. Choose another name, or set --overwrite.")
    write(dataset, form, output)


def show_store(path: Path, as_json: bool) -> None:
    """Print the contents of a store."""
    from pymmcore_ome.dataset import open_dataset

    from .contents import Contents
    from .store_text import describe

    contents = Contents.of(open_dataset(path))
    if as_json:
        print_json(contents.to_json())
    else:
        print_content(describe(contents, out))
