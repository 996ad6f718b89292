"""`ZarrLevels`: resolution levels of OME-Zarr, in arrays next to that of the full resolution.

They are written as the native backend writes frames, whatever wrote the full resolution: a frame of
a level goes into its shard at once, so that nothing is gathered, and small levels are few files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
from pymmcore_ome.layout import ImageLayout, level_shape
from pymmcore_ome.schema import Dimension

from .native import NativeBackend


class LevelArrays(NativeBackend):
    """The arrays of one level of the images of a store. Made when they are first written.

    Parameters
    ----------
    level : int
        From 1.
    root : Path
        Of the store.
    options : BackendOptions
    files : OpenFiles
        Shared by the levels of a store.
    """

    def __init__(self, level: int, root: Path, options: BackendOptions, files: OpenFiles) -> None:
        super().__init__()
        self.level = level
        self._root, self._compression = root, options.compression
        self._outlasts_power = options.outlasts_power
        self._files = files
        if parse(options.compression, self.compressions) is not None:
            self._encoder = FrameEncoder(self._cut, compresses=True)
        self._numbers: dict[int, int] = {}

    @property
    def images(self) -> Sequence[ImageLayout]:
        """Those that have an array, in the order of their numbers."""
        return self._images

    def number(self, image: ImageLayout) -> int | None:
        """Return the number that an image has here; None before it has an array."""
        return self._numbers.get(image.number)

    def make(self, image: ImageLayout) -> int:
        """Make the array of an image, and return the number that it has here."""
        self._numbers[image.number] = len(self._images)
        self.add(image)
        return self._numbers[image.number]


class ZarrLevels(LevelWriter):
    """Writes the levels of the images of an OME-Zarr store.

    Parameters
    ----------
    root : Path
        Of the store.
    images : sequence of ImageLayout
        At full resolution, with the chunks and shards that they have on disk. It may grow.
    options : BackendOptions
    loops : sequence of Dimension
        As `LevelPlan.level_spec`.
    """

    def __init__(
        self,
        root: Path,
        images: Sequence[ImageLayout],
        options: BackendOptions,
        loops: Sequence[Dimension],
    ) -> None:
        assert options.levels is not None
        super().__init__(options.levels, images)
        self._root, self._options, self._loops = root, options, loops
        self._files = OpenFiles()
        self._levels: list[LevelArrays] = []
        self._specs: dict[object, list[ImageLayout]] = {}

    def write(self, frames: Sequence[FrameWrite]) -> None:
        for level, smaller in self.by_level(frames):
            writes = []
            for number, index, pixels in smaller:
                at = self._number(number, level)
                self._reach(at, level, index)
                writes.append(FrameWrite(at, index, pixels))
            try:
                self._arrays(level).write_frames(writes)
            except PartialWriteError as error:
                raise error.__cause__ or error from error

    def reader(self, image: int, level: int) -> PlaneReader:
        number = self._arrays(level).number(self.images[image])
        if number is None:
            raise LookupError(f"image {image} has no level {level} yet")
        return self._arrays(level).reader(number)

    def finish(self, shapes: Sequence[tuple[int, ...]]) -> None:
        for number, shape in enumerate(shapes):
            for level in range(1, self.count(number)):
                at = self._number(number, level)
                self._arrays(level).grow(at, level_shape(shape, level))
        for arrays in self._levels:
            arrays.finish()

    def close(self) -> None:
        for arrays in self._levels:
            arrays.close()
        self._files.close()

    def _arrays(self, level: int) -> LevelArrays:
        while len(self._levels) < level:
            self._levels.append(
                LevelArrays(len(self._levels) + 1, self._root, self._options, self._files)
            )
        return self._levels[level - 1]

    def _number(self, image: int, level: int) -> int:
        """Return the number of an image among those of a level, whose array is made if needed."""
        arrays, full = self._arrays(level), self.images[image]
        found = arrays.number(full)
        if found is None:
            found = arrays.make(full.with_spec(self._level(full, level).spec))
        return found

    def _level(self, image: ImageLayout, level: int) -> ImageLayout:
        """Return a level of an image; made once for all that are alike, which share its array."""
        if image.spec not in self._specs:
            self._specs[image.spec] = [
                self.plan.level(image, n, self._loops)
                for n in range(1, self.plan.count_of(image.spec))
            ]
        return self._specs[image.spec][level - 1]

    def _reach(self, number: int, level: int, index: tuple[int, ...]) -> None:
        """Let the array of an image that grows reach to a frame."""
        arrays = self._arrays(level)
        spec = arrays.images[number].spec
        if spec.unbounded_axes:
            shape = [n + step for n, step in zip(index, spec.frame_step, strict=True)]
            arrays.grow(number, (*shape, *spec.shape[-2:]))
