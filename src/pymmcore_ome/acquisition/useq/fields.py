"""What becomes of each field of useq's models: nothing that is requested is dropped silently.

A test compares the table with the models, so that a new field is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import useq

#: In events: useq turns it into events. Applied: the engine sets it for each event. Described: it
#: changes no frame, and is kept in the store. Unapplied: the engine ignores it, so the run is
#: refused, or the frames are flagged.
Use = Literal["in events", "applied", "described", "unapplied"]

_POSITION: Final[dict[str, Use]] = {
    "x": "in events", "y": "in events", "z": "in events", "name": "described",
    "sequence": "in events", "properties": "in events", "plate_row": "described",
    "plate_col": "described", "grid_row": "described", "grid_col": "described",
}  # fmt: skip
_FIELD_OF_VIEW: Final[dict[str, Use]] = {"fov_width": "in events", "fov_height": "in events"}
_GRID: Final[dict[str, Use]] = {**_FIELD_OF_VIEW, "overlap": "in events", "mode": "in events"}
# no frame is ever left out to keep a duration
_TIMES: Final[dict[str, Use]] = {"prioritize_duration": "described"}
_FOCUS: Final[dict[str, Use]] = {
    "autofocus_device_name": "applied", "autofocus_motor_offset": "applied",
}  # fmt: skip

#: By the name of the model; `EventChannel` is the channel of an event.
USES: Final[dict[str, dict[str, Use]]] = {
    "MDASequence": {
        "metadata": "described", "axis_order": "in events", "stage_positions": "in events",
        "grid_plan": "in events", "channels": "in events", "time_plan": "in events",
        "z_plan": "in events", "autofocus_plan": "in events", "setup": "applied",
        "keep_shutter_open_across": "in events",
    },
    # of a position, and so on: what differs from a sequence of its own
    "MDASequence of a position": {
        "metadata": "described", "axis_order": "in events", "stage_positions": "in events",
        "grid_plan": "in events", "channels": "in events", "time_plan": "in events",
        "z_plan": "in events", "autofocus_plan": "in events", "setup": "unapplied",
        "keep_shutter_open_across": "described",  # useq refuses it
    },
    "MDAEvent": {
        "index": "described", "channel": "applied", "exposure": "applied",
        "min_start_time": "applied", "pos_name": "described", "x_pos": "applied",
        "y_pos": "applied", "z_pos": "applied", "slm_image": "applied", "sequence": "described",
        "properties": "applied", "roi": "applied", "metadata": "described", "action": "applied",
        "keep_shutter_open": "applied", "reset_event_timer": "applied",
    },
    "MDAEvent as setup": {
        "index": "described", "channel": "applied", "exposure": "applied",
        "min_start_time": "unapplied", "pos_name": "described", "x_pos": "applied",
        "y_pos": "applied", "z_pos": "applied", "slm_image": "unapplied",
        "sequence": "described", "properties": "applied", "roi": "applied",
        "metadata": "described", "action": "described", "keep_shutter_open": "applied",
        "reset_event_timer": "described",
    },
    "Channel": {
        "config": "in events", "group": "in events", "exposure": "in events",
        "do_stack": "in events", "z_offset": "in events", "acquire_every": "in events",
        "camera": "unapplied",
    },
    "EventChannel": {"config": "applied", "group": "applied"},
    "AbsolutePosition": _POSITION,
    "RelativePosition": {**_POSITION, **_FIELD_OF_VIEW},
    "AcquireImage": {"type": "applied"},
    "Action": {"type": "applied"},
    "CustomAction": {"type": "unapplied", "name": "unapplied", "data": "unapplied"},
    "HardwareAutofocus": {"type": "applied", "max_retries": "applied", **_FOCUS},
    "AutoFocusPlan": _FOCUS,
    "AxesBasedAF": {**_FOCUS, "axes": "in events"},
    "CameraROI": {
        "offset_x": "applied", "offset_y": "applied", "width": "applied", "height": "applied",
    },
    "SLMImage": {"data": "applied", "device": "applied", "exposure": "applied"},
    "GridFromEdges": {
        **_GRID, "top": "in events", "left": "in events", "bottom": "in events",
        "right": "in events",
    },
    "GridFromPolygon": {
        **_GRID, "vertices": "in events", "convex_hull": "in events", "offset": "in events",
    },
    "GridRowsColumns": {
        **_GRID, "rows": "in events", "columns": "in events", "relative_to": "in events",
    },
    "GridWidthHeight": {
        **_GRID, "width": "in events", "height": "in events", "relative_to": "in events",
    },
    "RandomPoints": {
        **_FIELD_OF_VIEW, "num_points": "in events", "max_width": "in events",
        "max_height": "in events", "shape": "in events", "random_seed": "in events",
        "allow_overlap": "in events", "order": "in events", "start_at": "in events",
    },
    "MultiPhaseTimePlan": {**_TIMES, "phases": "in events"},
    "TDurationLoops": {**_TIMES, "duration": "in events", "loops": "in events"},
    "TIntervalDuration": {**_TIMES, "interval": "in events", "duration": "in events"},
    "TIntervalLoops": {**_TIMES, "interval": "in events", "loops": "in events"},
    "WellPlate": {
        "rows": "described", "columns": "described", "well_spacing": "in events",
        "well_size": "in events", "circular_wells": "in events", "name": "described",
    },
    "WellPlatePlan": {
        "plate": "in events", "a1_center_xy": "in events", "rotation": "in events",
        "selected_wells": "in events", "well_points_plan": "in events",
    },
    "ZAboveBelow": {
        "go_up": "in events", "above": "in events", "below": "in events", "step": "in events",
    },
    "ZAbsolutePositions": {"go_up": "in events", "absolute": "in events"},
    "ZRangeAround": {"go_up": "in events", "range": "in events", "step": "in events"},
    "ZRelativePositions": {"go_up": "in events", "relative": "in events"},
    "ZTopBottom": {
        "go_up": "in events", "top": "in events", "bottom": "in events", "step": "in events",
    },
}  # fmt: skip


class UnappliedFields:
    """The fields of a sequence that an engine of pymmcore-plus ignores.

    Parameters
    ----------
    sequence : useq.MDASequence
    """

    def __init__(self, sequence: useq.MDASequence) -> None:
        self._cameras: dict[tuple[str, str], set[str | None]] = {}
        self._of_sequence: list[str] = []
        self._of_positions: dict[int, list[str]] = {}
        self._add_channels(sequence)
        if (setup := sequence.setup) is not None:
            if setup.slm_image is not None:
                self._of_sequence.append("setup has an slm_image, which is never shown")
            if setup.min_start_time:
                self._of_sequence.append("setup has a min_start_time, which is ignored")
        positions = sequence.stage_positions
        if isinstance(positions, useq.WellPlatePlan):
            return
        for number, position in enumerate(positions):
            if (sub := position.sequence) is not None:
                self._add_channels(sub)
                if reasons := list(_of_sub_sequence(sub, number)):
                    self._of_positions[number] = reasons

    def cameras(self) -> Iterator[tuple[str, str, str]]:
        """Yield group, preset and camera of each channel that names a camera."""
        for (group, config), cameras in self._cameras.items():
            for camera in sorted(filter(None, cameras)):
                yield group, config, camera

    def reasons(self) -> Iterator[str]:
        """Yield what is ignored for certain; a channel's camera depends on the microscope."""
        yield from self._of_sequence
        for reasons in self._of_positions.values():
            yield from reasons

    def of_frame(self, event: Any, camera: str | None) -> list[str]:
        """Return what was ignored of a frame.

        Parameters
        ----------
        event : MDAEvent
        camera : str or None
            The one that acquired it.
        """
        reasons = self._of_sequence + self._of_positions.get(event.index.get("p", 0), [])
        if event.channel is not None and camera is not None:
            wanted = self._cameras.get((event.channel.group, event.channel.config))
            if wanted and None not in wanted and camera not in wanted:
                names = " or ".join(sorted(map(repr, wanted)))
                reasons = [
                    *reasons,
                    f"channel {event.channel.config!r} requests camera {names}; "
                    f"{camera!r} acquired the frame",
                ]
        return reasons

    def _add_channels(self, sequence: useq.MDASequence) -> None:
        for channel in sequence.channels:
            camera = getattr(channel, "camera", None)
            self._cameras.setdefault((channel.group, channel.config), set()).add(camera)


def _of_sub_sequence(sub: useq.MDASequence, number: int) -> Iterator[str]:
    where = f"stage_positions[{number}].sequence"
    if sub.setup is not None:
        yield (
            f"{where} has a setup, which pymmcore-plus ignores; use the position's properties, or "
            "the setup of the whole sequence"
        )
