"""The options that several commands share, and their parsers. Imports nothing slow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from pymmcore_ome.errors import Option


def a_path(text: str) -> Path:
    """Return a path on a disk; a URL would become a folder of that name.

    Raises
    ------
    typer.BadParameter
    """
    if "://" in text:
        raise typer.BadParameter(f"{text} is a URL; give a path on a local or mounted disk.")
    if not text.strip():
        raise typer.BadParameter("the path is empty.")
    return Path(text)


PathArgument = Annotated[
    Path,
    typer.Argument(help="An OME-Zarr store or an OME-TIFF.", show_default=False, parser=a_path),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing store.")]
AsFormat = Annotated[
    str | None,
    typer.Option("--format", help="ome-zarr or ome-tiff, if the suffix does not determine it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]

#: The options of the library that are also options of the command.
_FLAGS: Final = {
    "backend", "chunks", "compression", "downsample", "files", "format", "levels", "overwrite",
    "resume", "shards", "unready",
}  # fmt: skip
_SIZE = re.compile(r"\s*(\w+)\s*[=:]\s*([1-9]\d*)\s*")


class Missing(typer.BadParameter):
    """A required option is missing; the message states what it can be."""

    def format_message(self) -> str:
        """Return the message as it is."""
        return self.message


def option_name(option: Option) -> str:
    """Return the name of a library option at a terminal: ``--overwrite``."""
    if option.name not in _FLAGS:
        return str(option)
    has_value = option.value not in (..., True)
    return f"--{option.name} {option.value}" if has_value else f"--{option.name}"


def sizes(text: str | None) -> dict[str, int] | None:
    """Return sizes by axis from text such as ``t=10,y=256,x=256``.

    Raises
    ------
    typer.BadParameter
    """
    if text is None:
        return None
    found: dict[str, int] = {}
    for part in text.split(","):
        match = _SIZE.fullmatch(part)
        if match is None or match[1] in found:
            raise typer.BadParameter(
                f"{text!r}: expected axes with sizes, each axis once, such as  t=10,y=256,x=256"
            )
        found[match[1]] = int(match[2])
    return found


def shards(text: str | None) -> dict[str, int] | Literal[False] | None:
    """Return False for ``none``, and else `sizes`.

    Raises
    ------
    typer.BadParameter
    """
    return False if text == "none" else sizes(text)


def chunks(text: str | None) -> dict[str, int] | Literal["auto"] | None:
    """Return ``auto`` unchanged, otherwise `sizes`.

    Raises
    ------
    typer.BadParameter
    """
    return "auto" if text == "auto" else sizes(text)


def levels(text: str | None) -> int | Literal["auto"] | None:
    """Return ``auto`` unchanged, otherwise a whole number.

    Raises
    ------
    typer.BadParameter
    """
    if text is None or text == "auto":
        return text  # type: ignore[return-value]
    if not text.isascii() or not text.isdigit():
        raise typer.BadParameter(f'{text!r}: levels are a whole number from 2 to 8, or "auto"')
    return int(text)
