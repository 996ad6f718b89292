"""Numpy-style selections, split into what is read from disk and what numpy does with it."""

from __future__ import annotations

from typing import Any

import numpy as np


def split_selection(key: Any, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[Any, ...]]:
    """Return the smallest block that holds a selection, and the selection within the block.

    Raises
    ------
    IndexError
        As numpy.
    """
    keys = _spread(key, len(shape))
    pairs = [_near(k, size) for k, size in zip(keys, shape, strict=True)]
    return tuple(near for near, _ in pairs), tuple(then for _, then in pairs)


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


def _near(key: Any, size: int) -> tuple[slice, Any]:
    """Split a key into the slice that is read from disk, and what numpy then does with it.

    numpy sees every key again, shifted to the block, so that its rules hold to the letter.
    """
    if isinstance(key, slice):
        picked = range(*key.indices(size))
        if not picked:
            return slice(0, 0), slice(None)
        low, high = min(picked[0], picked[-1]), max(picked[0], picked[-1])
        return slice(low, high + 1), slice(None, None, picked.step)
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        place = int(key) + size if key < 0 else int(key)
        if not 0 <= place < size:
            raise IndexError(f"index {key} is out of bounds for an axis of size {size}")
        return slice(place, place + 1), 0
    if isinstance(key, (list, np.ndarray)) and np.ndim(key) == 1:
        return slice(0, size), key
    raise IndexError(f"an axis is indexed by a whole number, a slice or a list, got {key!r:.80}")
