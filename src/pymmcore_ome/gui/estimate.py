"""`Estimate`: what an acquisition will take, and what speaks against it. It writes nothing.

An estimate may take seconds, for a long sequence or a slow disk: make it in a thread.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from pymmcore_ome.acquisition import Output, schema_from_useq
from pymmcore_ome.backends import BackendOptions, find_backend
from pymmcore_ome.disk import Place
from pymmcore_ome.errors import OptionError, PymmcoreOmeError
from pymmcore_ome.layout import Layout, layout_of, with_chunks
from pymmcore_ome.metadata import documents_of

from .plan import Plan
from .save_settings import SaveSettings, nearest_folder
from .words import count_text, duration_text, rate_text, size_text


@dataclass(frozen=True)
class Estimate:
    """What is known before the start.

    Attributes
    ----------
    path : Path | None
        Where it would be saved; None: nowhere.
    images, frames : int | None
        None: no sequence, or nobody knows.
    nbytes : int | None
        Of pixels, before compression.
    duration_s : float | None
        Of exposures and intervals alone.
    needed_bytes_per_s : float | None
        What the camera brings at most, exposure after exposure.
    free_bytes : int | None
    disk_bytes_per_s : float | None
        As it was measured; None: not yet.
    problem : str | None
        Why it cannot be saved like this, and what to do.
    """

    path: Path | None = None
    images: int | None = None
    frames: int | None = None
    nbytes: int | None = None
    duration_s: float | None = None
    needed_bytes_per_s: float | None = None
    free_bytes: int | None = None
    disk_bytes_per_s: float | None = None
    problem: str | None = None

    @property
    def lacks_space(self) -> bool:
        """Whether the pixels, not compressed, are more than the disk has room for."""
        return (
            self.path is not None
            and self.nbytes is not None
            and self.free_bytes is not None
            and self.nbytes > self.free_bytes
        )

    @property
    def outruns_disk(self) -> bool:
        """Whether the camera may bring frames faster than the disk was seen to take them."""
        return (
            self.path is not None
            and self.needed_bytes_per_s is not None
            and self.disk_bytes_per_s is not None
            and self.needed_bytes_per_s > self.disk_bytes_per_s
        )

    @property
    def size_line(self) -> str:
        """Images, frames, bytes, duration and free space, as one line."""
        parts = []
        if self.images is not None:
            parts.append(count_text(self.images, "image"))
        if self.frames is not None:
            parts.append(count_text(self.frames, "frame"))
        if self.nbytes is not None:
            parts.append(size_text(self.nbytes))
        if self.duration_s:
            parts.append(f"at least {duration_text(self.duration_s)}")
        if self.path is not None and self.free_bytes is not None:
            parts.append(f"{size_text(self.free_bytes)} free")
        return " · ".join(parts)

    @property
    def rate_line(self) -> str:
        """What the camera brings and what the disk takes, as one line."""
        if self.path is None:
            return ""
        parts = []
        if self.needed_bytes_per_s is not None:
            parts.append(f"The camera brings up to {rate_text(self.needed_bytes_per_s)}")
        if self.disk_bytes_per_s is not None:
            parts.append(f"the disk takes {rate_text(self.disk_bytes_per_s)}")
        line = ", ".join(parts)
        return f"{line[:1].upper()}{line[1:]}." if line else ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may go wrong, and what to do about it."""
        found = []
        if self.lacks_space and self.nbytes is not None and self.free_bytes is not None:
            found.append(
                f"The disk may be full before the end: {size_text(self.nbytes)} are needed before "
                f"compression, {size_text(self.free_bytes)} are free. Choose another folder, or "
                "acquire less."
            )
        if self.outruns_disk:
            found.append(
                "The disk may be slower than the camera: frames gather in memory, and when that "
                "is full, the acquisition waits. Choose a faster disk, or longer exposures."
            )
        return tuple(found)


def estimate_of(
    settings: SaveSettings, plan: Plan | None = None, disk_bytes_per_s: float | None = None
) -> Estimate:
    """Return what an acquisition will take. Raises nothing: what is wrong is in `problem`.

    Parameters
    ----------
    settings : SaveSettings
    plan : Plan, optional
        None: only the place is looked at.
    disk_bytes_per_s : float, optional
        As `measure_disk` found it.
    """
    facts: dict[str, object] = {"disk_bytes_per_s": disk_bytes_per_s}
    try:
        output = settings.output()
        if output is not None:
            output.check()
            facts["path"] = output.path
            facts["free_bytes"] = shutil.disk_usage(nearest_folder(output.path)).free
        if plan is not None and plan.cameras:
            facts |= _sizes(_layout(plan, settings, output), plan)
    except (PymmcoreOmeError, OSError) as error:
        facts["problem"] = str(error)
    return Estimate(**facts)  # type: ignore[arg-type]  # collected by name


def _layout(plan: Plan, settings: SaveSettings, output: Output | None) -> Layout:
    """Return the layout, refused as `open_stream` would refuse it."""
    schema = schema_from_useq(
        plan.sequence,
        cameras=plan.cameras,
        pixel_size_um=plan.pixel_size_um,
        compression=settings.compression,
    )
    if output is None:
        return layout_of(schema)
    chosen = output.stream_options()
    layout = with_chunks(
        layout_of(schema, output.format == "ome-tiff"), chosen["chunks"], chosen["shards"]
    )
    options = BackendOptions(settings.compression, chosen["files"], chosen["bigtiff"])
    place = Place.of_new(output.path, output.format, chosen["files"])
    reasons = [
        *documents_of(place).refusals(layout),
        *find_backend(settings.backend, output.format).refusals(layout, options),
    ]
    if reasons:
        raise OptionError("This cannot be written: " + "; ".join(reasons) + ".")
    return layout


def _sizes(layout: Layout, plan: Plan) -> dict[str, object]:
    frames, images = layout.frame_count, layout.images
    event_bytes = sum(
        camera.height * camera.width * (3 if camera.rgb else 1) * np.dtype(camera.dtype).itemsize
        for camera in plan.cameras
    )
    nbytes = sum(prod(image.shape) * np.dtype(image.dtype).itemsize for image in images)
    places = sum(prod(image.shape[:-2]) // image.samples for image in images)
    return {
        "images": len(images),
        "frames": frames,
        # of places where no frame comes, nothing is stored
        "nbytes": None if frames is None else round(nbytes * frames / max(1, places)),
        "duration_s": _duration_s(plan),
        "needed_bytes_per_s": _needed_bytes_per_s(plan, event_bytes),
    }


def _duration_s(plan: Plan) -> float | None:
    """Return what useq reckons; None where it cannot, or where it knows no exposure."""
    try:
        found = plan.sequence.estimate_duration().total_duration
    except Exception:  # useq's arithmetic on its own plans; a guess is not worth an error
        return None
    return found or None


def _needed_bytes_per_s(plan: Plan, event_bytes: int) -> float | None:
    exposures_ms = [channel.exposure or plan.exposure_ms for channel in plan.sequence.channels] or [
        plan.exposure_ms
    ]
    known = [exposure for exposure in exposures_ms if exposure]
    return event_bytes * 1000 * len(known) / sum(known) if known else None
