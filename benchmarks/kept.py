"""`Kept`: what was measured, in `results.json`, so that loads may be run one at a time.

It keeps figures of one machine with one set of packages only, and refuses to mix in others.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from .figures import Figures, Rounds

Row = tuple[str, ...]


@dataclass
class Measured:
    """One load in one place.

    Attributes
    ----------
    found : dict of str to Rounds
        By contender.
    is_quick : bool
        A part of the load.
    waiting : float
        How many processes wanted the processor before it began.
    day : str
        ISO 8601.
    """

    found: dict[str, Rounds]
    is_quick: bool = False
    waiting: float = 0.0
    day: str = field(default_factory=lambda: date.today().isoformat())

    @property
    def rounds(self) -> int:
        """How many rounds there were."""
        return max((len(rounds.rounds) for rounds in self.found.values()), default=0)


class Kept:
    """All that was measured, by load and place.

    Parameters
    ----------
    path : Path
        Of the file.
    facts : list of (name, value)
        Of the machine.
    adds : bool
        Go on with what is in the file. False: begin anew.
    writes : bool
        False: leave the file as it is.
    """

    def __init__(self, path: Path, facts: list[Row], *, adds: bool, writes: bool = True) -> None:
        self._path = path
        self._writes = writes
        self.facts = facts
        self.measured: dict[tuple[str, str], Measured] = {}
        if adds and path.is_file():
            self._read()

    def add(self, load: str, place: str, measured: Measured) -> None:
        """Keep it, in place of what was there, and write the file."""
        self.measured[load, place] = measured
        if not self._writes:
            return
        text = json.dumps(
            {
                "facts": dict(self.facts),
                "measured": [
                    {"load": load, "place": place, **asdict(measured)}
                    for (load, place), measured in self.measured.items()
                ],
            }
        )
        self._path.write_text(text, encoding="utf-8")

    def _read(self) -> None:
        kept = json.loads(self._path.read_text(encoding="utf-8"))
        now = dict(self.facts)
        other = [f"{k}: {v}, now {now.get(k)}" for k, v in kept["facts"].items() if now.get(k) != v]
        if other:
            raise SystemExit(
                f"{self._path} was measured with {'; '.join(other)}. Figures of two machines do "
                "not go into one table: leave --add out to begin anew, or give another --output."
            )
        for entry in kept["measured"]:
            load, place = entry.pop("load"), entry.pop("place")
            found = {name: _rounds(**told) for name, told in entry.pop("found").items()}
            self.measured[load, place] = Measured(found, **entry)


def _rounds(rounds: list[dict[str, object]], why_not: str) -> Rounds:
    figures = [Figures(**told) for told in rounds]  # type: ignore[arg-type]
    for one in figures:
        one.append_us = tuple(one.append_us)
    return Rounds(figures, why_not)
