"""`WholeFiles`: arrays whose shards, or chunks, are written as a whole, by many writers at once.

A conversion knows all frames of a shard beforehand. Each of its writers makes the shards of a part
of the store, of every resolution level, under names of their own, and gives them their final names
when they are complete. So no reader sees half a shard, and a shard may be written twice. Two
writers never share one: that is for the conversion to see to.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.backends.compression import parse
from pymmcore_ome.backends.frame_encoder import FrameEncoder
from pymmcore_ome.backends.pixel_file import OpenFiles
from pymmcore_ome.backends.port import (
    BackendOptions,
    FrameWrite,
    LevelWriter,
    PartialWriteError,
    PlaneReader,
)
from pymmcore_ome.disk import StoreLocation, replace_file
from pymmcore_ome.layout import ImageLayout, Layout, LevelPlan, level_shape
from pymmcore_ome.schema import Dimension

from .documents import array_folder, say_shape, write_array_documents
from .folder import ZarrFolder
from .native import NativeBackend
from .reader import ZarrReader
from .tensorstore import TensorstoreBackend


class WholeFiles(ZarrFolder):
    """The arrays of a store that is converted, levels included. It writes documents alone.

    `FileWriter` writes the pixels, from any process that sees the store.

    Parameters
    ----------
    name : str
        Of the backend that would have written such arrays in a stream.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name  # type: ignore[misc]  # what would have written such files in a stream
        self._options = BackendOptions()
        self._loops: Sequence[Dimension] = ()

    def create(self, place: StoreLocation, layout: Layout, options: BackendOptions) -> None:
        super().create(place, layout, options)
        self._options, self._loops = options, layout.loops
        plan = options.levels
        if plan is None:
            return
        made: dict[Any, list[ImageLayout]] = {}
        by_level: dict[int, list[ImageLayout]] = {}
        for image in layout.images:
            smaller = made.get(image.spec)
            if smaller is None:
                smaller = made[image.spec] = levels_of(image, plan, layout.loops)
            for level, one in enumerate(smaller, 1):
                by_level.setdefault(level, []).append(image.with_spec(one.spec))
        for level, images in by_level.items():
            for image in images:
                _make_group(place.path, image)
            write_array_documents(place.path, images, options.compression, level=level)

    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        layout, plan = self._images[image], self._options.levels
        count = 1 if plan is None else plan.count_of(layout.spec)
        for level in range(count):
            folder = array_folder(self._root, layout, level)
            say_shape(folder, level_shape(shape, level), layout.axis_names)
        return False

    def finish(self) -> None:
        """Every writer has published its files: nothing is held."""

    def close(self) -> None:
        """It holds nothing."""


def levels_of(image: ImageLayout, plan: LevelPlan, loops: Sequence[Dimension]) -> list[ImageLayout]:
    """Return the levels of an image, the full resolution left out."""
    return [plan.level(image, level, loops) for level in range(1, plan.count_of(image.spec))]


def _make_group(root: Path, image: ImageLayout) -> None:
    (root / image.path).mkdir(parents=True, exist_ok=True)


class FileWriter:
    """Writes whole files of the arrays of a store. One thread at a time.

    Parameters
    ----------
    root : Path
        Of the store, whose arrays exist.
    images : sequence of ImageLayout
    options : BackendOptions
    loops : sequence of Dimension
        As `LevelPlan.level_spec`.
    in_threads : bool
        Compress in further threads: where few writers work at once.
    """

    def __init__(
        self,
        root: Path,
        images: Sequence[ImageLayout],
        options: BackendOptions,
        loops: Sequence[Dimension],
        *,
        in_threads: bool = False,
    ) -> None:
        self._root, self._images, self._options, self._loops = root, images, options, loops
        self._in_threads = in_threads
        self._files = OpenFiles(16)  # each of many writers has its own
        self._parts: dict[int, _Parts] = {}
        self._levels = None if options.levels is None else _FrameLevels(options.levels, images)
        self._smaller: dict[Any, list[ImageLayout]] = {}
        self._gathered: _GatheredChunks | None = None

    def write(self, frames: Sequence[FrameWrite]) -> None:
        """Write frames of the full resolution, and their levels.

        Of an image with chunks of several frames: all frames of the files that they are in.

        Raises
        ------
        OSError
        """
        single = [f for f in frames if not self._images[f.image].spec.gathered_axes]
        if single:
            self._part(0).write(self._images, single)
        if len(single) < len(frames):
            if self._gathered is None:
                self._gathered = _GatheredChunks(self._root, self._images, self._options)
            self._gathered.write([f for f in frames if self._images[f.image].spec.gathered_axes])
        if self._levels is not None:
            for level, smaller in self._levels.by_level(frames):
                self._part(level).write(self._level_images(smaller, level), smaller)

    def publish(self) -> None:
        """Give all files that were written their names.

        Raises
        ------
        OSError
        """
        for part in self._parts.values():
            part.publish()

    def discard(self) -> None:
        """Delete what was not published, after an error."""
        for part in self._parts.values():
            part.discard()

    def reader(self, image: int) -> PlaneReader:
        """Return what reads what was published of an image at full resolution."""
        layout = self._images[image]
        if layout.spec.gathered_axes:
            return ZarrReader(array_folder(self._root, layout))
        return self._part(0).reader_of(layout)

    def close(self) -> None:
        """Let go of every resource."""
        for part in self._parts.values():
            part.close()
        self._files.close()

    def _part(self, level: int) -> _Parts:
        part = self._parts.get(level)
        if part is None:
            part = self._parts[level] = _Parts(
                level, self._root, self._options, self._files, in_threads=self._in_threads
            )
        return part

    def _level_images(self, frames: Iterable[FrameWrite], level: int) -> dict[int, ImageLayout]:
        """Return the images of frames as they are at a level, by number."""
        assert self._options.levels is not None
        found = {}
        for number in {frame.image for frame in frames}:
            image = self._images[number]
            smaller = self._smaller.get(image.spec)
            if smaller is None:
                smaller = levels_of(image, self._options.levels, self._loops)
                self._smaller[image.spec] = smaller
            found[number] = image.with_spec(smaller[level - 1].spec)
        return found


class _FrameLevels(LevelWriter):
    """Makes the levels of frames; what writes them is not its own."""

    def write(self, frames: Sequence[FrameWrite]) -> None:
        raise NotImplementedError

    def reader(self, image: int, level: int) -> PlaneReader:
        raise NotImplementedError

    def finish(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


class _Parts(NativeBackend):
    """The shards, or chunks, of one level that a writer has begun, under names of their own."""

    def __init__(
        self,
        level: int,
        root: Path,
        options: BackendOptions,
        files: OpenFiles,
        *,
        in_threads: bool,
    ) -> None:
        super().__init__()
        self.level = level
        self._root, self._compression = root, options.compression
        self._files = files
        if in_threads and parse(options.compression, self.compressions) is not None:
            self._encoder = FrameEncoder(self._cut, compresses=True)
        self._token = uuid.uuid4().hex[:12]
        self._numbers: dict[int, int] = {}
        self._begun: dict[str, str] = {}  # the name that a file has, and its final one

    def write(  # type: ignore[override]  # of frames, where the port's is of blocks
        self, images: Any, frames: Sequence[FrameWrite]
    ) -> None:
        writes = [
            FrameWrite(self._number(images[number]), index, pixels)
            for number, index, pixels in frames
        ]
        try:
            self.write_frames(writes)
        except PartialWriteError as error:
            raise error.__cause__ or error from error

    def reader_of(self, image: ImageLayout) -> PlaneReader:
        return self.reader(self._number(image))

    def publish(self) -> None:
        for key, shard in list(self._shards.items()):
            self._end(key, shard)
        self._ended.clear()
        self._files.close()  # Windows renames no open file
        for part, final in self._begun.items():
            replace_file(part, final)
        self._begun.clear()

    def discard(self) -> None:
        self._files.close()
        self._shards.clear()
        self._ended.clear()
        for part in self._begun:
            with suppress(OSError):
                os.unlink(part)  # noqa: PTH108
        self._begun.clear()

    def _number(self, image: ImageLayout) -> int:
        number = self._numbers.get(image.number)
        if number is None:
            number = self._numbers[image.number] = len(self._images)
            self._images.append(image)
            self._know([image])
        return number

    def _path(self, image: int, file: tuple[int, ...]) -> str:
        final = super()._path(image, file)
        part = f"{final}.{self._token}.part"
        self._begun[part] = final
        return part


class _GatheredChunks:
    """Writes files with chunks of several frames, which tensorstore names when they are whole."""

    def __init__(self, root: Path, images: Sequence[ImageLayout], options: BackendOptions) -> None:
        self._images = images
        self._arrays = TensorstoreBackend()
        self._arrays.begin(root, images, options)

    def write(self, frames: Sequence[FrameWrite]) -> None:
        blocks: dict[tuple[int, tuple[int, ...]], NDArray[Any]] = {}
        for number, index, pixels in frames:
            spec = self._images[number].spec
            sizes = spec.write_shape[: spec.rank]
            start = tuple(n // size * size for n, size in zip(index, sizes, strict=True))
            block = blocks.get((number, start))
            if block is None:
                # an axis without an end has a size in the document, which reaches to these frames
                within = [
                    size if axis.size is None else min(size, axis.size - first)
                    for size, axis, first in zip(sizes, spec.axes, start, strict=False)
                ]
                block = blocks[number, start] = np.zeros(
                    (*within, *spec.shape[-2:]), spec.frame_dtype
                )
            at = [n - first for n, first in zip(index, start, strict=True)]
            block[spec.block_key(at)] = spec.frame_to_block(pixels)
        futures = [
            self._arrays.write(number, (*start, 0, 0), self._within(number, start, block))
            for (number, start), block in blocks.items()
        ]
        for future in futures:
            if future is not None:
                future.result()

    def _within(self, number: int, start: tuple[int, ...], block: NDArray[Any]) -> NDArray[Any]:
        """Return the part of a block that the array has."""
        if not self._images[number].spec.unbounded_axes:
            return block
        shape = self._arrays.array(number).shape
        return block[tuple(slice(0, n - first) for n, first in zip(shape, start, strict=False))]
