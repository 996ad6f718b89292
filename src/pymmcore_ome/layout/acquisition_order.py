"""The order of acquisition: `GridOrder` by arithmetic, `ReplayOrder` event by event.

An order yields acquisition indices, one a frame, in order of acquisition. It knows nothing
of storage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count as count_up
from itertools import islice, product
from math import ceil
from typing import NamedTuple, Protocol

from pymmcore_ome.schema import Channel, EventOrder

Index = Mapping[str, int]


class FrameOrder(Protocol):
    """An order of frames. `count` is None when it has no end."""

    @property
    def count(self) -> int | None: ...
    def __iter__(self) -> Iterator[dict[str, int]]: ...
    def index_of(self, number: int) -> dict[str, int]: ...


class Loop(NamedTuple):
    """One loop of a grid order, slowest first; `size` None: it has no end."""

    name: str
    size: int | None


class GridOrder:
    """Nested loops, with channels that are left out at some times and planes.

    Nothing is listed: a million frames cost no more than ten.
    """

    def __init__(self, loops: Sequence[Loop], channels: Sequence[Channel] = ()) -> None:
        self._loops = tuple(loops)
        names = [loop.name for loop in loops]
        self._every = [c.every if "t" in names else 1 for c in channels]
        self._plane = [c.plane if "z" in names else None for c in channels]
        #: Whether some places of the nest are not planned.
        self.is_sparse = "c" in names and (
            any(every > 1 for every in self._every) or any(p is not None for p in self._plane)
        )
        self.count = self._count()

    def __iter__(self) -> Iterator[dict[str, int]]:
        names = [loop.name for loop in self._loops]
        outer = self._loops[0].size if self._loops else 1
        ranges = [range(loop.size or 0) for loop in self._loops[1:]]
        first = count_up() if outer is None else range(outer)
        for slowest in first if self._loops else (0,):
            for rest in product(*ranges):
                index = dict(zip(names, (slowest, *rest), strict=bool(self._loops)))
                if not self.is_sparse or self.is_planned(index):
                    yield index

    def index_of(self, number: int) -> dict[str, int]:
        """Return the index of a frame by its number; slow where channels are left out."""
        if self.is_sparse:
            return next(islice(iter(self), number, None))
        index: dict[str, int] = {}
        for name, size in reversed(self._loops):
            number, index[name] = (0, number) if size is None else divmod(number, size)
        return dict(reversed(index.items()))

    def is_planned(self, index: Index) -> bool:
        """Whether a sparse nest has a frame at this index, which is within its loops."""
        channel = index["c"]
        plane = self._plane[channel]
        return index.get("t", 0) % self._every[channel] == 0 and plane in (None, index.get("z"))

    def _count(self) -> int | None:
        sizes = dict(self._loops)
        others = 1
        for name, size in sizes.items():
            if size is None:
                return None
            if name not in "tcz":
                others *= size
        times, planes = sizes.get("t") or 1, sizes.get("z") or 1
        if not self.is_sparse:
            return others * times * planes * (sizes.get("c") or 1)
        return others * sum(
            ceil(times / every) * (planes if plane is None else int(plane < planes))
            for every, plane in zip(self._every, self._plane, strict=True)
        )


class ReplayOrder:
    """The rows of an `EventOrder`, as they are."""

    def __init__(self, events: EventOrder) -> None:
        self._axes = events.axes
        self._rows = events.rows
        self.count = len(events.rows)

    def __iter__(self) -> Iterator[dict[str, int]]:
        return map(self._index, self._rows)

    def index_of(self, number: int) -> dict[str, int]:
        """Return the index of a frame by its number."""
        return self._index(self._rows[number])

    def _index(self, row: Sequence[int]) -> dict[str, int]:
        return {name: value for name, value in zip(self._axes, row, strict=True) if value >= 0}
