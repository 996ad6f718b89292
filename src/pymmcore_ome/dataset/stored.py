"""A store as it is on disk, one class a format: its record, images and arrays. It only reads."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends import (
    PlaneReader,
    TiffPages,
    TiffReader,
    ZarrReader,
    array_folder,
)
from pymmcore_ome.disk import (
    TIFF_FOLDER_KEY,
    StoreLocation,
    read_description,
    read_json,
    root_attributes,
)
from pymmcore_ome.errors import NotAStoreError
from pymmcore_ome.layout import ImageLayout, PageTable
from pymmcore_ome.metadata import KEY, file_name, record_of_xml


class Array(PlaneReader, Protocol):
    """What reading an image needs of its array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dimension_names: tuple[str, ...]

    def __getitem__(self, key: Any) -> NDArray[Any]: ...


class FoundImage(NamedTuple):
    """An image on disk: its name, its camera, and the sizes of its array by axis."""

    name: str  # without its camera's, which the layout adds
    sizes: Mapping[str, int]
    camera: int | None


class Stored(ABC):
    """A store as it is on disk.

    Attributes
    ----------
    store_record : mapping
        How the store was declared and ended, as it is on disk: not checked.
    named : bool
        Whether an image's path is its name.
    """

    named: bool

    def __init__(self, location: StoreLocation) -> None:
        self.location = location
        self.store_record: Mapping[str, Any] = {}

    def array(self, image: ImageLayout, level: int = 0) -> Array:
        """Return the array of an image.

        Parameters
        ----------
        image : ImageLayout
            That of the level.
        level : int
            0 is the full resolution.

        Raises
        ------
        NotAStoreError
            When it cannot be read, or its frames are of another shape.
        """
        array = self._array(image, level)
        if (
            len(array.shape) != len(image.axes)
            or array.shape[-2:] != image.shape[-2:]
            or min(array.shape) < 0
        ):
            raise NotAStoreError(
                f"shape is {array.shape}, expected {image.shape}: image {image.name!r} of "
                f"{self.location.path} is damaged"
            )
        return array

    @abstractmethod
    def _array(self, image: ImageLayout, level: int = 0) -> Array:
        """Return the array of an image, whatever its shape."""

    @abstractmethod
    def written_shape(self, image: ImageLayout) -> tuple[int, ...]:
        """Return the shape of the part that was written of an image without a planned size."""

    def pages(self, images: Iterable[ImageLayout]) -> PageTable | None:
        """Return where each plane is, for formats with a page a plane."""
        return None

    @abstractmethod
    def found_images(self) -> list[FoundImage]:
        """Return the images of a growing store that was not closed."""


class StoredZarr(Stored):
    """An OME-Zarr folder."""

    named = False

    def __init__(self, location: StoreLocation) -> None:
        super().__init__(location)
        self.store_record = (root_attributes(location.path) or {}).get(KEY) or {}

    def _array(self, image: ImageLayout, level: int = 0) -> Array:
        return ZarrReader(array_folder(self.location.path, image, level))

    def written_shape(self, image: ImageLayout) -> tuple[int, ...]:
        return self.array(image).shape

    def found_images(self) -> list[FoundImage]:
        series = self.location.path / "OME" / "zarr.json"
        if not series.exists():
            return []
        found = []
        paths = json.loads(series.read_bytes())["attributes"]["ome"]["series"]
        for path in paths:
            notes = json.loads((self.location.path / path / "zarr.json").read_bytes())
            array = ZarrReader(self.location.path / path / "0")
            own = notes["attributes"][KEY]["image"]
            found.append(_found(own, array.dimension_names, array.shape))
        return found


class StoredTiff(Stored):
    """An OME-TIFF file, or a folder of them."""

    named = True

    def __init__(self, location: StoreLocation) -> None:
        super().__init__(location)
        if location.is_folder:
            self.store_record = (read_json(location.path / TIFF_FOLDER_KEY) or {}).get(KEY) or {}
        else:
            self.store_record = record_of_xml(read_description(location.path) or b"") or {}
        self._pages = TiffPages(location.path)

    def _array(self, image: ImageLayout, level: int = 0) -> TiffReader:
        return TiffReader.of_notes(self._pages_of(image), image, self._notes(image), level)

    def written_shape(self, image: ImageLayout) -> tuple[int, ...]:
        pages = self._pages_of(image)
        with pages.path.open("rb") as file:
            blank = pages.blank(file)
        return self._array(image).written_shape(blank)

    def pages(self, images: Iterable[ImageLayout]) -> PageTable:
        table = PageTable(apart=self.location.is_folder)
        for image in images:
            notes = self._notes(image)
            table.load(image, notes["planes"], notes["runs"])
        return table

    def _pages_of(self, image: ImageLayout) -> TiffPages:
        if self.location.is_folder:
            return TiffPages(self.location.path / file_name(image))
        return self._pages

    def _notes(self, image: ImageLayout) -> Mapping[str, Any]:
        try:
            notes: Mapping[str, Any] = self.store_record["images"][image.number]
        except (LookupError, TypeError) as error:
            raise NotAStoreError(
                f"{self.location.path} does not describe image {image.name!r}."
            ) from error
        file = self._pages_of(image).path
        if not _has_pages(notes, file):
            raise NotAStoreError(f"{file} is damaged: it has no pages for image {image.name!r}.")
        return notes

    def found_images(self) -> list[FoundImage]:
        return [
            _found(notes, notes["axes"], notes["shape"]) for notes in self.store_record["images"]
        ]


def _has_pages(notes: object, file: Path) -> bool:
    """Whether the pages in the notes of an image are numbers that the file may have."""
    try:
        planes, runs = notes["planes"], notes["runs"]  # type: ignore[index]
        count = prod(planes)
        numbers = [number for run in (planes, *runs) for number in run]
        return (
            all(type(number) is int and number >= 0 for number in numbers)
            and max((count, *numbers)) <= file.stat().st_size  # each page takes several bytes
            and all(len(run) == len(planes) + 2 and run[-1] <= count for run in runs)
            and all(n < size for run in runs for n, size in zip(run[1:], planes, strict=False))
        )
    except (LookupError, TypeError, ValueError, OSError):
        return False


def _found(notes: Mapping[str, Any], axes: Iterable[str], shape: Sequence[int]) -> FoundImage:
    name = notes.get("place") or notes["name"]
    return FoundImage(name, dict(zip(axes, shape, strict=True)), notes.get("camera"))
