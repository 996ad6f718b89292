"""What a run that is saved by a handler of signals must be warned of. It connects nothing."""

from __future__ import annotations

import logging
from typing import Final

logger = logging.getLogger("pymmcore-ome")

#: pymmcore-plus connects and disconnects the slots of a handler in the acquisition's thread, while
#: Qt calls them in the main thread. PySide6 (6.11) does not keep what it still has to call: it then
#: reads freed memory. PyQt6 does keep it. To be removed when either of them does otherwise.
_UNSAFE: Final = "PySide6"


def warn_of_unsafe_signals(events: object) -> None:
    """Say in the log where a run that is saved by a handler may end the process.

    Parameters
    ----------
    events : object
        The signals of the runner.
    """
    if any(kind.__module__.startswith(_UNSAFE) for kind in type(events).__mro__):
        logger.warning(
            "The core's signals are PySide6's, which may crash the process when a run with a "
            "handler ends. Call pymmcore_ome.install(core) once, before the run: frames then come "
            "from the engine, and no signal is needed."
        )
