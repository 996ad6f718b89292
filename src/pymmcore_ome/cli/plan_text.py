"""What a run will store, for people and scripts, before anything moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from pymmcore_ome.acquisition import Forecast
from pymmcore_ome.disk import default_buffer_bytes
from pymmcore_ome.stream import count_text, duration_text, rate_text, size_text

from .contents import Filled, image_to_json
from .store_text import axis_lines, facts_table, tree, wells

#: More files than this are slow to copy, back up, and delete.
_MANY_FILES: Final = 50_000


def plan_text(expected: Forecast, console: Console) -> RenderableType:
    """Return the images, sizes, bytes, duration, and free disk space of a run."""
    plan = expected.plan
    layout = plan.layout
    facts = facts_table()
    each = " or ".join(map(size_text, plan.frame_bytes)) or "nothing"
    facts.add_row("frames", f"{expected.frames:,} of {each} each")
    facts.add_row("pixels", _pixels(expected))
    for name, text in axis_lines(layout.images):
        facts.add_row(name, Text(text))
    if not expected.pixel_size_um:
        facts.add_row("", Text("no pixel size is set, so the images have no scale", style="yellow"))
    facts.add_row("chunks", Text(_chunks(expected)))
    if plan.options.levels is not None:
        facts.add_row("levels", Text(_levels(expected)))
    facts.add_row("written by", Text(_writer(expected)))
    facts.add_row(
        "duration",
        f"at least {duration_text(expected.duration_s)}: exposures and intervals, without "
        "stage moves or camera readout",
    )
    if expected.duration_s > 0:
        needed = rate_text(expected.pixel_bytes / expected.duration_s)
        facts.add_row(
            "rate", f"{needed} at most; the buffer holds {size_text(default_buffer_bytes())}"
        )
    facts.add_row("disk", _disk(expected))
    parts: list[RenderableType] = [
        tree(str(plan.place.path), layout, [image.shape for image in layout.images])
    ]
    if layout.plate is not None:
        used: dict[tuple[str, str], Filled] = {
            image.well: "planned" for image in layout.images if image.well is not None
        }
        parts.append(wells(layout.plate, used, console))
    return Group(*parts, facts)


def plan_json(expected: Forecast) -> dict[str, Any]:
    """Return the same as plain values, for a script."""
    plan = expected.plan
    return {
        "path": str(plan.place.path),
        "format": plan.place.format,
        "backend": plan.backend.name,
        "compression": plan.options.compression,
        "frames": expected.frames,
        "frame_bytes": list(plan.frame_bytes),
        "pixel_bytes": expected.pixel_bytes,
        "pixel_files": plan.pixel_files,
        "level_bytes": plan.level_bytes,
        "level_files": plan.level_files,
        "duration_s": round(expected.duration_s, 3),
        "free_bytes": expected.free_bytes,
        "fits_on_disk": expected.fits_on_disk,
        "images": [image_to_json(image, image.shape) for image in plan.layout.images],
    }


def short(expected: Forecast) -> str:
    """Return a run in one line: images, frames, bytes, and duration."""
    images, frames = len(expected.plan.layout.images), expected.frames
    return (
        f"{count_text(images, 'image')}, {count_text(frames, 'frame')}, "
        f"{size_text(expected.pixel_bytes)}, at least {duration_text(expected.duration_s)}"
    )


def too_little_space(expected: Forecast) -> Iterator[str]:
    """Yield a warning when the disk is too small for the frames."""
    if not expected.fits_on_disk:
        needed = size_text(expected.pixel_bytes + (expected.plan.level_bytes or 0))
        free = size_text(expected.free_bytes or 0)
        packed = expected.plan.options.compression
        yield (
            f"The run stores {needed} of pixels, but {free} are free for "
            f"{expected.plan.place.path}. "
            + ("Compressed, they may fit." if packed else "Free some space, or set --compression.")
        )


def _pixels(expected: Forecast) -> str:
    compression = expected.plan.options.compression
    packed = f", less when compressed with {compression}" if compression else ", not compressed"
    return f"{size_text(expected.pixel_bytes)}{packed}"


def _chunks(expected: Forecast) -> str:
    plan = expected.plan
    if plan.place.format == "ome-tiff":
        return f"one page for each frame, in {count_text(plan.pixel_files or 0, 'file')}"
    image = plan.layout.images[0]
    text = _sizes(image.axis_names, image.spec.chunk_shape)
    if image.spec.shard_shape is not None:
        text += f", in shards of {_sizes(image.axis_names, image.spec.shard_shape)}"
    files = plan.pixel_files or 0
    many = (
        ", which is many; reduce them with --chunks auto or --shards" if files > _MANY_FILES else ""
    )
    return f"{text}; {count_text(files, 'file')}{many}"


def _levels(expected: Forecast) -> str:
    plan = expected.plan
    assert plan.options.levels is not None
    counts = sorted({plan.options.levels.count_of(spec) for spec in plan.layout.specs})
    text = f"{' or '.join(map(str, counts))}, {plan.options.levels.downsample}"
    if plan.level_bytes:
        text += f"; {size_text(plan.level_bytes)} more"
    if plan.level_files:
        text += f" in {count_text(plan.level_files, 'file')}"
    return text


def _sizes(axes: tuple[str, ...], shape: tuple[int, ...]) -> str:
    return ", ".join(f"{axis}: {size}" for axis, size in zip(axes, shape, strict=True))


def _writer(expected: Forecast) -> str:
    names = {"ome-zarr": "OME-Zarr 0.5", "ome-tiff": "OME-TIFF"}
    return f"{expected.plan.backend.name}, as {names[expected.plan.place.format]}"


def _disk(expected: Forecast) -> Text:
    if expected.free_bytes is None:
        return Text("unknown", style="yellow")
    style = "green" if expected.fits_on_disk else "red"
    return Text(f"{size_text(expected.free_bytes)} free", style=style)
