"""`ArrayBackend`: what the stream asks of a storage library. Pixels only.

A backend makes the arrays of a layout, writes blocks into them, and knows nothing of
frames, acquisitions or OME documents.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.disk import Format, Place
from pymmcore_ome.layout import ImageLayout, Layout, PageTable

from .options import BackendOptions


class WriteFuture(Protocol):
    """A write on its way, as `concurrent.futures.Future` and tensorstore have it."""

    def done(self) -> bool: ...
    def result(self) -> Any: ...
    def add_done_callback(self, callback: Callable[[Any], Any], /) -> Any: ...


class ArrayBackend(ABC):
    """Writes the pixels of one store. Used from one thread at a time.

    Life: `refusals` (before anything exists), `create` and `put`, then `write`, `grow`, `add`
    and `put` in any order, then `finish`, `put` for the last documents, and `close`. What
    documents say is none of its business: it keeps their bytes where the format wants them.
    """

    name: ClassVar[str]
    format: ClassVar[Format]

    #: Whether every image's frames must come in the order in which they are stored.
    is_sequential: ClassVar[bool] = False

    #: Where each plane is, for formats with a page a plane; None for the others.
    pages: PageTable | None = None

    @classmethod
    @abstractmethod
    def refusals(cls, layout: Layout, options: BackendOptions) -> list[str]:
        """Return every reason why this backend cannot hold the layout; empty when it can."""

    @abstractmethod
    def create(self, place: Place, layout: Layout, options: BackendOptions) -> None:
        """Make every array of the layout, without pixels, at a place that was made free.

        Raises
        ------
        OSError
            When the disk refuses.
        """

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
        """Make the array of one more image, which nobody knew of before."""

    @abstractmethod
    def write(
        self, image: int, start: tuple[int, ...], block: NDArray[np.generic]
    ) -> WriteFuture | None:
        """Write a block of an image.

        Parameters
        ----------
        image : int
            Number of the image in the layout.
        start : tuple of int
            First element in storage order, Y and X included.
        block : array
            As many axes as the image. Nobody writes to it until the future is done.

        Returns
        -------
        WriteFuture or None
            Done when the pixels are down (`result` raises what went wrong), or None when
            they are down already.
        """

    @abstractmethod
    def grow(self, image: int, shape: tuple[int, ...]) -> bool:
        """Make an image's array at least this large; never smaller.

        Returns
        -------
        bool
            Whether the store's documents have to say so, so that it can be read meanwhile.
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
        """Bring down everything that is still held: no more pixels come.

        Raises
        ------
        OSError
            When anything that was written did not reach the disk.
        """

    @abstractmethod
    def is_in_place(self) -> bool:
        """Whether what was made is still where it was made: not deleted, moved or replaced."""

    @abstractmethod
    def close(self) -> None:
        """Let go of every resource. Closing twice, or before `create`, is allowed."""
