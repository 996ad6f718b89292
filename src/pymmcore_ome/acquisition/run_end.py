"""However a run ends: the light is off again, a running camera is stopped, the next run can start.

The stage stays where it is. A script that used a core ends with its own status (`ends_quietly`).
"""

from __future__ import annotations

import atexit
import logging
import weakref
from typing import Any

from pymmcore_plus import CMMCorePlus, DeviceType

logger = logging.getLogger("pymmcore-ome")
_cores: weakref.WeakSet[CMMCorePlus] = weakref.WeakSet()


class Light:
    """The shutters and the auto-shutter of a core, as they were before a run.

    It never opens a shutter. Where auto-shutter was on, the shutter in use is closed, as it is
    after every exposure.

    Parameters
    ----------
    core : CMMCorePlus or None
        None: an engine without a core, which is left alone.
    is_automatic : bool, optional
        Whether auto-shutter was on, where the run may have begun. None: the core is asked.
    """

    def __init__(self, core: Any, is_automatic: bool | None = None) -> None:
        self._core = core
        self._is_automatic = False
        self._closed: list[str] = []
        if core is not None:
            self._is_automatic = core.getAutoShutter() if is_automatic is None else is_automatic
            shutters = core.getLoadedDevicesOfType(DeviceType.Shutter)
            in_use = core.getShutterDevice() if self._is_automatic else None
            self._closed = [
                name for name in shutters if name == in_use or not core.getShutterOpen(name)
            ]

    def restore(self) -> None:
        """Close what was closed, and set auto-shutter as it was; harmless when done before."""
        core, self._core = self._core, None
        if core is None:
            return
        for name in self._closed:
            try:
                if core.getShutterOpen(name):
                    core.setShutterOpen(name, False)
            except Exception as error:  # the other shutters, and the data, come first
                logger.warning("Shutter %s could not be closed: %s", name, error)
        if core.getAutoShutter() != self._is_automatic:
            core.setAutoShutter(self._is_automatic)


def stop_camera(core: Any) -> None:
    """Stop a camera that still runs in a burst."""
    try:
        if core is not None and core.isSequenceRunning():
            core.stopSequenceAcquisition()
    except Exception as error:  # what ended the run is raised
        logger.warning("The camera could not be stopped: %s", error)


def end_interrupted(runner: Any) -> None:
    """Let the next run start after a KeyboardInterrupt, which the runner does not expect.

    It would report forever that it is running. It has no public way out (pymmcore-plus 0.18); its
    engine's teardown is left out, because that may move the stage.

    Parameters
    ----------
    runner : MDARunner
    """
    core = getattr(runner.engine, "mmcore", None)
    stop_camera(core)
    if not runner.is_running() and not hasattr(runner, "_state"):
        return
    if hasattr(runner, "_state"):
        with runner._lock:
            was_idle = str(runner._state) == str(type(runner._state).IDLE)
            runner._cancel_requested = runner._pause_requested = False
            runner._finish_reason = _canceled(runner)
            runner._state = type(runner._state).IDLE
    else:
        was_idle, runner._running = False, False
    sequence = getattr(runner, "_sequence", None)
    if sequence is not None and not was_idle:
        runner.events.sequenceCanceled.emit(sequence)
        runner.events.sequenceFinished.emit(sequence)


def _canceled(runner: Any) -> Any:
    try:
        from pymmcore_plus.mda._runner import FinishReason
    except ImportError:  # pragma: no cover  # before 0.18
        return runner._finish_reason
    return FinishReason.CANCELED


def ends_quietly(core: Any) -> None:
    """Take off a core's callback when the interpreter ends. May be called again.

    A thread of Micro-Manager's core may still report a setting while the interpreter ends, which
    then aborts the process ("FATAL: exception not rethrown", status 134), though all data is on
    disk. To be removed when pymmcore-plus does so itself.

    Parameters
    ----------
    core : CMMCorePlus
        Not kept alive. Anything else is left alone.
    """
    if isinstance(core, CMMCorePlus):
        _cores.add(core)


@atexit.register
def _take_callbacks_off() -> None:
    for core in list(_cores):
        try:
            super(CMMCorePlus, core).registerCallback(None)
        except Exception:  # the process ends in any case
            logger.debug("The callback of %s could not be taken off", core, exc_info=True)
