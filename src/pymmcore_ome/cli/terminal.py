"""Standard output and standard error, as terminals, files and pipes want them."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

#: Files and pipes have no width; lines there are not broken for one.
_WIDE: Final = 160


def _console(stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(stderr=stderr, highlight=False, width=_WIDE)
    return console


out = _console()
err = _console(stderr=True)


def show(content: RenderableType) -> None:
    """Print to standard output; in files and pipes without the spaces that fill lines up."""
    if out.is_terminal:
        out.print(content)
        return
    with out.capture() as captured:
        out.print(content)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def print_json(told: dict[str, Any]) -> None:
    """Print one JSON object to standard output."""
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


def print_error(error: BaseException) -> None:
    """Print what went wrong to standard error, as one message."""
    err.print(Text("Error: ", style="bold red"), Text(str(error)), sep="", soft_wrap=True)


def print_warning(text: str) -> None:
    """Print what may go wrong to standard error."""
    err.print(Text(f"Warning: {text}", style="yellow"), soft_wrap=True)
