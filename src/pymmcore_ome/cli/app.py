"""The command `pymmcore-ome`. Each command is a thin layer on the library.

Exit codes: 0 success; 1 an error, or an invalid store; 2 a wrong command line; 3 a run was saved,
but frames are missing; 4 all frames are stored, but some settings could not be applied; 130 a run
was canceled.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from pymmcore_ome.errors import PymmcoreOmeError, how_to_install

from .bench import bench
from .convert import convert
from .run import demo, run
from .stores import frames, info, levels, recover, validate
from .terminal import SPELLED_OUT, print_error, print_warning

app = typer.Typer(
    name="pymmcore-ome",
    help="Stream Micro-Manager acquisitions into OME-Zarr and OME-TIFF.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"pymmcore-ome {version('pymmcore-ome')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Handle the options before a command."""


def gui(
    config: Annotated[
        Path | None,
        typer.Option(help="A Micro-Manager configuration.", show_default="the demo camera"),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Initial folder to save in.", show_default="this folder")
    ] = None,
    name: Annotated[str, typer.Option(help="Initial name of the experiment.")] = "experiment",
) -> None:
    """Open a window to plan, run, save and watch acquisitions."""
    try:
        from pymmcore_ome.gui import SaveSettings, show_window
    except ImportError as error:
        typer.echo(
            f"Error: The window needs Qt, which could not be loaded: {error}. Install it with  "
            f"{how_to_install('gui')}",
            err=True,
        )
        raise typer.Exit(1) from None
    from .microscope import demo_folder, load_core

    chosen = config if config is not None else demo_folder() / "demo.cfg"
    settings = SaveSettings(folder=(folder or Path.cwd()).absolute(), name=name)
    raise typer.Exit(show_window(partial(load_core, chosen), settings))


for command in (demo, run, info, validate, recover, frames, levels, convert, bench, gui):
    app.command()(command)


def ended() -> int:
    """Run the command and return its exit code; errors of the package become one message."""
    for stream in (sys.stdout, sys.stderr):  # an unknown letter is not an error
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=SPELLED_OUT)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print_warning(str(message))
            app(prog_name="pymmcore-ome")
    except (PymmcoreOmeError, OSError) as error:
        print_error(error)
        return 1
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    return 0


def main() -> None:
    """Run the command and end the program."""
    code = ended()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a pipe without a reader
            stream.flush()
    if "pymmcore_plus" in sys.modules:
        # Python's shutdown may abort the process in a logging thread of Micro-Manager, which would
        # change the exit code. Everything is closed and flushed at this point.
        os._exit(code)
    raise SystemExit(code)
