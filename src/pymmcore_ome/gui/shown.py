"""What of a sequence an editor does not show as it is. Pure; it changes nothing.

The tables of pymmcore-widgets put the first channel in the place of one that the microscope
does not have, and say nothing: frames would be taken of another channel than was planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import useq

_LEAST_UM: Final = 0.01  # tables round


def what_is_lost(loaded: useq.MDASequence, shown: useq.MDASequence) -> list[str]:
    """Return what a sequence asks for and an editor shows otherwise, in words; empty: nothing.

    Numbers that are merely rounded, and what a sequence leaves open, count as shown.

    Parameters
    ----------
    loaded, shown : useq.MDASequence
    """
    # copies: looking at plans fills caches that a run needs empty
    loaded, shown = loaded.model_copy(deep=True), shown.model_copy(deep=True)
    found = []
    wanted, got = (
        [f"{c.config} of {c.group}" for c in sequence.channels] for sequence in (loaded, shown)
    )
    if wanted != got:
        found.append(f"channels {', '.join(wanted)} would be {', '.join(got) or 'none'}")
    sizes = {axis: size for axis, size in loaded.sizes.items() if size}
    for axis, size in sizes.items():
        if axis != "c" and shown.sizes.get(axis, 0) != size:
            found.append(f"{size} of axis {axis!r} would be {shown.sizes.get(axis, 0)}")
    if not sizes.get("p") and shown.sizes.get("p", 0) > 1:
        found.append(f"the present position would be {shown.sizes['p']} positions")
    order, seen = ([a for a in s.axis_order if a in sizes] for s in (loaded, shown))
    if order != seen:
        found.append(f"the order of axes {order} would be {seen}")
    if sizes.get("p") and not _are_near(list(loaded.stage_positions), list(shown.stage_positions)):
        found.append("positions would be elsewhere")
    return found


def _are_near(wanted: Sequence[Any], got: Sequence[Any]) -> bool:
    return len(wanted) == len(got) and all(
        getattr(one, axis) is None
        or abs(getattr(one, axis) - (getattr(other, axis) or 0)) <= _LEAST_UM
        for one, other in zip(wanted, got, strict=True)
        for axis in ("x", "y", "z")
    )
