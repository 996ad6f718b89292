"""`info` and `validate` name the same missing frames, which are the planned ones without a row."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pymmcore_ome as po
from pymmcore_ome.cli.contents import Contents
from pymmcore_ome.dataset import TableCheck
from pymmcore_ome.layout import Layout
from pymmcore_ome.testing.backend_contract import jagged

YX = [po.Dimension(name="y", size=3), po.Dimension(name="x", size=4)]


@st.composite
def schemas(draw: st.DrawFn) -> po.StorageSchema:
    """Return loops, some of which leave frames out, or images of different sizes."""
    if draw(st.booleans()):
        return jagged(draw(st.integers(2, 4)), ordered=draw(st.booleans()))
    times = draw(st.integers(1, 4))
    channels = [
        po.Channel(
            name=name, every=draw(st.integers(1, 2)), plane=draw(st.sampled_from([None, None, 0]))
        )
        for name in "ab"[: draw(st.integers(1, 2))]
    ]
    dims = [
        po.Dimension(name="t", size=times),
        po.Dimension(name="p", size=draw(st.integers(1, 3))),
        po.Dimension(name="c", coords=channels),
        po.Dimension(name="z", size=draw(st.integers(1, 2))),
    ]
    order = draw(st.permutations(dims))
    return po.StorageSchema(dimensions=[*order, *YX], dtype="uint8", rgb=draw(st.booleans()))


def expected_frames(layout: Layout) -> set[tuple[str, tuple[int, ...]]]:
    """Return image and index of every planned frame."""
    if layout.order is not None:
        return {(at.image, at.index) for at in po.FrameRouter(layout)}
    return {(image.path, at) for image in layout.images for at in np.ndindex(image.shape[:-2])}


def events(schema: po.StorageSchema, layout: Layout) -> list[dict[str, int]]:
    """Return every index that a frame may have, planned or not."""
    if schema.images is None:
        dims = schema.dimensions[:-2]
        names = [dim.name for dim in dims]
        sizes = [range(dim.size or 0) for dim in dims]
        return [dict(zip(names, at, strict=True)) for at in product(*sizes)]
    return [
        {"p": image.number, **dict(zip(image.axis_names, at, strict=False))}
        for image in layout.images
        for at in np.ndindex(image.shape[:-2])
    ]


@settings(max_examples=30, deadline=None)
@given(schema=schemas(), data=st.data())
@pytest.mark.parametrize("suffix", ["ome.zarr", "ome.tiff"])
def test_info_and_validate_agree_on_what_is_missing(
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    schema: po.StorageSchema,
    data: st.DataObject,
) -> None:
    path: Path = tmp_path_factory.mktemp("store") / f"a.{suffix}"
    with po.open_stream(path, schema, buffer_bytes=1 << 20) as stream:
        spec = stream.layout.images[0].spec
        frame = np.ones(spec.frame_shape, spec.dtype)
        planned = expected_frames(stream.layout)
        indices = events(schema, stream.layout)
        for at in data.draw(st.lists(st.sampled_from(indices), unique_by=str), label="appended"):
            stream.append(frame, at=at)
    dataset = po.open_dataset(path)
    stored = {(row["image"], row["index"]) for row in dataset.frames()}
    expected = planned - stored
    assert set(TableCheck(dataset).missing()) == expected
    contents = Contents.of(dataset)
    assert contents.frames_missing == len(expected)
    assert contents.frames_stored == len(stored)
    found = [problem for problem in po.validate(path) if "are missing" in problem]
    if not expected:
        assert found == []
    else:
        assert found[0].startswith(f"{len(expected)} of {len(planned)} planned frames are missing")
