"""What a resumed run acquires: the events whose frames are missing, at the times that they need.

It changes neither the sequence nor what the runner knows of it: only what the engine is given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import useq

from pymmcore_ome.dataset import open_dataset
from pymmcore_ome.disk import StoreLock
from pymmcore_ome.errors import PymmcoreOmeError
from pymmcore_ome.frames import json_bytes

#: Of a sequence: what does not change its frames.
_FREE: Final = frozenset({"uid", "metadata"})
_MOST_TEXT: Final = 80


def sequence_differences(there: object, sequence: useq.MDASequence) -> list[str]:
    """Return in what the sequence of a store differs from one that is to resume it.

    Parameters
    ----------
    there : object
        As the store keeps it.
    sequence : useq.MDASequence
    """
    if isinstance(there, Mapping) and there:
        try:
            before = useq.MDASequence(**there)
        except (ValueError, TypeError) as error:
            return [f"sequence: that of the store cannot be read: {error!s:.200}"]
        return _differences(_plain(before), _plain(sequence))
    return ["sequence: the store has none"]


def unfinished_by(path: Path, sequence: useq.MDASequence) -> bool:
    """Whether a store lacks frames that the same sequence can add. It reads few documents.

    Not while a program writes to it, and not without a plan.
    """
    try:
        dataset = open_dataset(path)
        record, planned = dataset.record, dataset.layout.frame_count
        if dataset.lost_table is not None:
            return False
        if planned is None or StoreLock(dataset.location).is_held():
            return False
        if record.status == "complete" and record.frames.get("written") == planned:
            return False
        there = record.acquisition.get("sequence")
    except (PymmcoreOmeError, OSError):
        return False
    return not sequence_differences(there, sequence) and not unseeded_points(sequence)


def unseeded_points(model: object) -> bool:
    """Whether a sequence has random points that differ each time, as they have no seed."""
    if isinstance(model, useq.RandomPoints):
        return model.random_seed is None
    if isinstance(model, (list, tuple)):
        return any(unseeded_points(item) for item in model)
    fields = getattr(type(model), "model_fields", None)
    if fields is None:
        return False
    return any(unseeded_points(getattr(model, name)) for name in fields if name not in _FREE)


def _plain(sequence: useq.MDASequence) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json_bytes(sequence.model_dump(mode="json")))
    return {key: value for key, value in found.items() if key not in _FREE}


def _differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    found = []
    for key in dict.fromkeys((*there, *now)):
        one, other = _without_ids(there.get(key)), _without_ids(now.get(key))
        if one != other:
            found.append(
                f"sequence.{key}: {one!s:.{_MOST_TEXT}} there, {other!s:.{_MOST_TEXT}} now"
            )
    return found


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ids(item) for key, item in value.items() if key not in _FREE}
    return [_without_ids(item) for item in value] if isinstance(value, list) else value


class MissingEvents:
    """Leaves out the events whose frames a store has.

    An autofocus event runs right before the first missing frame of its position that follows it,
    so that every position is focused anew before it is imaged. Times count from the
    first event that runs: intervals are kept, and nothing waits for the time that has passed. A
    shutter does not stay open over what is left out.

    Parameters
    ----------
    holds : callable
        Given an acquiring event, and how often its index was before: whether every frame is
        stored.
    runs_actions : bool
        Whether custom actions run; they may have run before.
    """

    def __init__(
        self, holds: Callable[[useq.MDAEvent, int], bool], *, runs_actions: bool = False
    ) -> None:
        self._holds = holds
        self._runs_actions = runs_actions
        self._shift_s: float | None = None
        self._was_reset = False  # the timer, by an event that was left out
        self._repeats: dict[tuple[tuple[str, int], ...], int] = {}

    def of(self, events: Iterable[useq.MDAEvent], *, repeats: bool = False) -> Iterator[Any]:
        """Yield the events that are to run.

        Parameters
        ----------
        events : iterable of MDAEvent
        repeats : bool
            An index may occur several times.
        """
        focus: dict[tuple[int | None, int | None], useq.MDAEvent] = {}
        held: useq.MDAEvent | None = None
        for event in events:
            action = event.action
            place = event.index.get("p"), event.index.get("g")
            if event.reset_event_timer:
                self._shift_s, self._was_reset = None, True
            if isinstance(action, useq.HardwareAutofocus):
                focus[place] = event
                continue
            if isinstance(action, useq.AcquireImage):
                is_missing = not self._holds(event, self._count(event) if repeats else 0)
            else:
                is_missing = self._runs_actions
            if not is_missing:
                if held is not None:
                    yield _closing(held)
                    held = None
                continue
            if held is not None:
                yield held
            if isinstance(action, useq.AcquireImage) and (first := focus.pop(place, None)):
                yield self._timed(first)
            held = self._timed(event)
        if held is not None:
            yield held

    def _count(self, event: useq.MDAEvent) -> int:
        key = tuple(sorted((str(axis), n) for axis, n in event.index.items()))
        count = self._repeats.get(key, 0)
        self._repeats[key] = count + 1
        return count

    def _timed(self, event: useq.MDAEvent) -> useq.MDAEvent:
        """Return an event at the time that it has from the first one that runs."""
        start_s = event.min_start_time
        changes: dict[str, Any] = {}
        if self._was_reset:  # by an event that was left out, or by this one
            self._was_reset = False
            if not event.reset_event_timer:
                changes["reset_event_timer"] = True
        if start_s is not None:
            if self._shift_s is None:
                self._shift_s = float(start_s)
            if self._shift_s:
                changes["min_start_time"] = max(0.0, start_s - self._shift_s)
        return event.model_copy(update=changes) if changes else event


def _closing(event: useq.MDAEvent) -> useq.MDAEvent:
    """Return an event after which the shutter closes."""
    return (
        event.model_copy(update={"keep_shutter_open": False}) if event.keep_shutter_open else event
    )
