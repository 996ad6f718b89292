"""`NotAsAsked`: counts the frames of a run that were not taken as their events asked.

It says each kind of problem once, and keeps a few of them for the status of the store; the
frame table has them all.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pymmcore_ome.frames import NOT_AS_ASKED

logger = logging.getLogger("pymmcore-ome")
_MOST_SAID: Final = 10


class NotAsAsked:
    """The problems of one run.

    Parameters
    ----------
    path : Path
        Of the store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said: dict[str, None] = {}
        self._frames = 0

    def add(self, problems: Sequence[str], frames: int = 0) -> None:
        """Note problems, of so many frames."""
        if not problems:
            return
        self._frames += frames
        for problem in problems:
            if problem in self._said or len(self._said) >= _MOST_SAID:
                continue
            self._said[problem] = None
            last = " (what else is wrong is in the frame table only)"
            is_last = len(self._said) == _MOST_SAID
            logger.warning("%s: %s%s", self._path, problem, last if is_last else "")

    @property
    def reason(self) -> str | None:
        """What to write into the store's status; None when all was as asked."""
        if not self._said:
            return None
        first, *others = self._said
        more = f" (and {len(others)} more)" if others else ""
        if not self._frames:
            return f"{first}{more}"
        were = "1 frame was" if self._frames == 1 else f"{self._frames} frames were"
        return f"{were} not taken as asked ({NOT_AS_ASKED} in the frame table): {first}{more}"
