"""The contents of a store, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, islice
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from pymmcore_ome.frames import NOT_AS_ASKED
from pymmcore_ome.layout import ImageLayout, Layout
from pymmcore_ome.schema import Plate
from pymmcore_ome.stream import count_text, duration_text

from .contents import Contents, Filled, first_few
from .terminal import quoted

_MAX_IMAGES = 24
_MAX_HOLES = 6
_MAX_SETTINGS = 6
_MAX_ROWS = 10
_MAX_ANNOTATIONS = 10
_MAX_ANNOTATION = 200  # characters
_PLACE = ("image", "label", "t", "c", "z")
_FIRST = (
    *_PLACE, NOT_AS_ASKED, "channel", "delta_t_s", "exposure_ms", "x_um", "y_um", "z_um",
)  # fmt: skip
_MAX_REASON = 24
_SYMBOLS = {"micrometer": "µm", "second": "s"}
_STATUS_STYLES = {"complete": "green", "recovered": "yellow", "canceled": "yellow"}

_SIGNS: Final = {"all": "●", "some": "◐", "none": "○", "planned": "●", "unused": "·"}
_ASCII_SIGNS: Final = {"all": "#", "some": "+", "none": "o", "planned": "#", "unused": "."}
_STYLES: Final = {
    "all": "green",
    "some": "yellow",
    "none": "red",
    "planned": "cyan",
    "unused": "dim",
}
_WORDS: Final = {
    "all": "all frames",
    "some": "some missing",
    "none": "no frame",
    "planned": "to be acquired",
}


def describe(contents: Contents, console: Console) -> RenderableType:
    """Return a store's tree, axes, channels, positions, wells, status, and holes."""
    dataset = contents.dataset
    record = dataset.record
    planned = dataset.layout.frame_count
    facts = facts_table()
    style = (
        "yellow"
        if contents.missing or contents.unapplied_settings
        else _STATUS_STYLES.get(record.status, "red")
    )
    status = Text(record.status, style=style)
    if contents.is_being_written:
        status.append("  a program is writing to it", style="yellow")
    else:
        hints = []
        if record.status == "incomplete":
            hints.append(
                f"interrupted; repair it with: pymmcore-ome recover {quoted(str(dataset.path))}"
            )
        if _can_be_resumed(contents):
            hints.append("acquire the rest with: pymmcore-ome run ... --resume")
        if hints:
            status.append(f"  {'; or '.join(hints)}", style="default")
    facts.add_row("status", status)
    if record.reason:
        facts.add_row("reason", Text(record.reason))
    if not contents.is_being_written:
        for earlier in dataset.location.earlier:
            facts.add_row("replaced", Text(f"{earlier}, which was not deleted", style="yellow"))
    of = "any number" if planned is None else f"{planned:,}"
    stored = "unknown" if dataset.lost_table else f"{contents.frames_stored:,}"
    facts.add_row("frames", f"{stored} of {of}")
    for line in (*_holes(contents), *_unapplied(contents)):
        facts.add_row(*line)
    facts.add_row("written", _when(record.started, record.ended))
    for number, run in enumerate(record.runs if len(record.runs) > 1 else (), 1):
        facts.add_row(f"run {number}", Text(_run_text(run)))
    if record.recovered is not None:
        facts.add_row("recovered", f"{datetime.fromisoformat(record.recovered):%Y-%m-%d %H:%M:%S}")
    facts.add_row("by", Text(f"pymmcore-ome {record.version}, {record.backend}"))
    for name, text in axis_lines([image.layout for image in dataset.images]):
        facts.add_row(name, Text(text))
    if (levels := _levels(contents)) is not None:
        facts.add_row("levels", levels)
    for namespace, mapping in islice(dataset.annotations.items(), _MAX_ANNOTATIONS):
        facts.add_row("annotation", Text(_annotation_text(namespace, mapping)))
    shapes = [image.shape for image in dataset.images]
    parts: list[RenderableType] = [tree(str(dataset.path), dataset.layout, shapes)]
    if dataset.layout.plate is not None:
        parts.append(wells(dataset.layout.plate, contents.wells(), console))
    return Group(*parts, facts)


def _can_be_resumed(contents: Contents) -> bool:
    """Whether a sequence can add frames that are missing."""
    record = contents.dataset.record
    return (
        bool(contents.frames_missing)
        and contents.dataset.lost_table is None
        and record.backend != "acquire-zarr"
        and bool(record.acquisition.get("sequence"))
    )


def _run_text(run: Mapping[str, Any]) -> str:
    """Return what is known of one of a store's runs."""
    frames = run.get("frames")
    count = "" if frames is None else f", {count_text(frames, 'frame')}"
    try:
        when = _when(run.get("started"), run.get("ended"))
    except (ValueError, TypeError):
        when = "at an unknown time"
    return f"{when}, {run.get('status')}{count}"


def _annotation_text(namespace: str, mapping: Mapping[str, Any]) -> str:
    """Return an annotation of the user as ``namespace: key=value, ...``, shortened."""
    text = ", ".join(f"{key}={value}" for key, value in mapping.items())
    if len(text) > _MAX_ANNOTATION:
        text = f"{text[:_MAX_ANNOTATION]}…"
    return f"{namespace}: {text}"


def wells(
    plate: Plate, filled: Mapping[tuple[str, str], Filled], console: Console
) -> RenderableType:
    """Return the map of a plate with a margin."""
    ascii_only = console.options.ascii_only
    return Padding(plate_map(plate, filled, console.width - 2, ascii_only=ascii_only), (1, 0, 1, 2))


def plate_map(
    plate: Plate, wells: Mapping[tuple[str, str], Filled], width: int, *, ascii_only: bool = False
) -> Text:
    """Return a plate's wells as rows of signs, with a legend of the signs used.

    Parameters
    ----------
    plate : Plate
    wells : mapping of (row, column) names to states
        Other wells are not part of the run.
    width : int
        Available characters; the columns move together if the plate is wide.
    ascii_only : bool
        For terminals that show only ASCII.
    """
    signs = _ASCII_SIGNS if ascii_only else _SIGNS
    margin = max(map(len, plate.rows)) + 1
    longest = max(map(len, plate.columns))
    step = next((n for n in (longest + 1, 2) if margin + n * len(plate.columns) <= width), 1)
    lines = [_header(plate, margin, step, longest)]
    for row in plate.rows:
        line = Text(row.rjust(margin - 1) + " ", style="bold")
        for column in plate.columns:
            filled = wells.get((row, column), "unused")
            line.append(signs[filled].rjust(step), style=_STYLES[filled])
        lines.append(line)
    used = [name for name in _WORDS if name in wells.values()]
    legend = Text(" " * margin)
    for name in used:
        legend.append(f" {signs[name]}", style=_STYLES[name])
        legend.append(f" {_WORDS[name]} ", style="dim")
    return Text("\n", end="").join([*lines, legend])


def _header(plate: Plate, margin: int, step: int, longest: int) -> Text:
    """Return the column names, or every fifth one if there is little space."""
    if step > longest:
        return Text(" " * margin + "".join(c.rjust(step) for c in plate.columns), style="bold")
    cells = [" "] * (step * len(plate.columns))
    for number in (0, *range(4, len(plate.columns), 5)):
        name = plate.columns[number]
        end = min(len(cells), max((number + 1) * step, len(name)))
        cells[end - len(name) : end] = name
    return Text(" " * margin + "".join(cells), style="bold")


def print_problems(
    console: Console,
    problems: Sequence[str],
    warnings: Sequence[str] = (),
    *,
    pixels: bool = False,
) -> None:
    """Print the problems found by `validate`; `pixels`: whether pixels were verified."""
    if not problems:
        checked = "documents, arrays, pixels" if pixels else "documents, arrays"
        console.print(
            Text("Valid:", style="green"),
            f"{checked}, frame table, and plan agree.",
            soft_wrap=True,
        )
    for title, style, lines in (("problem", "red", problems), ("warning", "yellow", warnings)):
        for line in lines:
            console.print(Text(f"{title}: ", style=style), Text(line), sep="", soft_wrap=True)


def tree(root: str, layout: Layout, shapes: Sequence[tuple[int, ...]]) -> Tree:
    """Return the images of a store as a tree: path, label, sizes, stage position.

    Each well of a plate has one line for all of its fields.
    """
    grown = Tree(Text(root, style="bold"))
    at = grown
    if (plate := layout.plate) is not None:
        used = len({image.well for image in layout.images})
        title = Text(f"plate {plate.name or ''}".strip())
        title.append(f"  {len(plate.rows)} x {len(plate.columns)} wells", style="dim")
        title.append(
            f"; {count_text(used, 'well')} with {count_text(len(layout.images), 'field')} in all"
        )
        at = grown.add(title)
    lines = list(_image_lines(layout.images, shapes))
    for line in lines[:_MAX_IMAGES]:
        at.add(line)
    if len(lines) > _MAX_IMAGES:
        what = "more image" if plate is None else "more line"
        at.add(Text(f"… and {count_text(len(lines) - _MAX_IMAGES, what)}", style="dim"))
    return grown


def _image_lines(
    images: Sequence[ImageLayout], shapes: Sequence[tuple[int, ...]]
) -> Iterator[Text]:
    def key(item: tuple[ImageLayout, tuple[int, ...]]) -> object:
        image, shape = item
        return image.path if image.well is None else (image.well, image.axis_names, shape)

    for _, group in groupby(zip(images, shapes, strict=True), key):
        (image, shape), *others = group
        sizes = ", ".join(f"{a}: {n}" for a, n in zip(image.axis_names, shape, strict=True))
        if image.well is not None:
            line = Text().append("/".join(image.well), style="cyan")
            line.append(f"  {count_text(len(others) + 1, 'field')}")
        else:
            line = Text().append(image.path or "(root)", style="cyan")
            if image.label != image.path:  # in a TIFF, an image is called by its name
                line.append(f"  {image.label}")
        line.append(f"  ({sizes}) {image.dtype}", style="dim")
        if place := _place(image):
            line.append(f"  at {place}", style="dim")
        yield line


def axis_lines(images: Sequence[ImageLayout]) -> list[tuple[str, str]]:
    """Return the channels and the steps of the images."""
    lines = []
    names = list(dict.fromkeys(channel.name for image in images for channel in image.channels))
    if names:
        lines.append(("channels", ", ".join(names)))
    steps = dict.fromkeys(
        f"{axis.name}: {axis.scale:g} {_SYMBOLS.get(axis.unit or '', axis.unit or '')}".strip()
        + (" (from top to bottom)" if axis.name == "z" and axis.scale < 0 else "")
        for image in images
        for axis in image.axes
        if axis.scale is not None
    )
    if steps:
        lines.append(("steps", ", ".join(steps)))
    return lines


def facts_table() -> Table:
    """Return a table for names and values."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    return facts


def _holes(contents: Contents) -> Iterator[tuple[str, Text]]:
    """Yield the number of missing frames, and the first ones of the first few images."""
    if (lost := contents.dataset.lost_table) is not None:
        yield "table", Text(f"{lost[0].upper()}{lost[1:]}.", style="red")
        return
    if not contents.missing:
        return
    images = {image.path: image for image in contents.dataset.images}
    title = count_text(contents.frames_missing, "planned frame") + " missing"
    yield "holes", Text(f"{title}; they read as 0", style="yellow")
    for path, number in islice(contents.missing.items(), _MAX_HOLES):
        image = images[path]
        where = first_few(contents.first_missing[path], image.layout)
        more = ", …" if number > len(contents.first_missing[path]) else ""
        of = "" if contents.dataset.layout.is_single else f"image {image.layout.shown_name}  "
        yield "", Text(f"{of}{number} missing: {where}{more}")
    if len(contents.missing) > _MAX_HOLES:
        yield "", Text(f"… and of {count_text(len(contents.missing) - _MAX_HOLES, 'more image')}")


def _unapplied(contents: Contents) -> Iterator[tuple[str, Text]]:
    """Yield the number of frames with settings that failed to apply, and these settings."""
    if not contents.unapplied_settings:
        return
    number = contents.frames_flagged
    title = count_text(number, "frame") + (" was" if number == 1 else " were")
    text = f"{title} acquired with settings that failed to apply"
    yield "not_as_asked", Text(text, style="yellow")
    for one in contents.unapplied_settings[:_MAX_SETTINGS]:
        yield "", Text(f"{one.problem}: {count_text(one.frames, 'frame')}: {one.where}")
    if (more := len(contents.unapplied_settings) - _MAX_SETTINGS) > 0:
        yield "", Text(f"… and {count_text(more, 'more setting')}")


def _levels(contents: Contents) -> Text | None:
    """Return the resolution levels of a store, or how to make those that it lacks."""
    dataset = contents.dataset
    plan = dataset.record.level_plan
    if plan is None:
        return None
    if dataset.record.levels_listed is None:
        if dataset.status == "incomplete":
            return Text("listed when the store is closed")
        command = f"pymmcore-ome levels {quoted(str(dataset.path))}"
        return Text(f"not complete; make them with: {command}", style="yellow")
    sizes = {
        " > ".join(f"{level.sizes['x']} x {level.sizes['y']}" for level in image.levels)
        for image in {image.layout.spec: image for image in dataset.images}.values()
    }
    return Text(f"{'; '.join(sorted(sizes))} ({plan.downsample})")


def _when(started: str | None, ended: str | None) -> str:
    """Return when a store was written, in local time, to the second."""
    try:
        begin = datetime.fromisoformat(started or "")
    except ValueError:
        return "unknown"
    try:
        end = datetime.fromisoformat(ended or "")
    except ValueError:
        return f"{begin:%Y-%m-%d %H:%M:%S}, not ended"
    until = f"{end:%H:%M:%S}" if end.date() == begin.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"{begin:%Y-%m-%d %H:%M:%S} to {until}, {duration_text((end - begin).total_seconds())}"


def _place(image: ImageLayout) -> str:
    at = image.position
    told = [
        f"{letter} {value:g}"
        for letter, value in (("x", at.x_um), ("y", at.y_um), ("z", at.z_um))
        if value is not None
    ]
    return ", ".join(told) + " µm" * bool(told)


def frame_rows(rows: Sequence[Mapping[str, Any]], width: int) -> RenderableType:
    """Return the first and last frames as a table, with the columns that fit."""
    if not rows:
        return Text("no frames")
    hidden = len(rows) - 2 * _MAX_ROWS
    shown = list(rows) if hidden <= 0 else [*rows[:_MAX_ROWS], {}, *rows[-_MAX_ROWS:]]
    told = {name: any(row.get(name) is not None for row in rows) for name in rows[0]}
    columns = {
        name: [name, *(_cell(row, name) for row in shown)]
        for name in sorted(rows[0], key=_by_interest)
        if told[name]
    }
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    room = width
    for name, cells in columns.items():
        room -= max(map(len, cells)) + 2
        if room < 0:
            break
        is_text = any(isinstance(row.get(name), str) for row in shown)
        table.add_column(Text(name), justify="left" if is_text else "right", no_wrap=True)
    fitting = list(columns)[: len(table.columns)]
    for number, _ in enumerate(shown):
        table.add_row(*(Text(columns[name][number + 1]) for name in fitting))
    notes = []
    if hidden > 0:
        notes.append(f"{hidden} frames in between")
    if len(fitting) < len(columns):
        notes.append(f"{len(columns) - len(fitting)} more columns")
    if notes:
        return Group(table, Text(f"({', '.join(notes)}: --to csv shows all)", style="dim"))
    return table


def _by_interest(name: str) -> int:
    """Return the rank of a column for people: the event repeats the index."""
    if name in _FIRST:
        return 0 if name in _PLACE else 2 - (name == NOT_AS_ASKED)
    return 4 if name.startswith("event_") else 3


def _cell(row: Mapping[str, Any], name: str) -> str:
    if not row:
        return "…"
    value = row.get(name)
    if isinstance(value, float):
        return f"{value + 0.0:.6g}"  # -0.0 becomes 0
    if name == NOT_AS_ASKED and len(str(value)) > _MAX_REASON:
        return f"{value:.{_MAX_REASON - 1}}…"
    return "" if value is None else str(value)
