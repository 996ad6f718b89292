"""`open_dataset`: read a store back, finished or not. It never writes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import ZarrReader
from pymmcore_ome.disk import local_path, root_attributes
from pymmcore_ome.errors import NotAStoreError, SchemaError
from pymmcore_ome.frames import TABLE_NAME, read_table
from pymmcore_ome.layout import ImageLayout, Layout, layout_of
from pymmcore_ome.metadata import KEY, Status, StoreRecord
from pymmcore_ome.schema import Channel, Dimension, ImagePlan, Position, StorageSchema


class Image:
    """One image of a dataset: numpy-style reading, and what its axes mean.

    Examples
    --------
    ``dataset.images[0][3, 1]`` reads time 3, channel 1 of an image with axes t, c, y, x.
    """

    def __init__(self, root: Path, layout: ImageLayout) -> None:
        self._root = root
        self.layout = layout

    @property
    def name(self) -> str:
        """The image's unique name."""
        return self.layout.name

    @property
    def label(self) -> str:
        """The user's own text for it."""
        return self.layout.label

    @property
    def path(self) -> str:
        """Path of the image's group in the store, ``""`` for the root."""
        return self.layout.path

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes in storage order."""
        return self.layout.axis_names

    @property
    def position(self) -> Position:
        """Where it was taken."""
        return self.layout.position

    @property
    def channels(self) -> tuple[Channel, ...]:
        """One an index of the channel axis; empty without one."""
        return self.layout.channels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in storage order, as it is on disk now."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixel type."""
        return self.array.dtype

    @cached_property
    def array(self) -> ZarrReader:
        """The full-resolution array."""
        return ZarrReader(self._root / self.path / "0" if self.path else self._root / "0")

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self.array[key]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{a}: {n}" for a, n in zip(self.axes, self.shape, strict=True))
        return f"<Image {self.name!r} ({sizes}) {self.dtype}>"


class Dataset:
    """A store that this package wrote. Made by `open_dataset`.

    Attributes
    ----------
    path : Path
    record : StoreRecord
        The package's own page in the store.
    layout : Layout
    images : list of Image
        In order of first visit.
    """

    def __init__(self, path: Path, record: StoreRecord, layout: Layout) -> None:
        self.path = path
        self.record = record
        self.layout = layout
        self.images = [Image(path, image) for image in layout.images]

    @property
    def status(self) -> Status:
        """``complete``, ``canceled``, ``failed``, ``incomplete`` or ``recovered``."""
        return self.record.status

    @property
    def schema(self) -> StorageSchema:
        """What the store was declared to hold."""
        return self.layout.schema

    @property
    def acquisition(self) -> Mapping[str, Any]:
        """What the acquisition said of itself: the sequence, the summary metadata."""
        return self.record.acquisition

    def frames(self) -> list[dict[str, Any]]:
        """Return one dict a stored frame, in order of arrival.

        Keys: ``image`` (path), ``index`` (tuple, storage order without Y and X),
        ``event_index``, ``delta_t_s``, ``exposure_ms``, ``x_um``, ``y_um``, ``z_um``,
        ``channel``, ``metadata``.
        """
        return list(read_table(self.path / TABLE_NAME))

    def __repr__(self) -> str:
        return f"<Dataset {self.path.name!r} {self.status}, {len(self.images)} images>"


def open_dataset(path: str | os.PathLike[str]) -> Dataset:
    """Open a store for reading, whatever its status.

    Raises
    ------
    NotAStoreError
        When there is nothing, or nothing that this package wrote.
    """
    root = local_path(path)
    if not root.exists():
        raise NotAStoreError(f"{root} does not exist.")
    attributes = root_attributes(root)
    if attributes is None:
        raise NotAStoreError(f"{root} is not an OME-Zarr store.")
    record = StoreRecord.from_attributes(attributes)
    if record is None:
        raise NotAStoreError(
            f"{root} was not written by pymmcore-ome. Open it with a general reader, such as "
            "zarr.open or napari."
        )
    try:
        schema = StorageSchema.of_fields(record.schema)
        if schema.grows and schema.images is None:
            schema = schema.replace(images=_found_images(root) or None)
        return Dataset(root, record, layout_of(schema))
    except (SchemaError, OSError, LookupError, ValueError, TypeError) as error:
        raise NotAStoreError(
            f"{root} is damaged: its description cannot be read: {error}"
        ) from error


def _found_images(root: Path) -> tuple[ImagePlan, ...]:
    """Return the images of a growing store that was not finished, as its arrays have them."""
    series = root / "OME" / "zarr.json"
    if not series.exists():
        return ()
    plans = []
    for number, path in enumerate(json.loads(series.read_bytes())["attributes"]["ome"]["series"]):
        notes = json.loads((root / path / "zarr.json").read_bytes())["attributes"][KEY]
        array = ZarrReader(root / path / "0")
        sizes = zip(array.dimension_names[:-2], array.shape, strict=False)
        plans.append(
            ImagePlan(
                at={"image": number},
                position=Position(name=notes["image"]["name"]),
                dimensions=[Dimension(name=name, size=max(1, size)) for name, size in sizes],
            )
        )
    return tuple(plans)
