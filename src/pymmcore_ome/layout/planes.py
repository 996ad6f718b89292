"""`PlaneSet`: a set of planes of one image. A bool a plane; it knows no frames and no pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

_MAX_PLANES = 1 << 26  # beyond, and for far jumps on an axis that grows, a set of tuples


class PlaneSet:
    """Planes by their index in storage order, without y and x.

    Parameters
    ----------
    sizes : sequence of int or None
        Planes along each axis; None: it grows.
    """

    def __init__(self, sizes: Sequence[int | None]) -> None:
        self._grows = [size is None for size in sizes]
        near = [1 if size is None else size for size in sizes]
        is_small = prod(near) <= _MAX_PLANES
        self._near = np.zeros(near if is_small else [0] * len(near), bool)
        self._can_grow = is_small
        self._far: set[tuple[int, ...]] = set()

    def add(self, plane: tuple[int, ...]) -> None:
        """Add a plane."""
        try:
            self._near[plane] = True
        except IndexError:
            if self._grow_to(plane):
                self._near[plane] = True
            else:
                self._far.add(plane)

    def remove(self, plane: tuple[int, ...]) -> None:
        """Take a plane out."""
        self._far.discard(plane)
        if self._reaches(plane):
            self._near[plane] = False

    def __contains__(self, plane: tuple[int, ...]) -> bool:
        return plane in self._far or (self._reaches(plane) and bool(self._near[plane]))

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        for found in np.argwhere(self._near).tolist():
            yield tuple(found)
        yield from list(self._far)

    def mask(self, picks: Sequence[NDArray[np.intp]]) -> NDArray[np.bool_]:
        """Return which planes of an open mesh are in the set; the picks of an axis rise."""
        found = np.zeros([len(pick) for pick in picks], bool)
        inside = [
            int(np.searchsorted(pick, size))
            for pick, size in zip(picks, self._near.shape, strict=True)
        ]
        if all(inside) or not picks:
            mesh = np.ix_(*(pick[:n] for pick, n in zip(picks, inside, strict=True)))
            found[tuple(slice(n) for n in inside)] = self._near[mesh]
        for plane in self._far:
            spots = [int(np.searchsorted(p, n)) for p, n in zip(picks, plane, strict=True)]
            if all(
                spot < len(pick) and pick[spot] == n
                for spot, pick, n in zip(spots, picks, plane, strict=True)
            ):
                found[tuple(spots)] = True
        return found

    def _reaches(self, plane: tuple[int, ...]) -> bool:
        return all(n < size for n, size in zip(plane, self._near.shape, strict=True))

    def _grow_to(self, plane: tuple[int, ...]) -> bool:
        if not self._can_grow:
            return False
        larger = [
            size if n < size else max(n + 1, 2 * size)
            for n, size in zip(plane, self._near.shape, strict=True)
        ]
        if prod(larger) > _MAX_PLANES or not all(
            grows or size == old
            for grows, size, old in zip(self._grows, larger, self._near.shape, strict=True)
        ):
            return False
        grown = np.zeros(larger, bool)
        grown[tuple(slice(size) for size in self._near.shape)] = self._near
        self._near = grown
        return True
