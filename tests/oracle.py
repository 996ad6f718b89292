"""The truth about a sequence, from `list(sequence)` alone: no code of the package is used.

For every event that acquires a frame: which image it belongs to (distinct pairs of position
and tile, in order of first visit) and where in it (by axis name). The k-th repeat of an
index goes to ``t + k * T``, T being the time slots of one repeat in that image.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import useq


def frames_of(sequence: useq.MDASequence) -> list[Any]:
    """Return the events that acquire a frame."""
    return [event for event in sequence if isinstance(event.action, useq.AcquireImage)]


def plain_index(event: Any) -> dict[str, int]:
    return {str(axis): int(value) for axis, value in event.index.items()}


def expected_places(events: list[Any]) -> list[tuple[int, dict[str, int]]]:
    """Return (image number, index by axis name) of every event."""
    images: dict[tuple[int, int], int] = {}
    slots: Counter[int] = Counter()
    for event in events:
        index = plain_index(event)
        number = images.setdefault((index.get("p", 0), index.get("g", 0)), len(images))
        slots[number] = max(slots[number], index.get("t", 0) + 1)
    seen: Counter[tuple[Any, ...]] = Counter()
    places = []
    for event in events:
        index = plain_index(event)
        number = images[index.get("p", 0), index.get("g", 0)]
        place = {axis: value for axis, value in index.items() if axis not in "pg"}
        key = (number, *sorted(place.items()))
        repeat = seen[key]
        seen[key] += 1
        if repeat:
            place["t"] = place.get("t", 0) + repeat * slots[number]
        places.append((number, place))
    return places
