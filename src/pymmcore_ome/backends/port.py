"""`ArrayBackend`: what the stream asks of a storage library. Pixels only.

A backend makes the arrays of a layout, writes blocks into them, and knows nothing of
frames, acquisitions or OME documents.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.disk import Format, StoreLocation
from pymmcore_ome.layout import ImageLayout, Layout, LevelPlan, PageTable

from .downsample import Downsampler
from .selection import Picks


class WriteFuture(Protocol):
    """A write on its way, as `concurrent.futures.Future` and tensorstore have it."""

    def done(self) -> bool: ...
    def result(self) -> Any: ...
    def add_done_callback(self, callback: Callable[[Any], Any], /) -> Any: ...


class PlaneReader(Protocol):
    """Reads those frames of one image that are on disk. From any thread; it never writes."""

    def read(self, picks: Picks, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a block of the array, with as many axes as the image.

        Parameters
        ----------
        picks : sequence of array
            The elements of each axis but y and x: an open mesh, as `numpy.ix_` makes it of
            them. Each rises, and has no element twice.
        rows, columns : slice
            Of y and x, with a step of 1 or more.
        """


class FrameWrite(NamedTuple):
    """One frame for `ArrayBackend.write_frames`.

    Attributes
    ----------
    image : int
        Number of the image in the layout.
    index : tuple of int
        In storage order, without Y and X.
    frame : array, (height, width), or (height, width, 3) for RGB
        C-contiguous, of the image's `frame_dtype`. It does not change until the write ends.
    """

    image: int
    index: tuple[int, ...]  # type: ignore[assignment]  # the contract's word hides tuple.index
    frame: NDArray[Any]


class PartialWriteError(Exception):
    """Some frames of a batch could not be written.

    Attributes
    ----------
    missing : frozenset of int
        Their numbers in the batch. All others are whole on disk, and readable.

    The cause is what the system raised.
    """

    def __init__(self, missing: Iterable[int]) -> None:
        self.missing = frozenset(missing)
        super().__init__(f"frames {sorted(self.missing)} of the batch")


class ArrayBackend(ABC):
    """Writes the pixels of one store. Used from one thread at a time, but for `reader`.

    Life: `refusals` (before anything exists), `create` and `put`, then `write`, `grow`, `add`
    and `put` in any order, then `finish`, `put` for the last documents, and `close`. What
    documents contain does not concern it: it keeps their bytes where the format wants them.
    """

    name: ClassVar[str]
    format: ClassVar[Format]

    #: Whether every image's frames must come in the order in which they are stored.
    is_sequential: ClassVar[bool] = False
    #: Whether those of a sequential backend may also be acquired in another order of their loops
    #: (`arrival_order`), as long as the slowest loop is the slowest axis in storage.
    reorders: ClassVar[bool] = False

    #: Whether `reader` reads a frame as soon as its write is done.
    reads_at_once: ClassVar[bool] = False

    #: Whether `write_frames` takes frames in batches; else `write` takes blocks.
    takes_frames: ClassVar[bool] = False

    #: Whether images have shards where nobody chose: it writes a frame into its shard at once.
    shards_by_default: ClassVar[bool] = False

    #: Whether images can have resolution levels beside the full resolution.
    makes_levels: ClassVar[bool] = False
    #: The reason, and what to do, where it makes none.
    why_no_levels: ClassVar[str] = "use another backend, or `levels=None`"

    #: Whether `reopen` can go on with a store that was closed.
    can_resume: ClassVar[bool] = False

    #: The most bytes of frames in a batch: more pay off where it compresses them in threads.
    batch_bytes: int = 16 << 20

    #: Where each plane is, for formats with a page a plane; None for the others.
    pages: PageTable | None = None

    @classmethod
    @abstractmethod
    def refusals(cls, layout: Layout, options: BackendOptions) -> list[str]:
        """Return every reason why this backend cannot hold the layout; empty when it can."""

    @abstractmethod
    def create(self, place: StoreLocation, layout: Layout, options: BackendOptions) -> None:
        """Make every array of the layout, without pixels, at a place that was made free.

        Raises
        ------
        OSError
            When the disk refuses.
        """

    def reopen(
        self,
        place: StoreLocation,
        layout: Layout,
        options: BackendOptions,
        pages: PageTable | None = None,
    ) -> None:
        """Go on with a closed store that has every array of the layout, instead of `create`.

        Called where `can_resume`. It makes nothing that a reader could see: at every instant
        the store stays readable, with every frame that it had.

        Parameters
        ----------
        place, layout, options
            As `create`; those of the store.
        pages : PageTable, optional
            Where each plane is, for formats with a page a plane.

        Raises
        ------
        OSError
        """
        raise NotImplementedError

    @abstractmethod
    def put(self, key: str, content: Iterable[bytes]) -> None:
        """Keep a document, in place of the one that had its key before.

        Raises
        ------
        OSError
            When the disk refuses; the old document is then still there.
        """

    @abstractmethod
    def add(self, image: ImageLayout) -> None:
        """Make the array of one more image, which the layout did not have before."""

    def write(
        self, image: int, start: tuple[int, ...], block: NDArray[np.generic]
    ) -> WriteFuture | None:
        """Write a block of an image. Called unless `takes_frames`.

        Parameters
        ----------
        image : int
            Number of the image in the layout.
        start : tuple of int
            First element in storage order, Y and X included.
        block : array
            As many axes as the image. It does not change until the future is done.

        Returns
        -------
        WriteFuture or None
            Done when the pixels are on disk (`result` raises what went wrong), or None when
            they are on disk already.
        """
        raise NotImplementedError

    def write_frames(self, frames: Sequence[FrameWrite]) -> None:
        """Write a batch of frames; they are on disk, and readable, when it returns.

        Pixels first, then what points at them, so that a killed process leaves nothing
        that reads wrong. Called where `takes_frames`, from the writer's thread.

        Raises
        ------
        PartialWriteError
            From the system's error. It names the frames that are not on disk.
        """
        raise NotImplementedError

    def reader(self, image: int) -> PlaneReader | None:
        """Return what reads an image while others, or it, are still being written.

        From any thread, also after `close`. It is asked only for frames that are on disk; no
        chunk or shard is read while it is written.

        Returns
        -------
        PlaneReader or None
            None while the image cannot be read. Where that is so until the store is closed,
            this need not be written.
        """
        return None

    @abstractmethod
    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        """Make an image's array at least this large; never smaller.

        Returns
        -------
        bool
            Whether the store's documents must show the new shape, so that it can be read meanwhile.
        """

    @abstractmethod
    def sync(self) -> None:
        """Make every finished write outlast a power cut; called where `options` ask for it.

        Raises
        ------
        OSError
        """

    @abstractmethod
    def finish(self) -> None:
        """Write everything that is still held: there are no more pixels.

        Raises
        ------
        OSError
            When anything that was written did not reach the disk.
        """

    @abstractmethod
    def is_in_place(self) -> bool:
        """Whether the store is still where it was made: not deleted, moved or replaced."""

    @abstractmethod
    def close(self) -> None:
        """Let go of every resource. Closing twice, or before `create`, is allowed."""


class LevelWriter(ABC):
    """Makes and writes the levels of frames. One thread at a time, but for `reader`.

    A level of a frame can be read as soon as `write` has returned.

    Parameters
    ----------
    plan : LevelPlan
    images : sequence of ImageLayout
        At full resolution. It may grow.
    """

    def __init__(self, plan: LevelPlan, images: Sequence[ImageLayout]) -> None:
        self.plan = plan
        self.images = images
        self.downsampler = Downsampler(plan.downsample)

        self._counts: dict[int, int] = {}

    def count(self, image: int) -> int:
        """Return the levels of an image, the full resolution included."""
        count = self._counts.get(image)
        if count is None:
            count = self._counts[image] = self.plan.count_of(self.images[image].spec)
        return count

    def by_level(self, frames: Sequence[FrameWrite]) -> Iterator[tuple[int, list[FrameWrite]]]:
        """Yield each level above 0, and the frames that have it, at its size.

        A level is made when it is asked for, of the one before: only two are in memory.
        """
        level, halved = 0, self.downsampler.halved
        present: Sequence[FrameWrite] = frames
        while True:
            level += 1
            present = [
                FrameWrite(number, index, halved(pixels))
                for number, index, pixels in present
                if level < self.count(number)
            ]
            if not present:
                return
            yield level, present

    @abstractmethod
    def write(self, frames: Sequence[FrameWrite]) -> None:
        """Write the levels of frames of the full resolution. A frame may be given again.

        Raises
        ------
        OSError
            Some of the frames may have their levels then, and others not.
        """

    @abstractmethod
    def reader(self, image: int, level: int) -> PlaneReader:
        """Return what reads a level above 0 of an image, frames that were written."""

    @abstractmethod
    def finish(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Finish the levels of every image; no frame follows.

        Parameters
        ----------
        shapes : sequence of tuple of int
            Of the arrays of the full resolution.

        Raises
        ------
        OSError
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of every resource."""


Files = Literal["one", "per-position"]
FILES: Final[tuple[Files, ...]] = ("one", "per-position")


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What a backend is asked to do.

    Attributes
    ----------
    compression : str | None
        Name, or ``"name:level"``.
    files : ``"one"`` | ``"per-position"``
        One file for all images, or one each. OME-TIFF only.
    bigtiff : bool
        False: classic TIFF, which ends at 4 GiB. OME-TIFF only.
    outlasts_power : bool
        Pixels must outlast a power cut, not only the process.
    levels : LevelPlan | None
        Resolution levels; None: the full resolution alone.
    """

    compression: str | None = None
    files: Files = "one"
    bigtiff: bool = True
    outlasts_power: bool = False
    levels: LevelPlan | None = None
