"""Every frame of every sequence lands at its event's image and index, and nothing else does.

The truth is `list(sequence)` (see `oracle.py`); pixels are written to disk and read back by
zarr-python.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import useq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import pymmcore_ome as po
from corpus import CORPUS
from helpers import read_by_zarr
from oracle import expected_places, frames_of, plain_index
from pymmcore_ome import Camera, FrameRouter, errors

CAMERA = Camera("Camera", 2, 3, "uint16")
USEQ_ERRORS = (LookupError, ArithmeticError, ValueError, TypeError)

pytestmark = pytest.mark.filterwarnings(
    "ignore:Position x=.*is ignored", "ignore:Global grid plan", "ignore:Unable to generate",
    "ignore:Channels with skipped frames", "ignore:.*start_at is greater",
)  # fmt: skip


def frame(number: int) -> np.ndarray:
    """A frame that says its number in every pixel; never zero."""
    return np.full((2, 3), number + 1, "uint16")


def check(sequence: useq.MDASequence, folder: Path, by_index: bool) -> None:
    """Write every frame of the sequence, by index or by arrival, and compare what is on disk."""
    schema = po.schema_from_useq(sequence, cameras=[CAMERA])
    try:
        events = frames_of(sequence)
    except USEQ_ERRORS as error:
        pytest.fail(f"useq raises {error!r}, but the schema was made")
    places = expected_places(events)
    router = FrameRouter(schema)
    check_router(router, events, places)
    check_coordinates(router, events)

    path = Path(mkdtemp(dir=folder)) / "a.ome.zarr"  # to delete the last one takes longer
    compression = None if by_index else "zstd"
    with po.open_stream(path, schema, compression=compression) as stream:
        for number, event in enumerate(events):
            stream.append(frame(number), at=event.index if by_index else None)
        with pytest.raises(errors.PlanFullError):
            stream.append(frame(len(events)))
    assert po.validate(path) == []

    dataset = po.open_dataset(path)
    expected = {image.path: np.zeros(image.shape, "uint16") for image in dataset.images}
    for number, (image_number, place) in enumerate(places):
        image = dataset.images[image_number]
        at = tuple(place.get(axis, 0) for axis in image.axes[:-2])
        expected[image.path][at] = frame(number)
    for image in dataset.images:
        np.testing.assert_array_equal(read_by_zarr(path, image.path), expected[image.path])
    rows = dataset.frames()
    assert [row["event_index"] for row in rows] == [plain_index(event) for event in events]
    assert [row["image"] for row in rows] == [dataset.images[n].path for n, _ in places]


def check_router(router: FrameRouter, events: list[Any], places: list[Any]) -> None:
    """Assert the addresses by arrival and by index, and what each image says of its events."""
    images = router.layout.images
    by_arrival = list(router)
    assert len(by_arrival) == len(router) == len(events)
    assert len(set(by_arrival)) == len(events), "no two frames share a place"
    for event, address, (number, place) in zip(events, by_arrival, places, strict=True):
        image = images[address.image_number]
        stored = dict(zip(image.axis_names, address.index, strict=False))
        assert address.image_number == number
        assert address.image == image.path
        assert all(stored.get(axis, 0) == value for axis, value in place.items())
        assert all(place.get(axis, 0) == value for axis, value in stored.items())
        first = router.by_index(event.index)
        assert any(router.repeated(first, k) == address for k in range(router.repeats(first)))
        if event.channel is not None:
            channel = image.channels[stored["c"]]
            assert (channel.name, channel.group or "Channel") == (
                event.channel.config, event.channel.group,
            )  # fmt: skip
        assert event.pos_name is None or image.label.startswith(event.pos_name)
    names = [image.name.casefold() for image in images]
    assert len(set(names)) == len(names)
    visited = {number for number, _ in places}
    assert visited == set(range(len(images))) or not events


def check_coordinates(router: FrameRouter, events: list[Any]) -> None:
    """Assert that x, y and z of every image are those of its events."""
    by_offset = any(
        channel.z_offset_um for image in router.layout.images for channel in image.channels
    )
    for event, address in zip(events, router, strict=True):
        image = router.layout.images[address.image_number]
        at = image.position
        if at.x_um is not None or at.y_um is not None:  # unknown for points drawn at random
            assert (at.x_um, at.y_um) == (
                pytest.approx(event.x_pos), pytest.approx(event.y_pos),
            )  # fmt: skip
        if by_offset or event.z_pos is None:
            continue
        if "z" not in image.axis_names:
            assert at.z_um == pytest.approx(event.z_pos)
            continue
        number = image.axis_names.index("z")
        axis, index = image.axes[number], address.index[number]
        if axis.coords is not None:
            found = float(axis.coords[index]) + (at.z_um or 0)
        else:
            found = (axis.origin or 0) + (axis.scale or 0) * index + (at.z_um or 0)
        assert found == pytest.approx(event.z_pos), (image.name, event.index)


@pytest.mark.parametrize("by_index", [True, False], ids=["index", "arrival"])
@pytest.mark.parametrize("name", CORPUS)
def test_named_sequence_lands_in_the_right_place(name: str, tmp_path: Path, by_index: bool) -> None:
    sequence = CORPUS[name]()
    try:
        list(CORPUS[name]())
    except USEQ_ERRORS:
        with pytest.raises(errors.SequenceError) as caught:
            po.schema_from_useq(sequence, cameras=[CAMERA])
        assert len(str(caught.value)) > 60, "the error says which plan, and what to do"
        return
    check(sequence, tmp_path, by_index)


def test_corpus_is_large_and_each_refusal_names_its_plan() -> None:
    assert len(CORPUS) >= 130
    for name, words in {
        "divides by zero": "time_plan",
        "one loop in a duration": "time_plan",
        "sub divides by zero": r"stage_positions\[0\].sequence.time_plan",
        "do_stack false, z not in axis_order": "do_stack=False",
        "do_stack false, z empty": "do_stack=False",
        "keep_shutter_open p and z, jagged": "keep_shutter_open_across",
        "autofocus, more planes in a sub": "autofocus_plan cannot be iterated",
    }.items():
        with pytest.raises(errors.SequenceError, match=words):
            po.schema_from_useq(CORPUS[name](), cameras=[CAMERA])


@pytest.mark.parametrize("is_set_up", [False, True])
@pytest.mark.parametrize("name", [name for name in CORPUS if "autofocus" in name])
def test_looking_at_a_sequence_does_not_steal_its_autofocus(name: str, is_set_up: bool) -> None:
    try:
        expected = [type(event.action).__name__ for event in CORPUS[name]()]
    except USEQ_ERRORS:
        return
    sequence = CORPUS[name]()
    for _ in range(2):
        po.schema_from_useq(sequence, cameras=[CAMERA], is_set_up=is_set_up)
    assert [type(event.action).__name__ for event in sequence] == expected


TIMES = st.sampled_from(
    [
        None,
        {"interval": 0, "loops": 1},
        {"interval": 1.0, "loops": 2},
        {"interval": 0, "loops": 3},
        {"duration": 1.0, "interval": 0.5},
        [{"interval": 1.0, "loops": 2}, {"interval": 3.0, "loops": 2}],
        {"interval": 0, "duration": 1},
    ]
)
STACKS = st.sampled_from(
    [
        None,
        {"range": 1.0, "step": 1.0},
        {"range": 2.3, "step": 1.0},
        {"range": 0.3, "step": 1.0},
        {"above": 1.0, "below": 0.0, "step": 0.5, "go_up": False},
        {"top": 4.0, "bottom": 2.0, "step": 1.0},
        {"relative": [0.0, 3.0]},
        {"absolute": [7.0]},
        {"relative": []},
    ]
)
GRIDS = st.sampled_from(
    [
        None,
        None,
        {"rows": 1, "columns": 2},
        {"rows": 2, "columns": 2, "mode": "spiral"},
        {"top": 12, "left": 0, "bottom": 0, "right": 15, "fov_width": 10, "fov_height": 10},
        {"num_points": 2, "random_seed": 3, "max_width": 9},
        {"num_points": 2, "max_width": 9},
    ]
)
CHANNELS = st.lists(
    st.builds(
        useq.Channel,
        config=st.sampled_from(["DAPI", "FITC"]),
        group=st.sampled_from(["Channel", "Channel", "Other"]),
        do_stack=st.sampled_from([True, True, False]),
        acquire_every=st.sampled_from([1, 1, 2]),
        z_offset=st.sampled_from([0.0, 1.5]),
    ),
    max_size=2,
)
AUTOFOCUS = st.sampled_from(
    [None, None, None, {"autofocus_device_name": "Z", "autofocus_motor_offset": 1, "axes": ("p",)}]
)
ORDERS = st.permutations("tpgcz").flatmap(
    lambda letters: st.sampled_from(["".join(letters), "".join(letters), "".join(letters[:3])])
)


@st.composite
def subs(draw: st.DrawFn) -> useq.MDASequence | None:
    if draw(st.integers(0, 2)) == 0:
        return None
    plans = draw(st.sets(st.sampled_from(["t", "z", "c", "g"]), max_size=2))
    return useq.MDASequence(
        axis_order=draw(ORDERS),
        time_plan=draw(TIMES) if "t" in plans else None,
        z_plan=draw(STACKS) if "z" in plans else None,
        grid_plan=draw(GRIDS) if "g" in plans else None,
        channels=draw(CHANNELS) if "c" in plans else [],
        autofocus_plan=draw(AUTOFOCUS),
        metadata=draw(st.sampled_from([{}, {"a": 1}])),
    )


@st.composite
def positions(draw: st.DrawFn) -> Any:
    if draw(st.integers(0, 5)) == 0:
        return useq.WellPlatePlan(
            plate=24,
            a1_center_xy=(0, 0),
            selected_wells=draw(st.sampled_from([([0, 1], [0, 1]), ([2, 0, 2], [1, 1, 1])])),
            well_points_plan=draw(
                st.sampled_from([{"rows": 1, "columns": 2}, {"num_points": 2}, {"x": 1}])
            ),
        )
    return [
        useq.Position(
            x=draw(st.sampled_from([None, 0.0, 5.0])),
            y=draw(st.sampled_from([None, 2.0])),
            z=draw(st.sampled_from([None, 1.0])),
            name=draw(st.sampled_from([None, "a", "A", "b/c"])),
            plate_row=draw(st.sampled_from([None, 0, 1])),
            plate_col=draw(st.sampled_from([None, 0, 1])),
            sequence=draw(subs()),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]


@st.composite
def sequences(draw: st.DrawFn) -> useq.MDASequence | None:
    """Anything that useq accepts; None where its own validation refuses the draw."""
    try:
        return useq.MDASequence(
            axis_order=draw(ORDERS),
            time_plan=draw(TIMES),
            z_plan=draw(STACKS),
            grid_plan=draw(GRIDS),
            channels=draw(CHANNELS),
            stage_positions=draw(positions()),
            autofocus_plan=draw(AUTOFOCUS),
            keep_shutter_open_across=draw(st.sampled_from(["", "", "z", "tp", "pz"])),
        )
    except (ValidationError, ValueError):
        return None


def independent(sequence: useq.MDASequence) -> useq.MDASequence:
    """A copy that shares neither useq's caches nor the memory of its autofocus plans."""
    copy = sequence.model_copy(deep=True)
    copy._uid = uuid4()
    return copy


def check_random(sequence: useq.MDASequence | None, folder: Path, by_index: bool) -> None:
    if sequence is None:
        return
    try:
        list(independent(sequence))
    except USEQ_ERRORS:
        with pytest.raises(errors.SequenceError):
            po.schema_from_useq(sequence, cameras=[CAMERA])
        return
    check(sequence, folder, by_index)


QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@settings(max_examples=250, suppress_health_check=QUIET)
@given(sequence=sequences(), by_index=st.booleans())
def test_random_sequence_lands_in_the_right_place(
    sequence: useq.MDASequence | None, by_index: bool, tmp_path: Path
) -> None:
    check_random(sequence, tmp_path, by_index)


@pytest.mark.deep
@pytest.mark.parametrize("part", range(4))  # side by side
@settings(max_examples=500, suppress_health_check=QUIET)
@given(sequence=sequences(), by_index=st.booleans())
def test_many_random_sequences_land_in_the_right_place(
    sequence: useq.MDASequence | None, by_index: bool, tmp_path: Path, part: int
) -> None:
    check_random(sequence, tmp_path, by_index)


@pytest.mark.slow
@settings(max_examples=20_000, suppress_health_check=QUIET)
@given(sequence=sequences(), by_index=st.booleans())
def test_thousands_of_random_sequences_land_in_the_right_place(
    sequence: useq.MDASequence | None, by_index: bool, tmp_path: Path
) -> None:
    check_random(sequence, tmp_path, by_index)
