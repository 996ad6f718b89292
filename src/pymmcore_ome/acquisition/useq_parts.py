"""`Parts`: what a sequence contributes to a schema, whichever way it was read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pymmcore_ome.schema import Camera, Dimension, EventOrder, ImagePlan, Plate


@dataclass(frozen=True)
class Parts:
    """Either a loop nest (`dimensions`), or images of their own and their order."""

    dimensions: tuple[Dimension, ...] = ()
    plate: Plate | None = None
    images: tuple[ImagePlan, ...] | None = None
    order: EventOrder | None = None

    def with_channels(self, change: Callable[[Dimension], Dimension]) -> Parts:
        """Return the parts with other channel dimensions."""

        def changed(dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
            return tuple(change(d) if d.kind == "channel" else d for d in dimensions)

        images = self.images
        if images is not None:
            images = tuple(image.replace(dimensions=changed(image.dimensions)) for image in images)
        return replace(self, dimensions=changed(self.dimensions), images=images)

    def with_cameras(self, cameras: Sequence[Camera]) -> Parts:
        """Return the parts with one frame a camera for every event, cameras innermost.

        Cameras of one kind fold into the channels; others have images of their own.
        """
        dimension = camera_dimension(cameras)
        if self.images is None or self.order is None:
            return replace(self, dimensions=(*self.dimensions, dimension))
        if dimension.makes_images:
            images = [
                of_camera(image, number, camera)
                for image in self.images
                for number, camera in enumerate(cameras)
            ]
        else:
            images = [
                image.replace(dimensions=(*image.dimensions, dimension)) for image in self.images
            ]
        return replace(
            self,
            images=tuple(images),
            order=EventOrder(
                axes=(*self.order.axes, "cam"),
                rows=tuple((*row, n) for row in self.order.rows for n in range(len(cameras))),
            ),
        )


def camera_dimension(cameras: Sequence[Camera]) -> Dimension:
    """Return the dimension of several cameras; by their names where they are of one kind."""
    of_one_kind = len({camera.kind for camera in cameras}) == 1
    return Dimension(name="cam", coords=[c.name if of_one_kind else c for c in cameras])


def of_camera(plan: ImagePlan, number: int, camera: Camera) -> ImagePlan:
    """Return the image that one of several cameras has of what a plan describes."""
    return plan.replace(at={**plan.at, "cam": number}, camera=camera)
