"""What is in a store, as text for a terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from pymmcore_ome.dataset import Dataset, Image

_MAX_IMAGES = 24
_SYMBOLS = {"micrometer": "µm", "second": "s"}
_STATUS_STYLES = {"complete": "green", "recovered": "yellow", "canceled": "yellow"}


def describe(dataset: Dataset) -> RenderableType:
    """Return a store's tree, axes, channels, positions and status."""
    record = dataset.record
    frames = len(dataset.frames())
    planned = dataset.layout.frame_count
    facts = Table.grid(padding=(0, 2))
    facts.add_row("status", Text(record.status, style=_STATUS_STYLES.get(record.status, "red")))
    if record.reason:
        facts.add_row("reason", Text(record.reason))
    facts.add_row("frames", f"{frames} of {'any number' if planned is None else planned}")
    facts.add_row("written", f"{record.started} to {record.ended or 'not ended'}")
    facts.add_row("by", f"pymmcore-ome {record.version}, {record.backend}")
    for line in _axis_lines(dataset.images[0]) if dataset.images else ():
        facts.add_row(*line)
    return Group(_tree(dataset), facts)


def print_problems(console: Console, problems: list[str], *, pixels: bool = False) -> None:
    """Print what `validate` found, or that all is well; `pixels`: whether they were read, too."""
    if not problems:
        checked = "documents, arrays, pixels" if pixels else "documents, arrays"
        console.print(f"[green]Valid:[/] {checked}, frame table and plan agree.")
    for problem in problems:
        console.print(Text("problem: ", style="red"), Text(problem), sep="")


def _tree(dataset: Dataset) -> Tree:
    tree = Tree(Text(str(dataset.path), style="bold"))
    plate = dataset.layout.plate
    if plate is not None:
        wells = len({image.layout.well for image in dataset.images})
        tree.add(
            Text(
                f"plate {plate.name or ''} ({len(plate.rows)} x {len(plate.columns)} wells), "
                f"{wells} of them with {len(dataset.images)} fields"
            )
        )
    for image in dataset.images[:_MAX_IMAGES]:
        sizes = ", ".join(f"{a}: {n}" for a, n in zip(image.axes, image.shape, strict=True))
        line = Text(image.path or "(root)", style="cyan")
        line.append(f"  {image.label}  ", style="default")
        line.append(f"({sizes}) {image.dtype}", style="dim")
        if place := _place(image):
            line.append(f"  at {place}", style="dim")
        tree.add(line)
    if len(dataset.images) > _MAX_IMAGES:
        tree.add(Text(f"… and {len(dataset.images) - _MAX_IMAGES} more images", style="dim"))
    return tree


def _axis_lines(image: Image) -> list[tuple[str, str]]:
    lines = []
    if image.channels:
        lines.append(("channels", ", ".join(channel.name for channel in image.channels)))
    scales = [
        f"{axis.name}: {axis.scale:g} {_SYMBOLS.get(axis.unit or '', axis.unit or '')}".strip()
        for axis in image.layout.axes
        if axis.scale is not None
    ]
    if scales:
        lines.append(("steps", ", ".join(scales)))
    return lines


def _place(image: Image) -> str:
    at = image.position
    return ", ".join(
        f"{letter} {value:g}"
        for letter, value in (("x", at.x_um), ("y", at.y_um), ("z", at.z_um))
        if value is not None
    ) + (" µm" if at.x_um is not None or at.y_um is not None or at.z_um is not None else "")
