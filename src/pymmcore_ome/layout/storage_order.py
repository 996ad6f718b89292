"""The order of the axes in storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pymmcore_ome.schema import Dimension, StorageSchema

#: OME-Zarr stores time first, then channels, then space.
AXIS_RANK: Final = {"time": 0, "channel": 1, "other": 1, "space": 2}


def in_storage_order(schema: StorageSchema, stored: Sequence[Dimension]) -> list[Dimension]:
    """Return dimensions, y and x left out, as `StorageSchema.storage_order` has them.

    Parameters
    ----------
    schema : StorageSchema
    stored : sequence of Dimension
        In order of acquisition.
    """
    if schema.storage_order == "acquisition":
        return list(stored)
    if schema.storage_order == "ome":
        return sorted(stored, key=lambda d: AXIS_RANK[d.kind])
    rank = {name: n for n, name in enumerate(schema.storage_order)}
    return sorted(stored, key=lambda d: rank.get(d.name, -1))
