"""What the frame table knows of the images of a growing store whose process died. It only reads.

Names of channels, stage positions, labels and indices come with the frames; the stream writes them
into the documents at its end, from memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymmcore_ome.layout import Layout, grown_plan, new_position
from pymmcore_ome.schema import ImagePlan, Position


@dataclass
class _Seen:
    """What the frames of one image say; where they differ, the one that came first."""

    arrival: float = math.inf
    first: Mapping[str, Any] = field(default_factory=dict)
    channels: dict[int, tuple[float, str]] = field(default_factory=dict)

    def take(self, row: Mapping[str, Any], channel: int | None) -> None:
        """Note a frame of the image, and the number of its channel."""
        arrival, name = float(row.get("arrival", 0)), row.get("channel")
        if arrival < self.arrival:
            self.arrival, self.first = arrival, row
        if channel is not None and name and arrival < self.channels.get(channel, (math.inf,))[0]:
            self.channels[channel] = arrival, str(name)

    def position(self, name: str) -> Position:
        """Return where the image was taken."""
        rest = self.first.get("metadata")
        about = {
            "pos_name": rest.get("pos_name") if isinstance(rest, Mapping) else None,
            "x_um": self.first.get("x_um"),
            "y_um": self.first.get("y_um"),
        }
        return new_position(name, about)


def grown_plans(
    layout: Layout, shapes: Sequence[tuple[int, ...]], rows: Iterable[Mapping[str, Any]]
) -> tuple[ImagePlan, ...]:
    """Return the images as the stream would have described them at its end.

    Parameters
    ----------
    layout : Layout
        Of the store as it lies there.
    shapes : sequence of tuple of int
        What was written of each image.
    rows : iterable of mapping
        The frame table, in any order. An image without a frame in it keeps its name alone.
    """
    seen = {image.path: _Seen() for image in layout.images}
    lanes = {image.path: {lane.name: lane for lane in image.lanes} for image in layout.images}
    for row in rows:
        if row["image"] in seen:
            lane = lanes[row["image"]].get("c")
            channel = None if lane is None else row["index"][lane.axis] // lane.step
            seen[row["image"]].take(row, channel)
    selectors = [
        {
            k: v
            for k, v in seen[image.path].first["event_index"].items()
            if v and k not in lanes[image.path]
        }
        if seen[image.path].first
        else {"image": image.number}
        for image in layout.images
    ]
    if len({tuple(sorted(at.items())) for at in selectors}) < len(selectors):
        selectors = [{"image": image.number} for image in layout.images]  # they tell nothing apart
    return tuple(
        grown_plan(
            layout.schema,
            at=at,
            position=seen[image.path].position(image.position.name or image.name),
            sizes=dict(zip(image.axis_names, shape, strict=True)),
            channels={n: name for n, (_, name) in seen[image.path].channels.items()},
            camera=image.camera,
        )
        for image, shape, at in zip(layout.images, shapes, selectors, strict=True)
    )
