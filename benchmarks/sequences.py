"""The useq sequences of the loads."""

from __future__ import annotations

import useq


def jagged_sequence(frames: int) -> useq.MDASequence:
    """Return positions of which every other has a z-stack, with about so many events."""
    positions: list[object] = []
    per_pair = 2 * (1 + 9)  # two time points, a plane and nine planes
    for number in range(max(1, frames // per_pair)):
        positions.append(useq.Position(x=10.0 * number, y=0.0, z=0.0))
        positions.append(
            useq.Position(
                x=10.0 * number, y=10.0, z=0.0,
                sequence=useq.MDASequence(z_plan=useq.ZRangeAround(range=8, step=1)),
            )
        )  # fmt: skip
    return useq.MDASequence(
        axis_order="tpcz", stage_positions=positions, channels=["DAPI"],
        time_plan=useq.TIntervalLoops(interval=0, loops=2),
    )  # fmt: skip
