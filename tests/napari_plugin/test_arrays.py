"""The arrays that napari slices give what numpy gives of the same pictures, all in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pymmcore_ome.napari.arrays import LazyArray, Mosaic, Stack, Tile

SELECTIONS = [
    ...,
    (0,),
    (-1, 0),
    (0, slice(1, None), 3),
    (slice(None), 0, slice(2, 9), slice(1, 12, 3)),
    (slice(None, None, -1), 1, 4, 5),
    (1, 1, slice(5, 5), slice(None)),
    (0, 0, [0, 3, 3], slice(None)),
]


class Whole(LazyArray):
    """An array in memory, told apart by what is asked of it."""

    def __init__(self, pixels: np.ndarray) -> None:
        super().__init__(pixels.shape, pixels.dtype)
        self.pixels = pixels
        self.elements_read = 0

    def read(self, near: tuple[slice, ...]) -> np.ndarray:
        block = self.pixels[near]
        assert block.shape == tuple(part.stop - part.start for part in near)
        self.elements_read += block.size
        return block


def whole(seed: int, *shape: int) -> Whole:
    return Whole(np.random.default_rng(seed).integers(1, 999, shape, "uint16"))


@pytest.mark.parametrize("key", SELECTIONS, ids=str)
def test_stack_is_its_parts_padded_with_blanks(key: Any) -> None:
    parts = [whole(0, 3, 8, 14), whole(1, 2, 10, 14)]
    expected = np.zeros((2, 3, 10, 14), "uint16")
    expected[0, :, :8] = parts[0].pixels
    expected[1, :2] = parts[1].pixels
    stack = Stack(parts)
    assert (stack.shape, stack.ndim, stack.size) == ((2, 3, 10, 14), 4, 840)
    np.testing.assert_array_equal(stack[key], expected[key])


@pytest.mark.parametrize("step", [1, 2, 5])
@pytest.mark.parametrize("key", SELECTIONS, ids=str)
def test_mosaic_is_its_tiles_where_they_lie(key: Any, step: int) -> None:
    tiles = [
        Tile(0, 0, whole(0, 2, 3, 20, 30)),
        Tile(3, 25, whole(1, 2, 3, 20, 30)),
        Tile(30, 11, whole(2, 1, 3, 20, 30)),
    ]
    dense = np.zeros((2, 3, 60, 70), "uint16")
    for y, x, tile in tiles:
        dense[: tile.shape[0], :, y : y + 20, x : x + 30] = tile.pixels
    mosaic = Mosaic(tiles, (60, 70), step)
    expected = dense[..., ::step, ::step]
    assert mosaic.shape == expected.shape
    np.testing.assert_array_equal(mosaic[key], expected[key])


def test_mosaic_of_rgb_keeps_samples_last() -> None:
    tiles = [Tile(0, 0, whole(0, 4, 5, 3)), Tile(0, 5, whole(1, 4, 5, 3))]
    mosaic = Mosaic(tiles, (4, 10), samples=3)
    expected = np.concatenate([tile.array.pixels for tile in tiles], axis=1)
    assert mosaic.shape == (4, 10, 3)
    np.testing.assert_array_equal(mosaic, expected)


def test_only_the_tiles_in_view_are_read() -> None:
    tiles = [Tile(0, 100 * n, whole(n, 5, 100, 100)) for n in range(10)]
    view = Mosaic(tiles, (100, 1000))[2, 10:20, 350:460]
    assert view.shape == (10, 110)
    read = [tile.array.elements_read for tile in tiles]
    assert read == [0, 0, 0, 500, 600, 0, 0, 0, 0, 0]
