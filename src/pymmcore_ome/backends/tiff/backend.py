"""The tiff backend: OME-TIFF, any order of arrival, readable while it is written.

It has no chunks: a page is a frame. Frames are compressed in threads of their own, later ones
while earlier ones are written.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from pymmcore_ome.backends.compression import TIFF_LEVELS, parse
from pymmcore_ome.backends.frame_encoder import COMPRESSED_BATCH_BYTES, FrameEncoder
from pymmcore_ome.backends.pixel_file import OpenFiles
from pymmcore_ome.backends.port import (
    ArrayBackend,
    BackendOptions,
    FrameWrite,
    PartialWriteError,
)
from pymmcore_ome.disk import Format, StoreLocation, free_bytes, write_whole
from pymmcore_ome.layout import (
    ArraySpec,
    Axis,
    ImageLayout,
    Layout,
    LevelPlan,
    PageTable,
    level_shape,
)
from pymmcore_ome.schema import MICROMETERS

from .file import TiffFile
from .format import NONE, PageKind, TiffCodec, TiffForm
from .reader import LevelPages, TiffReader

_FIRST_PAGES: Final = 64  # of an image whose size nobody knows
_CLASSIC_LIMIT: Final = 2**32 - 2**24
#: At most, of a page: 16 tags, a Plane element with every number at full length, and alignment.
_PAGE_BYTES: Final = 640
_FEWEST_TAGS: Final = 14  # of a page
_UM_PER_CM: Final = 10_000.0


class TiffBackend(ArrayBackend):
    """Writes OME-TIFF: all images in one file, or one file each in a folder."""

    name: ClassVar[str] = "tiff"
    format: ClassVar[Format] = "ome-tiff"
    reads_at_once: ClassVar[bool] = True
    takes_frames: ClassVar[bool] = True
    makes_levels: ClassVar[bool] = True
    can_resume: ClassVar[bool] = True

    def __init__(self) -> None:
        self.pages: PageTable = PageTable()
        self._place: StoreLocation | None = None
        self._options = BackendOptions()
        self._images: list[ImageLayout] = []
        self._dtypes: list[np.dtype[Any]] = []
        self._kinds: list[_ImagePages] = []
        self._files: list[TiffFile] = []
        self._open = OpenFiles()
        self._lock = threading.Lock()  # of all files: frames and their levels have a thread each
        self._encoder = FrameEncoder(self._strips, compresses=False)

    @classmethod
    def refusals(cls, layout: Layout, options: BackendOptions) -> list[str]:
        reasons = []
        try:
            parse(options.compression, TIFF_LEVELS)
        except ValueError as error:
            reasons.append(str(error))
        if any(
            axis.chunk_size or axis.shard_size for image in layout.images for axis in image.axes
        ):
            reasons.append("OME-TIFF stores whole frames: chunks and shards are for OME-Zarr")
        if not options.bigtiff:
            reasons += _classic_refusals(layout, options.levels)
        return reasons

    def create(self, place: StoreLocation, layout: Layout, options: BackendOptions) -> None:
        self._place, self._options = place, options
        self.pages = PageTable(apart=place.is_folder)
        if parse(options.compression, TIFF_LEVELS) is not None:
            self._encoder = FrameEncoder(self._strips, compresses=True)
            self.batch_bytes = COMPRESSED_BATCH_BYTES
        if not place.is_folder:
            self._files.append(self._new_file(place.path))
        kinds: dict[object, _ImagePages] = {}
        for image in layout.images:
            self._add(image, kinds)
        self._check_room()
        self._write_pages(0)
        if not place.is_folder and not layout.images:
            self._files[0].add_placeholder()

    def reopen(
        self,
        place: StoreLocation,
        layout: Layout,
        options: BackendOptions,
        pages: PageTable | None = None,
    ) -> None:
        assert pages is not None
        self._place, self._options, self.pages = place, options, pages
        if parse(options.compression, TIFF_LEVELS) is not None:
            self._encoder = FrameEncoder(self._strips, compresses=True)
            self.batch_bytes = COMPRESSED_BATCH_BYTES
        kinds: dict[object, _ImagePages] = {}
        for image in layout.images:
            self._add_kind(image, kinds)
        if not place.is_folder:
            self._files.append(self._existing_file(place.path))
            return
        for image in layout.images:
            self._files.append(self._existing_file(place.path / f"{image.number}.ome.tiff"))

    def _existing_file(self, path: Path) -> TiffFile:
        return TiffFile(
            path,
            TiffForm(self._options.bigtiff),
            self._open,
            outlasts_power=self._options.outlasts_power,
            lock=self._lock,
            exists=True,
        )

    def put(self, key: str, content: Iterable[bytes]) -> None:
        assert self._place is not None
        if not self._place.is_folder:
            self._files[0].describe(content)
        elif key.endswith(".tiff"):
            self._file(int(key.partition(".")[0])).describe(content)
        elif self._place.path.exists():
            write_whole(self._place.path / key, content, sync=self._options.outlasts_power)

    def add(self, image: ImageLayout) -> None:
        first = len(self._images)
        self._add(image, {})
        self._write_pages(first)

    def write_frames(self, frames: Sequence[FrameWrite]) -> None:
        first, missing, cause = 0, set(range(len(frames))), None
        try:
            for strips in self._encoder.batches(frames):
                failed, cause = self._store(frames[first : first + len(strips)], strips)
                missing.difference_update(
                    number
                    for number in range(first, first + len(strips))
                    if number - first not in failed
                )
                first += len(strips)
                if cause is not None:
                    break
        except Exception as error:
            cause = error
        if missing:
            raise PartialWriteError(missing) from cause

    def _store(
        self, frames: Sequence[FrameWrite], strips: Sequence[Any]
    ) -> tuple[set[int], Exception | None]:
        """Write the strips of frames, file by file.

        Returns
        -------
        set of int
            The numbers of the frames that could not be written.
        Exception or None
            Why.
        """
        by_file: dict[int, list[int]] = {}
        has_one_file = len(self._files) == 1
        for number, frame in enumerate(frames):
            by_file.setdefault(0 if has_one_file else frame.image, []).append(number)
        missing: set[int] = set()
        cause: Exception | None = None
        for image, numbers in by_file.items():
            file = self._file(image)
            pages = [
                (self.pages.page(frames[n].image, frames[n].index), strips[n]) for n in numbers
            ]
            try:
                file.store(pages)
            except Exception as error:
                cause = cause or error
                missing.update(numbers)
                with suppress(Exception):  # there may be room for the first ones
                    for number, page in zip(numbers, pages, strict=True):
                        file.store([page])
                        missing.discard(number)
        return missing, cause

    def _strips(self, frames: Sequence[FrameWrite]) -> list[Any]:
        """Return the bytes of each frame's strip, little-endian."""
        strips = []
        for image, _, frame in frames:
            dtype = self._dtypes[image]
            if frame.dtype != dtype or not frame.flags.c_contiguous:
                frame = np.ascontiguousarray(frame, dtype)
            strips.append(self._kinds[image].codec.encode(frame))
        return strips

    def write_levels(self, level: int, frames: Sequence[FrameWrite]) -> None:
        """Write frames of a resolution level, with the numbers of the image and its plane.

        From any one thread, also while `write_frames` runs.

        Raises
        ------
        OSError
        """
        by_file: dict[int, list[tuple[int, Any]]] = {}
        for frame, strip in zip(frames, self._strips(frames), strict=True):
            number = 0 if len(self._files) == 1 else frame.image
            page = self.pages.page(frame.image, frame.index)
            by_file.setdefault(number, []).append((page, strip))
        for number, strips in by_file.items():
            self._files[number].store(sorted(strips, key=lambda strip: strip[0]), level)

    def level_reader(self, image: int, level: int) -> TiffReader:
        """Return what reads a resolution level of an image; see `reader`."""
        layout = self._images[image]
        assert self._options.levels is not None
        smaller = self._options.levels.level(layout, level)
        return TiffReader(
            LevelPages(self._file(image), level),
            smaller,
            smaller.shape,
            layout.axis_names,
            lambda: self.pages.pages(image),
        )

    def reader(self, image: int) -> TiffReader:
        layout = self._images[image]
        return TiffReader(
            self._file(image),
            layout,
            layout.shape,
            layout.axis_names,
            lambda: self.pages.pages(image),
        )

    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        spec = self._images[image].spec
        have, want = self.pages.shape(image), spec.plane_shape(shape)
        if all(h >= w for h, w in zip(have, want, strict=True)):
            return False
        larger = [max(h, 2 * h if w > h else w, w) for h, w in zip(have, want, strict=True)]
        count = self.pages.grow(image, spec.array_shape(larger))
        self._kinds[image].add_to(self._file(image), count)
        return True

    def sync(self) -> None:
        for file in self._files:
            file.sync()

    def finish(self) -> None:
        """Every write was waited for: nothing is held."""

    def is_in_place(self) -> bool:
        return all(file.is_in_place() for file in self._files)

    def close(self) -> None:
        self._encoder.close()
        self._open.close()

    def _add(self, image: ImageLayout, kinds: dict[object, Any]) -> None:
        """Give pages to an image; one of unknown size gets some to begin with."""
        self._add_kind(image, kinds)
        spec = image.spec
        planes: Sequence[int] = spec.plane_shape()
        if spec.unbounded_axes:
            step = max(1, prod(size for size in planes if size))
            # of images that nobody knew of there may be thousands, of few frames each
            first = max(1, _FIRST_PAGES // step) if len(spec.unbounded_axes) == 1 else 1
            slowest = spec.unbounded_axes[0]
            planes = [
                first if number == slowest else max(1, size) for number, size in enumerate(planes)
            ]
        self.pages.add(image, spec.array_shape(planes))

    def _add_kind(self, image: ImageLayout, kinds: dict[object, Any]) -> None:
        spec = image.spec
        if spec not in kinds:  # arrays that differ in other axes have pages of one kind, too
            key = (spec.axes[-2:], spec.dtype, spec.samples)
            kinds[spec] = kinds[key] = kinds.get(key) or self._kind(spec)
        self._images.append(image)
        self._dtypes.append(np.dtype(image.dtype).newbyteorder("<"))
        self._kinds.append(kinds[spec])

    def _write_pages(self, first: int) -> None:
        """Write the pages of all images from the first on, neighbors of one kind together."""
        assert self._place is not None
        if self._place.is_folder:
            for number in range(first, len(self._images)):
                self._files.append(
                    self._new_file(self._place.path / f"{self._images[number].number}.ome.tiff")
                )
                self._kinds[number].add_to(self._file(number), prod(self.pages.shape(number)))
            return
        waiting = 0
        for number in range(first, len(self._images)):
            waiting += prod(self.pages.shape(number))
            is_last = number + 1 == len(self._images)
            if is_last or self._kinds[number + 1] is not self._kinds[number]:
                self._kinds[number].add_to(self._files[0], waiting)
                waiting = 0

    def _check_room(self) -> None:
        """Raise OSError when the disk lacks the room for pages, before it is filled with them."""
        assert self._place is not None
        pages = sum(prod(self.pages.shape(number)) for number in range(len(self._images)))
        needed = pages * TiffForm(self._options.bigtiff).row(_FEWEST_TAGS).itemsize
        free = free_bytes(self._place.path)
        if free is not None and needed > free:
            raise OSError(
                f"the pages of {pages} frames take {needed / 2**30:.1f} GiB, and the disk has "
                f"{free / 2**30:.1f} GiB free"
            )

    def _kind(self, spec: ArraySpec) -> _ImagePages:
        dtype = spec.frame_dtype
        name, level = parse(self._options.compression, TIFF_LEVELS) or (None, 0)
        codec = TiffCodec(name, level, dtype)
        y, x = spec.axes[-2:]
        kind = PageKind(
            spec.shape[-2], spec.shape[-1], spec.samples, spec.dtype,
            codec.number, codec.predictor, _pixels_per_cm(x, y),
        )  # fmt: skip
        plan = self._options.levels
        count = 1 if plan is None else plan.count_of(spec)
        kinds = [kind, *(kind.level(level) for level in range(1, count))]
        return _ImagePages(codec, [(one, _blank_strip(one, codec)) for one in kinds])

    def _new_file(self, path: Path) -> TiffFile:
        path.touch()
        return TiffFile(
            path,
            TiffForm(self._options.bigtiff),
            self._open,
            outlasts_power=self._options.outlasts_power,
            lock=self._lock,
        )

    def _file(self, image: int) -> TiffFile:
        return self._files[0 if len(self._files) == 1 else image]


class _ImagePages(NamedTuple):
    """How the pages of an image are written: of each level their kind, and a blank strip."""

    codec: TiffCodec
    levels: list[tuple[PageKind, bytes | None]]

    def add_to(self, file: TiffFile, count: int) -> None:
        """Add so many blank pages to a file."""
        kind, blank = self.levels[0]
        file.add_pages(kind, count, blank, self.levels[1:])


def _blank_strip(kind: PageKind, codec: TiffCodec) -> bytes | None:
    """Return a compressed strip of zeros; None where strips are not compressed."""
    if codec.number == NONE:
        return None
    samples = (kind.samples,) if kind.samples > 1 else ()
    return bytes(codec.encode(np.zeros((kind.height, kind.width, *samples), kind.dtype)))


def _pixels_per_cm(x: Axis, y: Axis) -> tuple[float, float] | None:
    if not x.scale or not y.scale:
        return None
    um = [abs(axis.scale or 1) * MICROMETERS[axis.unit or "micrometer"] for axis in (x, y)]
    return _UM_PER_CM / um[0], _UM_PER_CM / um[1]


def _classic_refusals(layout: Layout, levels: LevelPlan | None) -> list[str]:
    if layout.frame_count is None:
        return ["a classic TIFF ends at 4 GiB, and the number of frames is not known"]
    planned = 0
    for image in layout.images:
        count = 1 if levels is None else levels.count_of(image.spec)
        for level in range(count):
            pixels = prod(level_shape(image.shape, level)) * np.dtype(image.dtype).itemsize
            planned += pixels + prod(image.shape[:-2]) * _PAGE_BYTES
    if planned > _CLASSIC_LIMIT:
        return [
            f"a classic TIFF ends at 4 GiB, the plan has {planned / 2**30:.1f} GiB; leave "
            "bigtiff=False out"
        ]
    return []
