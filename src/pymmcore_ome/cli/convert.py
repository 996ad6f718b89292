"""`convert`: copy a store into another format, codec, chunks, or levels, with its progress."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import AsFormat, AsJson, Overwrite, PathArgument, a_path, chunks, levels, shards
from .interrupts import CANCELED
from .stores import show_store
from .terminal import err, out, print_json, quoted

if TYPE_CHECKING:
    from pymmcore_ome.stream import ConversionPlan


def convert(
    source: PathArgument,
    target: Annotated[
        Path, typer.Argument(help="The store to write.", show_default=False, parser=a_path)
    ],
    as_format: AsFormat = None,
    images: Annotated[
        list[str] | None,
        typer.Option("--image", help="Name or number of an image to copy; repeatable."),
    ] = None,
    compression: Annotated[
        str | None, typer.Option(help="Such as zstd:3. Default: that of the source.")
    ] = None,
    chunk_sizes: Annotated[
        str | None, typer.Option("--chunks", help='"auto", or such as t=10,y=256,x=256.')
    ] = None,
    shard_sizes: Annotated[
        str | None,
        typer.Option(
            "--shards", help='Such as t=100, in multiples of a chunk; "none": a file each chunk.'
        ),
    ] = None,
    files: Annotated[str, typer.Option(help='"one", or "per-position": OME-TIFF only.')] = "one",
    level_count: Annotated[
        str | None,
        typer.Option(
            "--levels", help='Resolution levels: 2 to 8, or "auto". Default: the full one alone.'
        ),
    ] = None,
    downsample: Annotated[
        str, typer.Option(help='How levels are made: "mean", or "nearest" for labels.')
    ] = "mean",
    workers: Annotated[
        int | None, typer.Option(help="Threads.", show_default="one a processor")
    ] = None,
    buffer_bytes: Annotated[
        int | None,
        typer.Option(help="Memory for frames, at most.", show_default="a quarter of what is free"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a conversion that was stopped.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Read each frame back, and compare it.")
    ] = True,
    overwrite: Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be written, without writing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy a closed store into a new one, and verify it. Ctrl-C leaves one to --resume."""
    from pymmcore_ome.stream import ConversionPlan, SaveOptions

    options = SaveOptions(
        format=as_format, overwrite=overwrite, compression=compression,
        chunks=chunks(chunk_sizes), shards=shards(shard_sizes),
        files=files, levels=levels(level_count), downsample=downsample,  # type: ignore[arg-type]
        buffer_bytes=buffer_bytes, resume=resume,
    )  # fmt: skip
    plan = ConversionPlan(
        source, target, options, images=_images(source, images), workers=workers, verify=verify
    )
    if dry_run:
        _print_plan(plan, as_json)
        return
    _run(plan, as_json)


def _images(source: Path, names: list[str] | None) -> list[int | str] | None:
    """Return the images that are asked for; a number is a name where an image is called so."""
    if not names:
        return None
    from pymmcore_ome.dataset import open_dataset

    known = {image.name for image in open_dataset(source).images}
    return [int(n) if n.isdigit() and n not in known else n for n in names]


def _run(plan: ConversionPlan, as_json: bool) -> None:
    from pymmcore_ome.stream import (
        Conversion,
        Progress,
        count_text,
        duration_text,
        rate_text,
        size_text,
    )

    from .progress_bar import ProgressBar

    newest: list[Progress] = []
    bar = ProgressBar(err, 0.0, state="Converting", has_buffer=False)

    def show(progress: Progress) -> None:
        newest[:] = [progress]
        bar.show(progress)

    try:
        with bar:
            summary = Conversion(plan).run(show)
    except KeyboardInterrupt:
        copied = newest[0].frames_written if newest else 0
        words = [word for word in sys.argv[1:] if word not in ("--resume", "--overwrite")]
        again = " ".join(["pymmcore-ome", *map(quoted, words), "--resume"])
        err.print(
            f"Stopped: {copied:,} of {plan.frames:,} frames are copied. Go on with  {again}",
            soft_wrap=True, markup=False,
        )  # fmt: skip
        raise typer.Exit(CANCELED) from None
    if as_json:
        print_json({
            "path": str(summary.path), "status": summary.status,
            "frames": summary.frames_written, "pixel_bytes": summary.bytes_written,
            "duration_s": round(summary.duration_s, 3),
        })  # fmt: skip
        return
    rate = summary.bytes_written / max(summary.duration_s, 1e-9)
    verified = " and read back" if plan.verify else ""
    out.print(
        f"Copied{verified} {count_text(summary.frames_written, 'frame')}, "
        f"{size_text(summary.bytes_written)}, in {duration_text(summary.duration_s)} "
        f"({rate_text(rate)}).",
        soft_wrap=True,
    )
    show_store(summary.path, as_json=False)


def _print_plan(plan: ConversionPlan, as_json: bool) -> None:
    """Print what would be written, and whether the disk has room for it."""
    from pymmcore_ome.disk import free_bytes
    from pymmcore_ome.stream import count_text, size_text

    store = plan.store
    free = free_bytes(store.place.path)
    needed = plan.pixel_bytes + plan.level_bytes
    kinds: list[dict[str, Any]] = []
    for spec in store.layout.specs:
        kinds.append({
            "shape": list(spec.shape), "dtype": spec.dtype,
            "chunks": list(spec.chunk_shape), "shards": list(spec.shard_shape or ()) or None,
            "levels": 1 if store.options.levels is None else store.options.levels.count_of(spec),
        })  # fmt: skip
    found: dict[str, Any] = {
        "source": str(plan.source.path), "target": str(store.place.path),
        "format": store.place.format, "images": len(store.layout.images),
        "frames": plan.frames, "pixel_bytes": plan.pixel_bytes,
        "level_bytes": plan.level_bytes, "compression": store.options.compression,
        "arrays": kinds, "tasks": plan.task_count, "workers": plan.workers,
        "memory_bytes": plan.memory_bytes, "free_bytes": free, "resumes": store.resumes,
    }  # fmt: skip
    if as_json:
        print_json(found)
        return
    room = "unknown" if free is None else size_text(free)
    levels_text = f" and {size_text(plan.level_bytes)} of levels"
    lines = [
        f"From      {plan.source.path}",
        f"To        {store.place.path} ({store.place.format})",
        f"Frames    {plan.frames:,} in {count_text(found['images'], 'image')}, "
        f"{size_text(plan.pixel_bytes)}{levels_text if plan.level_bytes else ''}, "
        "before compression",
        f"Codec     {store.options.compression or 'none'}",
    ]
    for kind in kinds:
        shape, sizes = _sizes(kind["shape"]), [_sizes(kind[name]) for name in ("chunks", "shards")]
        where = (
            f"; chunks {sizes[0]}, shards {sizes[1]}" if store.place.format == "ome-zarr" else ""
        )
        lines.append(f"Arrays    {shape} {kind['dtype']}, levels {kind['levels']}{where}")
    lines += [
        f"Work      {count_text(plan.task_count, 'task')}, {plan.workers} at a time, "
        f"up to {size_text(plan.memory_bytes)} of memory for frames",
        f"Disk      {room} free",
    ]
    for line in lines:
        out.print(line, soft_wrap=True, markup=False)
    if free is not None and needed > free:
        err.print(
            f"Warning: the disk has room for {size_text(free)}, and the copy has up to "
            f"{size_text(needed)} before compression.",
            style="yellow", soft_wrap=True,
        )  # fmt: skip
    out.print("Nothing was written.", style="bold")


def _sizes(sizes: list[int] | None) -> str:
    return "none" if sizes is None else " x ".join(map(str, sizes))
