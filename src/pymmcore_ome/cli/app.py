"""The command `pymmcore-ome`. Each command is a thin face on the library.

Exit codes: 0 all is well; 1 it could not be done, or is not valid; 2 the command was wrong;
3 a run was saved, but frames are missing; 130 a run was cancelled.
"""

from __future__ import annotations

import sys
import warnings

import typer

from pymmcore_ome.errors import PymmcoreOmeError

from .reading import frames, info, recover, validate
from .running import demo, run
from .terminal import print_error, print_warning

app = typer.Typer(
    name="pymmcore-ome",
    help="Stream Micro-Manager acquisitions into OME-Zarr and OME-TIFF, every frame in its place.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (demo, run, info, validate, recover, frames):
    app.command()(command)


def main() -> None:
    """Run the command; errors of ours become one readable message and exit code 1."""
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # an unknown letter is no reason to end
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print_warning(str(message))
            app()
    except (PymmcoreOmeError, OSError) as error:
        print_error(error)
        raise SystemExit(1) from None
