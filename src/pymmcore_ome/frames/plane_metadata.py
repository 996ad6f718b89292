"""`PlaneMetadata`: times, exposures and stage coordinates of stored frames, by image.

Numbers in plain arrays, 72 bytes a frame, because documents want them image by image and
the frame table has them in the order in which frames were written.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json

#: The numbers that are kept of every frame, in this order.
PLANE_COLUMNS: Final = ("delta_t_s", "exposure_ms", "x_um", "y_um", "z_um")
_NAN: Final = float("nan")
_NONE: Final = array("q"), array("d"), array("d")
#: Bytes of all notes that are kept; what comes later is in the frame table alone.
_MOST_NOTE_BYTES: Final = 8 << 20


class Planes(NamedTuple):
    """Frames of some images, in the order of the images, and of the frame table in each.

    Attributes
    ----------
    counts : list of int
        Frames of each image.
    indices : int array, (frames, rank)
        Storage order.
    values : float array, (frames, 5)
        `PLANE_COLUMNS`; NaN where nothing is known.
    notes : float array, (frames,)
        Numbers of each frame's other metadata in `PlaneMetadata.notes`; NaN for none.
    """

    counts: list[int]
    indices: NDArray[np.int64]
    values: NDArray[np.float64]
    notes: NDArray[np.float64]


class PlaneMetadata:
    """What the frame table knows of the planes of each image.

    Other metadata of a frame is kept once for all frames that have the same, as a note; of notes,
    8 MiB at most.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._planes: dict[str, tuple[array[int], array[float], array[float]]] = {}
        self._numbers: dict[bytes, float] = {b"{}": _NAN}
        self._note_bytes = 0
        self.frames = 0
        for row in rows:
            numbers = [_NAN if v is None else v for v in map(row.get, PLANE_COLUMNS)]
            self.add(row["image"], row["index"], numbers, to_json(row.get("metadata") or {}))

    def add(
        self, image: str, index: Sequence[int], numbers: Sequence[float], note: bytes = b"{}"
    ) -> None:
        """Add a frame.

        Parameters
        ----------
        image : str
            Path of its image in the store.
        index : sequence of int
            Storage order, without Y and X.
        numbers : sequence of float
            Its `PLANE_COLUMNS`.
        note : bytes
            Its other metadata, as JSON.
        """
        planes = self._planes.get(image)
        if planes is None:
            planes = self._planes[image] = array("q"), array("d"), array("d")
        planes[0].extend(index)
        planes[1].extend(numbers)
        number = self._numbers.get(note)
        if number is None:
            number = _NAN
            if self._note_bytes + len(note) <= _MOST_NOTE_BYTES:
                number = self._numbers[note] = len(self._numbers) - 1
                self._note_bytes += len(note)
        planes[2].append(number)
        self.frames += 1

    def notes(self, images: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the number and the content of each note of the frames of some images.

        Parameters
        ----------
        images : iterable of str
            Paths of the images in the store.
        """
        used: set[float] = set()
        for image in images:
            used.update(np.unique(np.frombuffer(self._planes.get(image, _NONE)[2])).tolist())
        for note, number in self._numbers.items():
            if number in used and number == number:
                yield int(number), from_json(note)

    def of(self, images: Sequence[str], rank: int) -> Planes:
        """Return the frames of some images, one image after the other.

        Parameters
        ----------
        images : sequence of str
            Paths of the images in the store.
        rank : int
            Axes of their indices, Y and X left out; the same for all.
        """
        found = [self._planes.get(image, _NONE) for image in images]
        values = np.frombuffer(b"".join([values for _, values, _ in found]), dtype=float)
        indices = np.frombuffer(b"".join([indices for indices, _, _ in found]), dtype=np.int64)
        notes = np.frombuffer(b"".join([notes for _, _, notes in found]), dtype=float)
        values = values.reshape(-1, len(PLANE_COLUMNS))
        counts = [len(notes) for _, _, notes in found]
        return Planes(counts, indices.reshape(len(values), rank), values, notes)
