"""The command `pymmcore-ome`. Each command is a thin face on the library.

Exit codes: 0 all is well; 1 it could not be done, or is not valid; 2 the command was wrong;
3 a run was saved, but frames are missing; 4 all frames are there, and some were not taken as
asked; 130 a run was cancelled.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from importlib.metadata import version
from typing import Annotated

import typer

from pymmcore_ome.errors import PymmcoreOmeError

from .bench import bench
from .gui import gui
from .run import demo, run
from .stores import frames, info, recover, validate
from .terminal import print_error, print_warning

app = typer.Typer(
    name="pymmcore-ome",
    help="Stream Micro-Manager acquisitions into OME-Zarr and OME-TIFF, every frame in its place.",
    no_args_is_help=True,
    add_completion=False,
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
    """Take the options that stand before a command."""


for command in (demo, run, info, validate, recover, frames, bench, gui):
    app.command()(command)


def ended() -> int:
    """Run the command and return its exit code; errors of ours become one readable message."""
    for stream in (sys.stdout, sys.stderr):  # an unknown letter is no reason to end
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print_warning(str(message))
            app()
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
        with contextlib.suppress(OSError, ValueError):  # a pipe that nobody reads any more
            stream.flush()
    if "pymmcore_plus" in sys.modules:
        # Python's own end may abort the process in a thread of Micro-Manager (its log), which
        # would spoil the exit code. Everything is closed and flushed here.
        os._exit(code)
    raise SystemExit(code)
