"""`BurstEnd`: keeps an engine from leaving the last frames of a hardware burst in the core.

The engine of pymmcore-plus asks for frames first, and then whether the camera still runs
(`MDAEngine._exec_single_camera_sequence`, 0.18): a frame that comes in between, as the last one
does on a busy machine, is never fetched. It fetches no frame itself, and changes nothing for
engines that run bursts in their own way.
"""

from __future__ import annotations

from typing import Any

from pymmcore_plus.mda import MDAEngine


class BurstEnd:
    """A block in which the core's camera runs for as long as it has frames. Re-entered at will.

    Parameters
    ----------
    engine
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine if _runs_bursts_as_usual(engine) else None
        self._core: Any = None
        self._before: Any = None

    def __enter__(self) -> None:
        self._core = None if self._engine is None else self._engine.mmcore
        if self._core is None:
            return
        core, is_running = self._core, self._core.isSequenceRunning
        self._before = vars(core).get("isSequenceRunning")

        def has_frames_or_runs(*camera: str) -> bool:
            # in this order: what has stopped brings no more
            return bool(is_running(*camera)) or (not camera and core.getRemainingImageCount() > 0)

        core.isSequenceRunning = has_frames_or_runs

    def __exit__(self, *_: object) -> None:
        if self._core is None:
            return
        if self._before is None:
            vars(self._core).pop("isSequenceRunning", None)
        else:
            self._core.isSequenceRunning = self._before
        self._core = self._before = None


def _runs_bursts_as_usual(engine: Any) -> bool:
    names = [name for name in vars(MDAEngine) if name.startswith(("exec_", "_exec_"))]
    return isinstance(engine, MDAEngine) and all(
        getattr(type(engine), name) is getattr(MDAEngine, name) and name not in vars(engine)
        for name in names
    )
