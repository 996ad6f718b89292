"""Standard output and standard error, as terminals, files and pipes want them."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

from pymmcore_ome.errors import PymmcoreOmeError

from .arguments import called

#: What no shell takes for anything else.
_PLAIN: Final = re.compile(r"[\w./:,+@=-]+")
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


def quoted(word: str) -> str:
    """Return a word as a shell takes it: in double quotes where it needs any, as all of them do."""
    if _PLAIN.fullmatch(word):
        return word
    if sys.platform != "win32" and set(word) & set('"$`\\!'):
        return shlex.quote(word)
    return '"' + word.replace('"', '\\"') + '"'


def print_json(told: dict[str, Any]) -> None:
    """Print one JSON object to standard output."""
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


def print_error(error: BaseException) -> None:
    """Print what went wrong to standard error, as one message."""
    text = error.told(called) if isinstance(error, PymmcoreOmeError) else str(error)
    err.print(Text("Error: ", style="bold red"), Text(text), sep="", soft_wrap=True)


def print_warning(text: str) -> None:
    """Print what may go wrong to standard error."""
    err.print(Text(f"Warning: {text}", style="yellow"), soft_wrap=True)
