"""`Estimate`: what an acquisition needs, and what prevents it. It writes nothing.

An estimate may take seconds for a long sequence or a slow disk: create it in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymmcore_ome.acquisition import unfinished_by
from pymmcore_ome.disk import free_bytes
from pymmcore_ome.errors import PymmcoreOmeError
from pymmcore_ome.layout import Layout
from pymmcore_ome.stream import count_text, duration_text, rate_text, size_text

from .advice import advice_on
from .planned_run import PlannedRun
from .save_settings import SaveSettings


@dataclass(frozen=True)
class Estimate:
    """The requirements of an acquisition, before the start.

    Attributes
    ----------
    path : Path | None
        Where it will be saved; None: not saved.
    images, frames : int | None
        None: no sequence, or unknown.
    nbytes : int | None
        Of pixels, before compression.
    duration_s : float | None
        Of exposures and intervals alone.
    needed_bytes_per_s : float | None
        The maximum rate of the camera, with one exposure directly after the other.
    free_bytes : int | None
    disk_bytes_per_s : float | None
        As measured; None: not yet.
    error : Exception | None
        Why it cannot be run or saved with these settings.
    unfinished : Path | None
        The last acquisition with this name, if the same sequence can add the frames that it lacks.
    layout : Layout | None
        The images and the plate of the store; None: unknown, or nothing is saved.
    """

    path: Path | None = None
    images: int | None = None
    frames: int | None = None
    nbytes: int | None = None
    duration_s: float | None = None
    needed_bytes_per_s: float | None = None
    free_bytes: int | None = None
    disk_bytes_per_s: float | None = None
    error: Exception | None = None
    unfinished: Path | None = None
    layout: Layout | None = None

    @property
    def problem(self) -> str | None:
        """Why it cannot be run or saved, and what to do; None: it can."""
        return None if self.error is None else advice_on(self.error).text

    @property
    def lacks_space(self) -> bool:
        """Whether the uncompressed pixels exceed the free space of the disk."""
        return (
            self.path is not None
            and self.nbytes is not None
            and self.free_bytes is not None
            and self.nbytes > self.free_bytes
        )

    @property
    def outruns_disk(self) -> bool:
        """Whether the camera may deliver frames faster than the disk was measured to write."""
        return (
            self.path is not None
            and self.needed_bytes_per_s is not None
            and self.disk_bytes_per_s is not None
            and self.needed_bytes_per_s > self.disk_bytes_per_s
        )

    @property
    def size_line(self) -> str:
        """Images, frames, bytes, duration, and free space, as one line."""
        parts = []
        if self.images is not None:
            parts.append(count_text(self.images, "image"))
        if self.frames is not None:
            parts.append(count_text(self.frames, "frame"))
        if self.nbytes is not None:
            parts.append(size_text(self.nbytes))
        if self.duration_s is not None and self.duration_s >= 1:
            parts.append(f"at least {duration_text(self.duration_s)}")
        if self.path is not None and self.free_bytes is not None:
            parts.append(f"{size_text(self.free_bytes)} free")
        return " · ".join(parts)

    @property
    def rate_line(self) -> str:
        """The rates of the camera and the disk, as one line."""
        if self.path is None:
            return ""
        parts = []
        if self.needed_bytes_per_s is not None:
            parts.append(f"The camera delivers up to {rate_text(self.needed_bytes_per_s)}")
        if self.disk_bytes_per_s is not None:
            parts.append(f"the disk writes {rate_text(self.disk_bytes_per_s)}")
        line = ", ".join(parts)
        return f"{line[:1].upper()}{line[1:]}." if line else ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Possible problems, and what to do about them."""
        found = []
        if self.lacks_space and self.nbytes is not None and self.free_bytes is not None:
            found.append(
                f"The disk may be full before the end: {size_text(self.nbytes)} are needed before "
                f"compression, {size_text(self.free_bytes)} are free. Choose another folder, or "
                "acquire fewer frames."
            )
        if self.outruns_disk:
            found.append(
                "The disk may be slower than the camera: when the buffer is full, the acquisition "
                "waits. Choose a faster disk, or longer exposures."
            )
        return tuple(found)


def estimate_of(
    settings: SaveSettings,
    plan: PlannedRun | None = None,
    disk_bytes_per_s: float | None = None,
    *,
    continues: Path | None = None,
) -> Estimate:
    """Return what an acquisition needs. Expected errors are in `error`, and not raised.

    Parameters
    ----------
    settings : SaveSettings
    plan : PlannedRun, optional
        None: only the path is checked.
    disk_bytes_per_s : float, optional
        As measured by `measure_disk`.
    continues : Path, optional
        An unfinished store, whose missing frames are to be acquired.
    """
    facts: dict[str, Any] = {"disk_bytes_per_s": disk_bytes_per_s}
    try:
        output = settings.output(continues, resume=continues is not None)
        last = settings.last_path() if settings.is_on and plan is not None else None
        if plan is not None and last is not None and unfinished_by(last, plan.sequence):
            facts["unfinished"] = last
        if output is not None:
            output.check()
            facts["path"] = output.path
            facts["free_bytes"] = free_bytes(output.path)
        if plan is not None and (expected := plan.forecast(output)) is not None:
            facts |= {
                "images": len(expected.plan.layout.images),
                "layout": None if output is None else expected.plan.layout,
                "frames": expected.frames,
                "nbytes": expected.pixel_bytes,
                "duration_s": expected.duration_s,
                "needed_bytes_per_s": plan.fastest_bytes_per_s(expected),
            }
    except (PymmcoreOmeError, OSError, RuntimeError) as error:  # the last: of a device
        facts["error"] = error
    return Estimate(**facts)
