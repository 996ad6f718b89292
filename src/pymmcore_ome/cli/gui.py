"""``pymmcore-ome gui``: the acquisition panel in a window. Imports Qt only when it runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pymmcore_ome.errors import how_to_install


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
