"""`Parts`: what a sequence contributes to a schema, whichever way it was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pymmcore_ome.schema import Dimension, EventOrder, ImagePlan, Plate


@dataclass(frozen=True)
class Parts:
    """Either a loop nest (`dimensions`), or images of their own and their order."""

    dimensions: tuple[Dimension, ...] = ()
    plate: Plate | None = None
    images: tuple[ImagePlan, ...] | None = None
    order: EventOrder | None = None

    def with_cameras(self, names: Sequence[str]) -> Parts:
        """Return the parts with one frame a camera for every event, cameras innermost."""
        cameras = Dimension(name="cam", coords=names)
        if self.images is None or self.order is None:
            return replace(self, dimensions=(*self.dimensions, cameras))
        return replace(
            self,
            images=tuple(
                image.replace(dimensions=(*image.dimensions, cameras)) for image in self.images
            ),
            order=EventOrder(
                axes=(*self.order.axes, "cam"),
                rows=tuple((*row, n) for row in self.order.rows for n in range(len(names))),
            ),
        )
