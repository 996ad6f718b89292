"""`Contents`: the stored and missing frames of a store, counted once, for people and scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

from pymmcore_ome.dataset import Dataset, Refused, TableCheck, refused_settings
from pymmcore_ome.disk import StoreLock
from pymmcore_ome.layout import ImageLayout, index_name

#: The state of a well: with all its frames, some, or none; or planned, before a run.
Filled = Literal["all", "some", "none", "planned"]
_MOST_SHOWN: Final = 3
Index = tuple[int, ...]


@dataclass(frozen=True)
class Contents:
    """The stored and missing frames of a store. Created by `Contents.of`.

    Attributes
    ----------
    dataset : Dataset
    stored, missing : mapping of image path to frames
    first_missing : mapping of image path to the first few indices
    frames_flagged : int
        Frames acquired with settings that failed to apply.
    unapplied_settings : list of Refused
    is_being_written : bool
        Whether a running program is writing to it.
    """

    dataset: Dataset
    stored: Mapping[str, int]
    missing: Mapping[str, int]
    first_missing: Mapping[str, list[Index]]
    frames_flagged: int
    unapplied_settings: list[Refused]
    is_being_written: bool

    @classmethod
    def of(cls, dataset: Dataset) -> Contents:
        """Count the stored and the missing frames of a store."""
        table = TableCheck(dataset)
        marked = dataset.not_as_asked()
        missing, first = table.missing_by_image(_MOST_SHOWN)
        return cls(
            dataset,
            table.stored,
            missing,
            first,
            len(marked),
            refused_settings(dataset, marked),
            dataset.status == "incomplete" and StoreLock(dataset.location).is_held(),
        )

    @property
    def frames_stored(self) -> int:
        """Number of frames whose pixels are on disk."""
        return sum(self.stored.values())

    @property
    def frames_missing(self) -> int:
        """Number of planned frames that are not on disk."""
        return sum(self.missing.values())

    def wells(self) -> dict[tuple[str, str], Filled]:
        """Return how complete each well of the plate is."""
        found: dict[tuple[str, str], Filled] = {}
        stored, missing = self._by_well(self.stored), self._by_well(self.missing)
        for image in self.dataset.layout.images:
            if image.well is not None:
                has = stored[image.well]
                found[image.well] = "none" if not has else "some" if missing[image.well] else "all"
        return found

    def _by_well(self, counts: Mapping[str, int]) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for image in self.dataset.layout.images:
            if image.well is not None:
                found[image.well] += counts.get(image.path, 0)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, for a script."""
        dataset, record = self.dataset, self.dataset.record
        plate = dataset.layout.plate
        return {
            "path": str(dataset.path),
            "format": dataset.location.format,
            "status": record.status,
            "reason": record.reason,
            "being_written": self.is_being_written,
            "version": record.version,
            "backend": record.backend,
            "started": record.started,
            "ended": record.ended,
            "recovered": record.recovered,
            "levels": record.levels,
            "frames": {
                "planned": dataset.layout.frame_count,
                "stored": self.frames_stored,
                "missing": self.frames_missing,
                "not_as_asked": self.frames_flagged,
            },
            "not_as_asked": [one._asdict() for one in self.unapplied_settings],
            "plate": None
            if plate is None
            else {"name": plate.name, "rows": plate.rows, "columns": plate.columns},
            "images": [
                {
                    **image_to_json(image.layout, image.shape),
                    "levels": [list(level.shape) for level in image.levels],
                    "frames": self.stored.get(image.path, 0),
                    "missing": self.missing.get(image.path, 0),
                }
                for image in dataset.images
            ],
        }


def image_to_json(image: ImageLayout, shape: Iterable[int]) -> dict[str, Any]:
    """Return the description of an image as plain values, for a script."""
    at = image.position
    return {
        "path": image.path,
        "name": image.name,
        "label": image.label,
        "axes": list(image.axis_names),
        "shape": list(shape),
        "dtype": str(image.dtype),
        "chunks": list(image.spec.chunk_shape),
        "channels": [channel.name for channel in image.channels],
        "scale": {axis.name: axis.scale for axis in image.axes if axis.scale is not None},
        "units": {axis.name: axis.unit for axis in image.axes if axis.unit is not None},
        "position": {"x_um": at.x_um, "y_um": at.y_um, "z_um": at.z_um},
        "well": None if image.well is None else "".join(image.well),
        "field": image.field,
    }


def first_few(indices: Iterable[Index], image: ImageLayout) -> str:
    """Return the first few indices as text: ``t 1 c 0, t 1 c 1``."""
    shown = islice(indices, _MOST_SHOWN)
    return ", ".join(index_name(image, index) or "its only frame" for index in shown)
