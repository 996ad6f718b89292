"""The command `pymmcore-ome`. Each command is a thin face on the library.

Exit codes: 0 all is well, 1 it could not be done or is not valid, 2 the command was wrong.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from pymmcore_ome.errors import PymmcoreOmeError

app = typer.Typer(
    name="pymmcore-ome",
    help="Stream Micro-Manager acquisitions into OME-Zarr and OME-TIFF, every frame in its place.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

PathArgument = Annotated[
    Path, typer.Argument(help="An OME-Zarr store or an OME-TIFF.", show_default=False)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a store that is there.")]


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Where to write.")] = Path("demo.ome.zarr"),
    overwrite: Overwrite = False,
) -> None:
    """Run a real acquisition on the demo camera, save it, validate it, show it."""
    from pymmcore_ome.acquisition import Output
    from pymmcore_ome.dataset import open_dataset, validate

    from .acquire import acquire
    from .demo_files import demo_folder
    from .microscope import load_core, load_sequence
    from .show import describe, print_problems

    folder = demo_folder()
    target = Output(output, overwrite=overwrite)
    target.check()
    core = load_core(folder / "demo.cfg")
    sequence = load_sequence(folder / "demo.yaml")
    out.print("2 positions, 3 time points, 2 channels, 5 planes on the demo camera.")
    summary = acquire(core, sequence, target, out)
    out.print(describe(open_dataset(summary.path)))
    problems = validate(summary.path)
    print_problems(out, problems)
    out.print("\nOpen it:", style="bold")
    is_zarr = target.format == "ome-zarr"
    hints = [
        f"napari --plugin napari-ome-zarr {output}" if is_zarr else f"napari {output}",
        'python -c "import pymmcore_ome as po; '
        f"print(po.open_dataset('{output.as_posix()}').images)\"",
    ]
    if is_zarr and find_spec("zarr"):
        hints.append(f"python -c \"import zarr; print(zarr.open('{output.as_posix()}/0/0'))\"")
    for hint in hints:
        out.print(Text(f"  {hint}"), soft_wrap=True)
    raise typer.Exit(1 if problems else 0)


@app.command()
def run(
    sequence: Annotated[Path, typer.Argument(help="A useq sequence, YAML or JSON.")],
    config: Annotated[Path, typer.Option(help="A Micro-Manager configuration.")],
    output: Annotated[Path, typer.Option(help="Where to write, ends in .ome.zarr or .ome.tiff.")],
    overwrite: Overwrite = False,
    backend: Annotated[str | None, typer.Option(help="The backend by name.")] = None,
    compression: Annotated[
        str | None, typer.Option(help="By name and level, such as zstd:3.")
    ] = None,
) -> None:
    """Run a sequence on a microscope and save it. Ctrl-C cancels and leaves a valid store."""
    from pymmcore_ome.acquisition import Output
    from pymmcore_ome.dataset import open_dataset

    from .acquire import acquire
    from .microscope import load_core, load_sequence
    from .show import describe

    target = Output(output, overwrite=overwrite, backend=backend, compression=compression)
    target.check()
    plan = load_sequence(sequence)
    summary = acquire(load_core(config), plan, target, out)
    out.print(describe(open_dataset(summary.path)))
    raise typer.Exit(0 if summary.status == "complete" else 1)


@app.command()
def info(path: PathArgument) -> None:
    """Show the tree, shapes, channels and status of a store."""
    from pymmcore_ome.dataset import open_dataset

    from .show import describe

    out.print(describe(open_dataset(path)))


@app.command()
def validate(
    path: PathArgument,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Prove every frame's pixels by its checksum, too.")
    ] = False,
) -> None:
    """Check a store; exit code 1 when anything is wrong with it."""
    from pymmcore_ome import dataset

    from .show import print_problems

    problems = dataset.validate(path, pixels=pixels)
    print_problems(out, problems, pixels=pixels)
    raise typer.Exit(1 if problems else 0)


@app.command()
def recover(path: PathArgument) -> None:
    """Finish a store whose program died; changes no pixel, and is safe to run twice."""
    from pymmcore_ome import dataset

    from .show import describe

    out.print(describe(dataset.recover(path)))


def main() -> None:
    """Run the command; errors of ours become one readable line and exit code 1."""
    try:
        app()
    except PymmcoreOmeError as error:
        err.print(Text("Error: ", style="bold red"), Text(str(error)), sep="", soft_wrap=True)
        raise SystemExit(1) from None
