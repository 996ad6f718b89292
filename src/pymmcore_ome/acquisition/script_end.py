"""A script that used a core ends with its own status.

A thread of Micro-Manager's core may still report a setting while the interpreter ends, which
then aborts the process ("FATAL: exception not rethrown", status 134), though all data is on
disk. So the core's callback is taken off first. To be removed when pymmcore-plus does so itself.
"""

from __future__ import annotations

import atexit
import logging
import weakref
from typing import Any

from pymmcore_plus import CMMCorePlus

logger = logging.getLogger("pymmcore-ome")
_cores: weakref.WeakSet[CMMCorePlus] = weakref.WeakSet()


def ends_quietly(core: Any) -> None:
    """Take off a core's callback when the interpreter ends. May be called again.

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
