"""Walking a sequence without stealing its autofocus.

useq's autofocus plans remember the last event that they saw, and its caches share positions
between equal sequences, copies included. A walk that only wants to look would leave that memory
behind, and the microscope would then skip the first autofocus of the real run. Found by
experiment with useq-schema 0.9.2; this file can go when iterating a sequence has no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import useq


@contextmanager
def autofocus_kept(sequence: useq.MDASequence) -> Iterator[None]:
    """Leave every autofocus plan of a sequence as it was before the block."""
    before = [(plan, dict(plan._previous)) for plan in _plans(sequence)]
    try:
        yield
    finally:
        for plan, index in before:
            plan.should_autofocus(useq.MDAEvent(index=index))  # this is how it remembers


def _plans(sequence: useq.MDASequence) -> Iterable[useq.AxesBasedAF]:
    if sequence.autofocus_plan is not None:
        yield sequence.autofocus_plan
    if "p" in map(str, sequence.axis_order):
        for position in _positions(sequence):
            sub = position.sequence
            if sub is not None and sub.autofocus_plan is not None:
                yield sub.autofocus_plan


def _positions(sequence: useq.MDASequence) -> Iterable[Any]:
    """Return the positions that useq will really iterate, maybe an equal sequence's."""
    try:
        from useq._iter_sequence import _iter_axis
    except ImportError:  # pragma: no cover  # a version without that cache
        return sequence.stage_positions
    return _iter_axis(sequence, "p")
