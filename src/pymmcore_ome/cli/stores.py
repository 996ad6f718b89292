"""The commands that look at a store: `info`, `validate`, `recover` and `frames`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from pymmcore_ome.errors import NotAStoreError, StoreExistsError, StorePathError

from .arguments import AsJson, Overwrite, PathArgument
from .terminal import out, print_json, show

#: Exit code of a store that is whole, and of whose frames some were not taken as asked.
FRAMES_NOT_AS_ASKED: Final = 4


def info(path: PathArgument, as_json: AsJson = False) -> None:
    """Show the tree, axes, channels, wells, status and holes of a store."""
    show_store(path, as_json)


def validate(
    path: PathArgument,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Prove every frame's pixels by its checksum, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a store: exit code 1 when it is wrong or lacks frames, 4 when some are not as asked."""
    problems, warnings = checked(path, pixels=pixels)
    if as_json:
        found = {"valid": not problems, "problems": problems, "warnings": warnings}
        print_json({"path": str(path), **found})
    else:
        from .show import print_problems

        print_problems(out, problems, warnings, pixels=pixels)
    raise typer.Exit(1 if problems else FRAMES_NOT_AS_ASKED if warnings else 0)


def checked(path: Path, *, pixels: bool = False) -> tuple[list[str], list[str]]:
    """Return what is wrong with a store, and what is in order but not as it was asked for."""
    from pymmcore_ome.dataset import open_dataset, store_warnings, validate

    problems = validate(path, pixels=pixels)
    try:
        return problems, store_warnings(open_dataset(path))
    except StorePathError:  # no store: told as its problem
        return problems, []


def recover(path: PathArgument, as_json: AsJson = False) -> None:
    """Finish a store whose program died; changes no pixel, and is safe to run twice."""
    from pymmcore_ome import dataset

    try:
        before: str | None = dataset.open_dataset(path).status
    except NotAStoreError:
        before = None  # an earlier store may be put back
    dataset.recover(path)
    show_store(path, as_json)
    if before not in ("incomplete", None) and not as_json:
        out.print(f"There was nothing to recover: it is {before}.")


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
    """List the frames of a store, one a row: place, time, exposure, stage, channel."""
    from pymmcore_ome.dataset import open_dataset

    from .frame_table import as_text, flat_rows, format_of, write

    form = format_of(to, output)
    dataset = open_dataset(path)
    if form is None:
        from .show import frame_rows

        show(frame_rows(flat_rows(dataset), out.width))
        return
    if output is None:
        if form == "parquet":
            raise typer.BadParameter("Parquet is no text: say where to write it with --output.")
        sys.stdout.buffer.write(as_text(dataset, form).encode())
        return
    if output.exists() and not overwrite:
        raise StoreExistsError(f"{output} exists already. Choose another name, or --overwrite.")
    write(dataset, form, output)


def show_store(path: Path, as_json: bool) -> None:
    """Print what a store holds and lacks."""
    from pymmcore_ome.dataset import open_dataset

    from .contents import Contents
    from .show import describe

    contents = Contents.of(open_dataset(path))
    if as_json:
        print_json(contents.to_json())
    else:
        show(describe(contents, out))
