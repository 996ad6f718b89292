"""`ArrayPool`: an array is used again only when nobody refers to it."""

from __future__ import annotations

import numpy as np

from pymmcore_ome.stream.frame_buffer import ArrayPool

SHAPE, DTYPE = (16, 16), np.dtype("uint16")


def test_array_that_was_given_back_is_used_again() -> None:
    pool = ArrayPool()
    array = pool.acquire(SHAPE, DTYPE)
    address = array.ctypes.data
    pool.release(array)
    del array
    assert pool.acquire(SHAPE, DTYPE).ctypes.data == address


def test_array_to_which_somebody_refers_is_not_used_again() -> None:
    pool = ArrayPool()
    array = pool.acquire(SHAPE, DTYPE)
    view = array[2:]  # as a storage library holds one
    pool.release(array)
    del array
    other = pool.acquire(SHAPE, DTYPE)
    assert not np.shares_memory(other, view)
    address = view.base.ctypes.data
    del view
    assert pool.acquire(SHAPE, DTYPE).ctypes.data == address, "it comes back when it is let go"


def test_array_is_of_the_shape_and_dtype_that_were_asked_for() -> None:
    pool = ArrayPool()
    pool.release(pool.acquire(SHAPE, DTYPE))
    for shape, dtype in (((8, 32), DTYPE), (SHAPE, np.dtype("uint8")), (SHAPE, np.dtype(">u2"))):
        array = pool.acquire(shape, dtype)
        assert (array.shape, array.dtype) == (shape, dtype)
        assert array.flags.c_contiguous


def test_pool_keeps_a_bounded_number_of_bytes() -> None:
    pool = ArrayPool()
    large = ((32 << 20,), np.dtype("uint8"))
    arrays = [pool.acquire(*large) for _ in range(5)]
    addresses = {array.ctypes.data for array in arrays}
    while arrays:
        pool.release(arrays.pop())
    kept = [pool.acquire(*large) for _ in range(5)]
    assert len(addresses & {array.ctypes.data for array in kept}) >= 2
    assert pool._free_bytes == 0
