"""`Destination`: where one run is saved, and how. What a `Sink` needs of an `Output`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pymmcore_ome.backends import find_backend
from pymmcore_ome.disk import Format, StoreLocation, choose_format, local_path
from pymmcore_ome.schema import Camera, StorageSchema
from pymmcore_ome.stream import (
    SaveOptions,
    StorePlan,
    Stream,
    one_of,
    open_planned,
    plan_store,
)

Unready = Literal["refuse", "record"]
Missing = Literal["record", "raise"]


@dataclass(frozen=True)
class Destination:
    """A path, and the options to write it with. Made by `Destination.of`.

    Attributes
    ----------
    path : Path
    format : ``"ome-zarr"`` | ``"ome-tiff"``
    cameras : tuple of Camera
        What delivers frames; empty: what the engine describes.
    unready : ``"refuse"`` | ``"record"``
        What happens where a setting of the sequence cannot be applied.
    missing : ``"record"`` | ``"raise"``
        What happens at the end of a complete run to which planned frames are missing.
    options : SaveOptions
    """

    path: Path
    format: Format
    cameras: tuple[Camera, ...]
    unready: Unready
    missing: Missing
    options: SaveOptions

    @classmethod
    def of(
        cls,
        path: str | os.PathLike[str],
        cameras: Sequence[Camera] | None,
        unready: Unready,
        missing: Missing,
        options: SaveOptions,
    ) -> Self:
        """Return the destination of an output's arguments.

        Raises
        ------
        OptionError, StorePathError
            On an unknown suffix, format or backend, or a path that is not one.
        """
        target, format_ = local_path(path), choose_format(path, options.format)
        find_backend(options.backend, format_)
        one_of("unready", unready, get_args(Unready))
        one_of("missing", missing, get_args(Missing))
        return cls(target, format_, tuple(cameras or ()), unready, missing, options)

    def check(self) -> None:
        """Raise unless a store can be made at the path now; changes nothing."""
        place = StoreLocation.of_new(self.path, self.format, self.options.files)
        place.check_free(self.options.overwrite)

    def plan(self, schema: StorageSchema) -> StorePlan:
        """Return what a run that delivers this would make; changes nothing.

        Raises
        ------
        OptionError, SchemaError, StorePathError
            What the run would refuse.
        """
        return plan_store(self.path, schema, self.options)

    def open(self, schema: StorageSchema, notes: Mapping[str, Any]) -> Stream:
        """Make the store.

        Parameters
        ----------
        schema : StorageSchema
        notes : mapping
            Kept at the root of the store.
        """
        return open_planned(self.plan(schema), self.options, notes)
