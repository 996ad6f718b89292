"""`PanelState`: what an acquisition panel allows and shows, resolved in one place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from pymmcore_ome.stream import count_text

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
    """

    can_edit: bool = True
    can_run: bool = True
    can_pause: bool = False
    can_cancel: bool = False
    is_paused: bool = False
    status: str = ""
    frames: str = ""
    run: RunSnapshot | None = None


def panel_state(
    run: RunSnapshot | None = None,
    is_checking: bool = False,
    foreign: ForeignRun | None = None,
    last: str = "",
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
