"""Standard output and standard error, for terminals, files, and pipes."""

from __future__ import annotations

import codecs
import json
import os
import re
import shlex
import sys
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

from pymmcore_ome.errors import PymmcoreOmeError

from .arguments import option_name

#: Words that every shell reads literally.
_PLAIN: Final = re.compile(r"[\w./:,+@=-]+")
#: Files and pipes have no width; their lines are not wrapped for one.
_WIDE: Final = 160


def _spelled_out(error: UnicodeError) -> tuple[str, int]:
    """Return what a terminal that lacks some letters shows for them."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    words = (
        _SPELLINGS.get(letter) or letter.encode("ascii", "backslashreplace").decode()
        for letter in letters
    )
    return "".join(words), error.end


#: The name of an error handler for text streams.
SPELLED_OUT: Final = "pymmcore-ome"
_SPELLINGS: Final = {"µ": "u", "…": "...", "“": '"', "”": '"'}
codecs.register_error(SPELLED_OUT, _spelled_out)


def _console(stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(stderr=stderr, highlight=False, width=_WIDE)
    return console


out = _console()
err = _console(stderr=True)


def print_content(content: RenderableType) -> None:
    """Print to standard output, without trailing spaces in files and pipes."""
    if out.is_terminal:
        out.print(content)
        return
    with out.capture() as captured:
        out.print(content)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def quoted(word: str) -> str:
    """Return a word as a shell reads it, in double quotes if needed, which all shells accept."""
    if _PLAIN.fullmatch(word):
        return word
    if sys.platform != "win32" and set(word) & set('"$`\\!'):
        return shlex.quote(word)
    return '"' + word.replace('"', '\\"') + '"'


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object to standard output."""
    sys.stdout.write(json.dumps(values, indent=1) + "\n")


def print_error(error: BaseException) -> None:
    """Print an error to standard error, as one message."""
    text = str(error)
    if isinstance(error, PymmcoreOmeError):
        text = error.message(option_name)
    elif isinstance(error, PermissionError) and error.filename:
        text = (
            f"No permission to access {error.filename}. Choose another path, change its "
            "permissions, or close the programs that use it."
        )
    elif isinstance(error, OSError) and error.filename:
        text = f"{error.filename}: {error.strerror}."
    err.print(Text("Error: ", style="bold red"), Text(text), sep="", soft_wrap=True)


def print_warning(text: str) -> None:
    """Print a warning to standard error."""
    err.print(Text(f"Warning: {text}", style="yellow"), soft_wrap=True)
