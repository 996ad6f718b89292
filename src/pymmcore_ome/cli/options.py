"""The options that several commands share, and how their text is read. Nothing heavy is loaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

PathArgument = Annotated[
    Path, typer.Argument(help="An OME-Zarr store or an OME-TIFF.", show_default=False)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]

_SIZE = re.compile(r"\s*(\w+)\s*[=:]\s*([1-9]\d*)\s*")


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
                f"{text!r} is not axes with sizes, each axis once, such as  t=10,y=256,x=256"
            )
        found[match[1]] = int(match[2])
    return found


def chunks(text: str | None) -> dict[str, int] | Literal["auto"] | None:
    """Return ``auto`` as it is, and else `sizes`.

    Raises
    ------
    typer.BadParameter
    """
    return "auto" if text == "auto" else sizes(text)
