"""Numpy-style selections, split into what is read from disk and what numpy does with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Picks = Sequence[NDArray[np.intp]]  # one an axis: elements that rise; an open mesh, as np.ix_


class Selection(NamedTuple):
    """What has to be read, and how numpy makes the result of it.

    Attributes
    ----------
    picks : tuple of array
        Elements of each axis but y and x that are read, each once, in rising order.
    rows, columns : slice
        Of y and x; they may have a step, which is never negative.
    then : tuple
        The key that makes the result of the block that was read.
    """

    picks: tuple[NDArray[np.intp], ...]
    rows: slice
    columns: slice
    then: tuple[Any, ...]


def split_selection(key: Any, shape: tuple[int, ...]) -> Selection:
    """Split a key into what is read and what numpy does with it.

    Parameters
    ----------
    key
        Whole numbers, slices, lists (of numbers, or of a bool an element) and one Ellipsis.
    shape : tuple of int
        Ends in y and x.

    Raises
    ------
    IndexError
        As numpy.
    """
    keys = _spread(key, len(shape))
    pairs = [_near(k, size) for k, size in zip(keys, shape, strict=True)]
    frame = [_as_slice(near, then) for near, then in pairs[-2:]]
    picks = tuple(np.asarray(near, np.intp) for near, _ in pairs[:-2])
    then = (*(then for _, then in pairs[:-2]), *(then for _, then in frame))
    return Selection(picks, frame[0][0], frame[1][0], then)


def selected_shape(picks: Picks, rows: slice, columns: slice) -> tuple[int, ...]:
    """Return the shape of the block that is read."""
    sides = (len(range(part.start, part.stop, part.step or 1)) for part in (rows, columns))
    return (*(len(pick) for pick in picks), *sides)


def _spread(key: Any, rank: int) -> tuple[Any, ...]:
    """Return one key an axis, with the Ellipsis and what was left out spelled out."""
    keys = key if isinstance(key, tuple) else (key,)
    dots = sum(k is Ellipsis for k in keys)
    if dots > 1 or len(keys) - dots > rank:
        raise IndexError(f"too many indices for an array of {rank} axes: {key!r}")
    if dots:
        n = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys = (*keys[:n], *(slice(None),) * (rank - len(keys) + 1), *keys[n + 1 :])
    return (*keys, *(slice(None),) * (rank - len(keys)))


def _near(key: Any, size: int) -> tuple[range | NDArray[np.intp], Any]:
    """Split a key into the elements that are read, and what numpy then does with them.

    numpy sees every key again, shifted to the block, so that its rules hold to the letter.
    """
    if isinstance(key, slice):
        picked = range(*key.indices(size))
        if picked.step > 0:
            return picked, slice(None)
        return picked[::-1], slice(None, None, -1)
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        place = int(key) + size if key < 0 else int(key)
        if not 0 <= place < size:
            raise IndexError(f"index {key} is out of bounds for an axis of size {size}")
        return range(place, place + 1), 0
    if isinstance(key, (list, np.ndarray)) and np.ndim(key) == 1:
        return _listed(key, size)
    raise IndexError(f"an axis is indexed by a whole number, a slice or a list, got {key!r:.80}")


def _listed(key: Any, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    listed = np.asarray(key, None if len(key) else np.intp)
    if listed.dtype == bool:
        if len(listed) != size:
            raise IndexError(
                f"boolean index did not match: {len(listed)} values for an axis of size {size}"
            )
        listed = np.flatnonzero(listed)
    elif listed.dtype.kind not in "ui":
        raise IndexError(f"a list of indices must be of integer (or boolean) type, got {key!r:.80}")
    outside = (listed < -size) | (listed >= size)
    if outside.any():
        raise IndexError(f"index {listed[outside][0]} is out of bounds for an axis of size {size}")
    listed = np.where(listed < 0, listed + size, listed).astype(np.intp)
    elements, places = np.unique(listed, return_inverse=True)
    return elements, places.reshape(-1)


def _as_slice(near: range | NDArray[np.intp], then: Any) -> tuple[slice, Any]:
    """Return the elements of y or x as a slice; of a list, all that are between."""
    if not len(near):
        return slice(0, 0), then
    if isinstance(near, range):
        return slice(near[0], near[-1] + 1, near.step), then
    return slice(int(near[0]), int(near[-1]) + 1), near[then] - near[0]
