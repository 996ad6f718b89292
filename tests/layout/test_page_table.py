"""Pages of planes: numbered once, whatever grows, and listed in runs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pymmcore_ome import Dimension, StorageSchema
from pymmcore_ome.layout import ArraySpec, ImageLayout, PageTable, layout_of

sizes = st.lists(st.integers(1, 4), max_size=3)


def image(sizes: list[int], rgb: bool) -> ImageLayout:
    """Return an image of a plan with these loops."""
    loops = [Dimension(name=name, size=size) for name, size in zip("tcz", sizes, strict=False)]
    frame = [Dimension(name="y", size=2), Dimension(name="x", size=2)]
    schema = StorageSchema(dimensions=[*loops, *frame], dtype="uint8", rgb=rgb)
    return layout_of(schema).images[0]


def pages_of_runs(table: PageTable, number: int, planes: tuple[int, ...]) -> np.ndarray:
    """Return the page of every plane, by the runs of the table alone."""
    pages = np.full(int(np.prod(planes)), -1)
    for page, first, count in table.runs(number, planes):
        start = int(np.ravel_multi_index(first, planes)) if first else 0
        pages[start : start + count] = np.arange(page, page + count)
    return pages.reshape(planes)


@given(
    st.lists(st.tuples(sizes, st.booleans()), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 3)), max_size=4),
    st.booleans(),
    st.data(),
)
def test_runs_list_the_page_of_every_plane_however_images_grow(
    plans: list[tuple[list[int], bool]],
    growths: list[tuple[int, int, int]],
    apart: bool,
    data: st.DataObject,
) -> None:
    table, specs = PageTable(apart=apart), list[ArraySpec]()
    counts = [0] * len(plans)
    for number, (loops, rgb) in enumerate(plans):
        one = image(loops, rgb)
        specs.append(one.spec)
        counts[number] += table.add(one, one.shape)
    for number, axis, more in growths:
        shape = list(table.shape(number)) if number < len(plans) else []
        if axis < len(shape):
            shape[axis] += more
            counts[number] += table.grow(number, specs[number].array_shape(shape))
    for number, spec in enumerate(specs):
        shape = table.shape(number)
        pages = table.pages(number)
        assert len(np.unique(pages)) == pages.size == counts[number]
        np.testing.assert_array_equal(pages_of_runs(table, number, shape), pages)
        part = tuple(data.draw(st.integers(1, size)) for size in shape)
        wanted = pages[tuple(slice(size) for size in part)]
        np.testing.assert_array_equal(pages_of_runs(table, number, part), wanted)
        for plane in np.ndindex(*shape):
            assert table.page(number, spec.plane_start(plane)) == pages[plane]
    if not apart:
        every = np.concatenate([table.pages(n).ravel() for n in range(len(specs))])
        assert sorted(every.tolist()) == list(range(sum(counts)))
