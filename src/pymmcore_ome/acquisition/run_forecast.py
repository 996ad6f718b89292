"""`Forecast`: what a run will store, and how long it will take, before anything moves.

It reads the camera's settings and asks nothing to move. It creates no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import useq
from pymmcore_plus import CMMCorePlus
from pymmcore_plus.metadata import summary_metadata
from pymmcore_plus.metadata.functions import config_groups, devices_info, pixel_size_configs

from pymmcore_ome.disk import free_bytes, used_bytes
from pymmcore_ome.errors import AcquisitionError
from pymmcore_ome.stream import StorePlan

from .engine_methods import is_standard
from .microscope import CoreFacts, pixel_size_of
from .output import Output
from .readiness import how_to_run_it, missing_of, unready
from .sink import Sink

#: Walking useq costs about 70 µs an event; beyond this many the estimate is useq's own.
_MOST_WALKED: Final = 20_000


@dataclass(frozen=True)
class Forecast:
    """What a run will store. Made by `forecast`.

    Attributes
    ----------
    plan : StorePlan
    duration_s : float
        Exposures and intervals; the time of stages, cameras and disks is added to it.
    pixel_size_um : float | None
    free_bytes : int | None
        Free on the disk now, together with what a store that is replaced will free; None
        where it is not known.
    """

    plan: StorePlan
    duration_s: float
    pixel_size_um: float | None
    free_bytes: int | None

    @property
    def frames(self) -> int:
        """Frames that the sequence will deliver."""
        return self.plan.layout.frame_count or 0

    @property
    def pixel_bytes(self) -> int:
        """Bytes of all frames, before compression."""
        return self.plan.pixel_bytes or 0

    @property
    def fits_on_disk(self) -> bool:
        """Whether all frames and their resolution levels fit, were they not compressed."""
        needed = self.pixel_bytes + (self.plan.level_bytes or 0)
        return self.free_bytes is None or needed <= self.free_bytes


def forecast(
    core: CMMCorePlus,
    sequence: useq.MDASequence,
    output: Output,
    *,
    image_infos: Sequence[Mapping[str, Any]] | None = None,
) -> Forecast:
    """Return what a run of a sequence will store, and how long it will take at least.

    Parameters
    ----------
    core : CMMCorePlus
        With its configuration loaded. Nothing moves.
    sequence : useq.MDASequence
        Never changed; a copy is walked.
    output : Output
    image_infos : sequence of mapping, optional
        What pymmcore-plus reports of the loaded cameras, the active one first. None: it is asked,
        for which each camera becomes the active one for a moment. Given, the core is only
        asked, so that any thread may forecast while others use the core.

    Raises
    ------
    PymmcoreOmeError
        Whatever the run would be refused for: channels and devices that the microscope does
        not have, a sequence or options that cannot be stored, a path that is taken.
    """
    is_checked = output.unready == "refuse" and is_standard(core.mda.engine)
    if is_checked and (reasons := missing_of(core, sequence)):
        raise unready(reasons, "Nothing was moved, and nothing was created.", *how_to_run_it(core))
    summary = summary_metadata(core) if image_infos is None else _summary(core, image_infos)
    seen = _after_setup(summary, sequence)
    pixel_size_um = pixel_size_of(seen)
    planned = sequence.model_copy(deep=True)
    if pixel_size_um:
        _set_field_of_view(planned, seen, pixel_size_um)
    schema = Sink(output.destination).plan(planned, seen, CoreFacts.of_engine(core.mda.engine))
    if schema is None:
        raise AcquisitionError("The number of events from an iterator cannot be predicted.")
    plan = output.plan(schema)
    free = free_bytes(output.path)
    if free is not None and free < (plan.pixel_bytes or 0):
        free += sum(used_bytes(part) for part in plan.place.parts)  # it is replaced, or continued
    return Forecast(
        plan=plan,
        duration_s=_duration_s(planned, plan, core.getExposure()),
        pixel_size_um=pixel_size_um,
        free_bytes=free,
    )


def _summary(core: CMMCorePlus, image_infos: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what of the summary metadata a plan is made from; no device is asked."""
    return {
        "devices": devices_info(core, cached=True, include_property_details=False),
        "image_infos": image_infos,
        "config_groups": config_groups(core),
        "pixel_size_configs": pixel_size_configs(core),
    }


def _after_setup(summary: Any, sequence: useq.MDASequence) -> Mapping[str, Any]:
    """Return the summary with the frame size that the sequence's own setup will set."""
    infos = [dict(info) for info in summary.get("image_infos") or ()]
    if not infos:
        raise AcquisitionError("The configuration has no camera, so nothing can be stored.")
    roi = sequence.setup.roi if sequence.setup is not None else None
    if roi is not None:
        samples = tuple(infos[0]["plane_shape"][2:])
        infos[0].update(
            height=roi.height, width=roi.width, plane_shape=(roi.height, roi.width, *samples)
        )
    return {**summary, "image_infos": infos}


def _set_field_of_view(
    sequence: useq.MDASequence, summary: Mapping[str, Any], pixel_size_um: float
) -> None:
    """Do to a copy what the engine does to the sequence before it runs it."""
    info = summary["image_infos"][0]
    subs = (p.sequence for p in sequence.stage_positions if p.sequence is not None)
    for part in (sequence, *subs):
        grid: Any = part.grid_plan
        if grid is not None:
            grid.fov_width = info["width"] * pixel_size_um
            grid.fov_height = info["height"] * pixel_size_um


def _duration_s(sequence: useq.MDASequence, plan: StorePlan, exposure_ms: float) -> float:
    frames = plan.layout.frame_count or 0
    if frames > _MOST_WALKED:
        estimate_s = sequence.estimate_duration().total_duration
        return float(max(estimate_s, 0 if sequence.channels else frames * exposure_ms / 1000))
    clock = origin = 0.0
    for event in sequence:
        if event.reset_event_timer:
            origin = clock
        clock = max(clock, origin + (event.min_start_time or 0.0))
        if isinstance(event.action, useq.AcquireImage):
            clock += (exposure_ms if event.exposure is None else event.exposure) / 1000
    return clock
