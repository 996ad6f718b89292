"""`Documents`: which documents a store needs and when. Each format has its own.

They are pairs of a key and the pieces of its bytes. Nothing here writes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pymmcore_ome.frames import PlaneMetadata
from pymmcore_ome.layout import ImageLayout, Layout, PageTable

from .axes import stage_coordinates
from .store_record import StoreRecord

Document = tuple[str, Iterable[bytes]]


class Documents(ABC):
    """The documents of one format."""

    @abstractmethod
    def refusals(self, layout: Layout) -> list[str]:
        """Return every reason why the format cannot describe the layout."""

    @abstractmethod
    def created(self, state: StoreState) -> Iterator[Document]:
        """Yield the documents of a new store, the one that makes it a store last."""

    @abstractmethod
    def reopened(self, state: StoreState) -> Iterator[Document]:
        """Yield the documents of a closed store that is being written again."""

    @abstractmethod
    def grown(self, state: StoreState, added: Iterable[ImageLayout]) -> Iterator[Document]:
        """Yield the documents of images that were added, or grew, while the store is written."""

    @abstractmethod
    def closed(self, state: StoreState) -> Iterator[Document]:
        """Yield the closing documents: no frame follows."""


def image_notes(image: ImageLayout) -> dict[str, object]:
    """Return what the store record has of an image: its name, and what no standard defines.

    Where cameras have images of their own, its camera's number, and its name without the camera.
    `coordinates` holds every axis whose steps are not even, in `units`; z as the stage has
    it, the position's z included.
    """
    notes: dict[str, object] = {"name": image.name}
    if image.spec.camera is not None:
        notes |= {"camera": image.spec.camera, "place": image.position.name}
    uneven = {axis.name: axis for axis in image.axes if axis.coords and axis.scale is None}
    if uneven:
        notes["coordinates"] = {
            name: stage_coordinates(image, axis) for name, axis in uneven.items()
        }
        notes["units"] = {name: axis.unit for name, axis in uneven.items() if axis.unit is not None}
    return notes


@dataclass(frozen=True)
class StoreState:
    """A store as it is now.

    Attributes
    ----------
    layout : Layout
    record : StoreRecord
        How it began, and how it ended.
    shapes : sequence of tuple of int
        Of each image's array, in storage order. May be fewer than the layout has images:
        the last ones then have no array.
    planes : PlaneMetadata | None
        What is known of the planes; None while frames still arrive.
    pages : PageTable | None
        Where each plane is, for formats with a page a plane.
    """

    layout: Layout
    record: StoreRecord
    shapes: Sequence[tuple[int, ...]]
    planes: PlaneMetadata | None = None
    pages: PageTable | None = None
