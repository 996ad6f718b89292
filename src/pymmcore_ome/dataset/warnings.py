"""What was not as asked in a store that is in order: settings that the core refused in the run.

It judges no pixels and no documents (`validate` does), and reads the frame table alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pymmcore_ome.frames import NOT_AS_ASKED

from .dataset import Dataset

_SHOWN: Final = 3
_MOST_TOLD: Final = 10


class Refused(NamedTuple):
    """One setting that was not as asked.

    Attributes
    ----------
    problem : str
        Which, and why.
    frames : int
        Taken without it.
    first : list of str
        Names of the first few.
    """

    problem: str
    frames: int
    first: list[str]

    @property
    def where(self) -> str:
        """Which frames it is about, in a few words."""
        more = ", …" if self.frames > len(self.first) else ""
        return ", ".join(self.first) + more


def refused_settings(dataset: Dataset, rows: Iterable[Mapping[str, Any]]) -> list[Refused]:
    """Return the settings that were not as asked, each once, the first first.

    Parameters
    ----------
    dataset : Dataset
    rows : iterable of mapping
        Its `Dataset.not_as_asked`.
    """
    images = {image.path: image.layout for image in dataset.images}
    counts: dict[str, int] = {}
    first: dict[str, list[str]] = {}
    for row in rows:
        image = images.get(row["image"])
        told = row["metadata"][NOT_AS_ASKED]
        for problem in [told] if isinstance(told, str) else map(str, told):
            counts[problem] = counts.get(problem, 0) + 1
            names = first.setdefault(problem, [])
            if image is not None and len(names) < _SHOWN:
                names.append(dataset.layout.frame_name(image, row["index"]))
    return [Refused(problem, count, first[problem]) for problem, count in counts.items()]


def store_warnings(dataset: Dataset) -> list[str]:
    """Return what was not as asked, in words; empty when all was.

    Of a run that ended well, also what is said of it and of no frame in particular, such as an
    autofocus that failed.
    """
    rows = dataset.not_as_asked()
    if rows:
        return list(_told(refused_settings(dataset, rows)))
    record = dataset.record
    is_whole = dataset.layout.frame_count in (None, record.frames.get("written"))
    if record.status == "complete" and record.reason and is_whole:
        return [record.reason]
    return []


def _told(refused: list[Refused]) -> Iterator[str]:
    for one in refused[:_MOST_TOLD]:
        were = "1 frame was" if one.frames == 1 else f"{one.frames} frames were"
        yield f"{were} not taken as asked: {one.problem}: {one.where}"
    if len(refused) > _MOST_TOLD:
        more = len(refused) - _MOST_TOLD
        yield f"{more} more settings were not as asked: the frame table has all of them"
