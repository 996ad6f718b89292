"""`StoreState`: all that documents are made of, at one moment of a store's life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pymmcore_ome.frames import PlaneTable
from pymmcore_ome.layout import Layout, PageTable

from .store_record import StoreRecord


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
    planes : PlaneTable | None
        What is known of the planes; None while frames still come.
    pages : PageTable | None
        Where each plane is, for formats with a page a plane.
    """

    layout: Layout
    record: StoreRecord
    shapes: Sequence[tuple[int, ...]]
    planes: PlaneTable | None = None
    pages: PageTable | None = None
