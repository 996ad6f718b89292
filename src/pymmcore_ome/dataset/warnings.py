"""Warnings of a valid store: settings that failed to apply during the run.

It reads the frame table only; `validate` checks pixels and documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pymmcore_ome.frames import NOT_AS_ASKED

from .dataset import Dataset

_SHOWN: Final = 3
_MAX_SENTENCES: Final = 10


class Refused(NamedTuple):
    """One setting that failed to apply.

    Attributes
    ----------
    problem : str
        Which setting, and why.
    frames : int
        Acquired without it.
    first : list of str
        Names of the first few.
    """

    problem: str
    frames: int
    first: list[str]

    @property
    def where(self) -> str:
        """The names of the first frames that it affects."""
        more = ", …" if self.frames > len(self.first) else ""
        return ", ".join(self.first) + more


def refused_settings(dataset: Dataset, rows: Iterable[Mapping[str, Any]]) -> list[Refused]:
    """Return the settings that failed to apply, each once, in order of arrival.

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
        marks = row["metadata"][NOT_AS_ASKED]
        for problem in map(str, marks if isinstance(marks, list) else [marks]):
            counts[problem] = counts.get(problem, 0) + 1
            names = first.setdefault(problem, [])
            if image is not None and len(names) < _SHOWN:
                names.append(dataset.layout.frame_name(image, row["index"]))
    return [Refused(problem, count, first[problem]) for problem, count in counts.items()]


def store_warnings(dataset: Dataset) -> list[str]:
    """Return the settings that failed to apply, one sentence each; empty when all were applied.

    For a complete run also the reason of its status, such as a failed autofocus.
    """
    rows = dataset.not_as_asked()
    if rows:
        return list(_sentences(refused_settings(dataset, rows)))
    record = dataset.record
    is_whole = dataset.layout.frame_count in (None, record.frames.get("written"))
    if record.status == "complete" and record.reason and is_whole:
        return [record.reason]
    return []


def _sentences(refused: list[Refused]) -> Iterator[str]:
    for one in refused[:_MAX_SENTENCES]:
        frames = "1 frame was" if one.frames == 1 else f"{one.frames} frames were"
        yield f"{frames} acquired with a setting that failed to apply: {one.problem}: {one.where}"
    if len(refused) > _MAX_SENTENCES:
        more = len(refused) - _MAX_SENTENCES
        yield f"{more} more settings failed to apply: see not_as_asked in the frame table"
