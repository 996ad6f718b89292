"""`PanelState`: what an acquisition panel allows and shows, resolved in one place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from pymmcore_ome.stream import Progress, count_text, size_text

from .acquisition_run import Phase, RunSnapshot

_PHASES: Final[dict[Phase, str]] = {
    "starting": "Starting…",
    "running": "Acquiring",
    "pausing": "Pausing after this frame…",
    "paused": "Paused",
    "canceling": "Canceling after this frame…",
    "finishing": "Writing the last frames…",
    "complete": "Complete",
    "canceled": "Canceled",
    "failed": "Failed",
}
_FULL: Final = 0.9  # of the buffer: from here on, the disk sets the pace


class ForeignRun(NamedTuple):
    """A run on the same core that was started elsewhere."""

    frames: int
    is_paused: bool


@dataclass(frozen=True)
class PanelState:
    """What a panel allows and shows.

    Attributes
    ----------
    can_edit : bool
        Whether the sequence and the save settings can be changed.
    can_run, can_pause, can_cancel : bool
    is_paused : bool
        The pause button then resumes.
    status : str
    frames : str
        How many frames were acquired, where `run` does not contain it.
    run : RunSnapshot | None
        The run of this panel whose progress is shown.
    warning : str
        What is going wrong with the run, in words; empty: nothing.
    title : str
        How far the run is, for the title of a window.
    """

    can_edit: bool = True
    can_run: bool = True
    can_pause: bool = False
    can_cancel: bool = False
    is_paused: bool = False
    status: str = ""
    frames: str = ""
    run: RunSnapshot | None = None
    warning: str = ""
    title: str = ""


def panel_state(
    run: RunSnapshot | None = None,
    is_checking: bool = False,
    foreign: ForeignRun | None = None,
    last: str = "",
    free_bytes: int | None = None,
) -> PanelState:
    """Return the state of a panel.

    Parameters
    ----------
    run : RunSnapshot, optional
        Of the run that this panel started, also when it has ended and stays to be read.
    is_checking : bool
        Whether the start of a run is being checked.
    foreign : ForeignRun, optional
    last : str
        The status when nothing else is known.
    free_bytes : int, optional
        On the disk that the run is saved to; None: unknown.
    """
    if run is not None and not run.is_over:
        return PanelState(
            can_edit=False,
            can_run=False,
            can_pause=run.phase in ("running", "pausing", "paused"),
            can_cancel=True,
            is_paused=run.phase in ("pausing", "paused"),
            status=_status(run),
            run=run,
            warning=_warning(run.progress, free_bytes),
            title=_title(run),
        )
    if is_checking:
        return PanelState(can_edit=False, can_run=False, can_cancel=True, status="Checking…")
    if foreign is not None:
        return PanelState(
            can_edit=False,
            can_run=False,
            can_pause=True,
            can_cancel=True,
            is_paused=foreign.is_paused,
            status="An acquisition that was started elsewhere is running",
            frames=count_text(foreign.frames, "frame"),
        )
    return PanelState(status=last if run is None else _status(run), run=run)


def _status(run: RunSnapshot) -> str:
    progress = run.progress
    if (
        run.phase == "running"
        and progress is not None
        and progress.bytes_in_flight > _FULL * progress.buffer_bytes
    ):
        return "Acquiring; waiting for the disk"
    return _PHASES[run.phase]


def _title(run: RunSnapshot) -> str:
    progress = run.progress
    if progress is None or not progress.frames_planned:
        return _PHASES[run.phase]
    done = progress.frames_written + progress.frames_skipped
    return f"{100 * done // progress.frames_planned} % {_PHASES[run.phase]}"


def _warning(progress: Progress | None, free_bytes: int | None) -> str:
    if progress is None:
        return ""
    found = []
    if skipped := progress.frames_skipped:
        found.append(
            f"{count_text(skipped, 'frame')} skipped. Check the camera, and stop live mode in "
            "other programs."
        )
    if free_bytes is not None and free_bytes < _missing_bytes(progress):
        found.append(
            f"The disk is filling up: {size_text(free_bytes)} free. Free some space before the "
            "run stops."
        )
    return " ".join(found)


def _missing_bytes(progress: Progress) -> float:
    """Return the bytes that are still to be written, at the average size of a frame."""
    waiting = float(max(progress.bytes_in_flight, progress.buffer_bytes // 8))
    if not progress.frames_planned or not progress.frames_written:
        return waiting
    done = progress.frames_written + progress.frames_skipped
    left = max(0, progress.frames_planned - done)
    return max(waiting, left * progress.bytes_written / progress.frames_written)
