"""`ArrayBackend`: what the stream asks of a storage library. Pixels only.

A backend makes the arrays of a layout, writes blocks into them, and knows nothing of
frames, acquisitions or OME documents.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from pymmcore_ome.disk import Format
from pymmcore_ome.layout import ImageLayout, Layout


class WriteFuture(Protocol):
    """A write on its way, as `concurrent.futures.Future` and tensorstore have it."""

    def done(self) -> bool: ...
    def result(self) -> Any: ...
    def add_done_callback(self, callback: Callable[[Any], Any], /) -> Any: ...


class ArrayBackend(ABC):
    """Writes the pixels of one store. Used from one thread, the stream's writer.

    Life: `refusals` (before anything exists), `create`, then `write`, `grow` and `add` in
    any order, then `close` once.
    """

    name: ClassVar[str]
    format: ClassVar[Format]

    @classmethod
    @abstractmethod
    def refusals(cls, layout: Layout, compression: str | None) -> list[str]:
        """Return every reason why this backend cannot hold the layout; empty when it can."""

    @abstractmethod
    def create(self, root: Path, layout: Layout, compression: str | None) -> None:
        """Make every array of the layout, without pixels, below an existing folder.

        Raises
        ------
        OSError
            When the disk refuses.
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
            As many axes as the image. C-contiguous; nobody else writes to it until the
            future is done.

        Returns
        -------
        WriteFuture or None
            Done when the pixels are down (`result` raises what went wrong), or None when
            they are down already.
        """

    @abstractmethod
    def grow(self, image: int, shape: tuple[int, ...]) -> None:
        """Make an image's array at least this large; never smaller."""

    @abstractmethod
    def close(self) -> None:
        """Let go of every resource; all writes are done by then."""
