"""`Destination`: where one run is saved, and how. What a `Sink` needs of an `Output`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
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
    has_store,
    may_replace,
    one_of,
    open_planned,
    plan_store,
)

Unready = Literal["refuse", "record"]
Missing = Literal["record", "raise"]
ResumeActions = Literal["skip", "run"]


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
    resume_actions : ``"skip"`` | ``"run"``
        What happens to custom actions in a resumed run.
    options : SaveOptions
    """

    path: Path
    format: Format
    cameras: tuple[Camera, ...]
    unready: Unready
    missing: Missing
    options: SaveOptions
    resume_actions: ResumeActions = "skip"

    @classmethod
    def of(
        cls,
        path: str | os.PathLike[str],
        cameras: Sequence[Camera] | None,
        unready: Unready,
        missing: Missing,
        options: SaveOptions,
        resume_actions: ResumeActions = "skip",
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
        one_of("resume_actions", resume_actions, get_args(ResumeActions))
        return cls(target, format_, tuple(cameras or ()), unready, missing, options, resume_actions)

    def check(self) -> None:
        """Raise unless a store can be made at the path now; changes nothing."""
        place = StoreLocation.of_new(self.path, self.format, self.options.files)
        is_free = bool(self.options.resume) and place.is_empty
        if not is_free and not has_store(place, self.options):
            place.check_free(self.options.overwrite or may_replace(place, self.options))

    @property
    def resumes(self) -> bool:
        """Whether a store is there that the next run goes on with."""
        place = StoreLocation.of_new(self.path, self.format, self.options.files)
        return has_store(place, self.options)

    def plan(self, schema: StorageSchema) -> StorePlan:
        """Return what a run that delivers this would make; changes nothing.

        Raises
        ------
        OptionError, SchemaError, StorePathError
            What the run would refuse.
        """
        return plan_store(self.path, schema, self.options)

    def open(
        self,
        schema: StorageSchema,
        notes: Mapping[str, Any],
        differences: Callable[[Mapping[str, Any]], list[str]] | None = None,
    ) -> Stream:
        """Make the store, or open it again.

        Parameters
        ----------
        schema : StorageSchema
        notes : mapping
            Kept at the root of the store.
        differences : callable, optional
            As `open_planned`.
        """
        return open_planned(self.plan(schema), self.options, notes, differences)
