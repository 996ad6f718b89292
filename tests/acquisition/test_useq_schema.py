"""The adapter, against the truth of useq: `list(sequence)`."""

from __future__ import annotations

from typing import Any

import pytest
import useq
from hypothesis import given, settings
from hypothesis import strategies as st

import pymmcore_ome as po
from pymmcore_ome import Camera, Dimension, FrameRouter, errors
from pymmcore_ome.acquisition.useq.grid import grid_parts, is_loop_nest
from pymmcore_ome.acquisition.useq.plans import Parts
from pymmcore_ome.acquisition.useq.walk import walked_parts

CAMERA = Camera("Camera", 6, 8, "uint16")


def schema_of(sequence: useq.MDASequence, **options: Any) -> po.StorageSchema:
    # a copy: the user's own object must not be listed before the engine has set it up
    return po.schema_from_useq(sequence.model_copy(deep=True), cameras=[CAMERA], **options)


@st.composite
def rectangular(draw: st.DrawFn) -> useq.MDASequence:
    """Any sequence that is one loop nest."""
    fields: dict[str, Any] = {"axis_order": draw(st.permutations("tpgcz"))}
    if draw(st.booleans()):
        fields["channels"] = draw(
            st.lists(st.sampled_from(["DAPI", "FITC", "Cy5"]), min_size=1, max_size=3)
        )
    if draw(st.booleans()):
        fields["stage_positions"] = draw(
            st.lists(
                st.builds(
                    useq.Position,
                    x=st.sampled_from([None, 0.0, 10.0]),
                    y=st.sampled_from([None, -3.0]),
                    z=st.sampled_from([None, 5.0]),
                    name=st.sampled_from([None, "a", "b", "../evil", "OME"]),
                ),
                min_size=1,
                max_size=3,
            )
        )
    elif draw(st.booleans()):
        fields["stage_positions"] = useq.WellPlatePlan(
            plate=24,
            a1_center_xy=(100, 50),
            selected_wells=([0, 2, 1], [0, 1, 3]),
            well_points_plan={"rows": 1, "columns": draw(st.integers(1, 2))},
        )
    fields["z_plan"] = draw(
        st.sampled_from(
            [
                None,
                {"range": 2.0, "step": 1.0},
                {"range": 2.3, "step": 1.0},
                {"above": 1.0, "below": 3.0, "step": 2.0, "go_up": False},
                {"top": 5.0, "bottom": 2.0, "step": 1.0},
                {"relative": [0.0, 1.0, 7.0]},
                {"absolute": [3.0]},
            ]
        )
    )
    fields["time_plan"] = draw(
        st.sampled_from(
            [
                None,
                {"interval": 1.0, "loops": 3},
                {"interval": 0, "loops": 2},
                {"duration": 3.0, "interval": 1.5},
                [{"interval": 1.0, "loops": 2}, {"interval": 5.0, "loops": 3}],
            ]
        )
    )
    fields["grid_plan"] = draw(
        st.sampled_from(
            [
                None,
                {"rows": 2, "columns": 2, "fov_width": 10, "fov_height": 10},
                {"top": 20, "left": 0, "bottom": 0, "right": 25, "fov_width": 10, "fov_height": 10},
                {"num_points": 3, "random_seed": 4, "max_width": 50, "max_height": 50},
            ]
        )
    )
    if not isinstance(fields.get("stage_positions"), useq.WellPlatePlan):
        fields["autofocus_plan"] = None
    return useq.MDASequence(**fields)


@pytest.mark.filterwarnings("ignore:Position x=.*is ignored")
@pytest.mark.filterwarnings("ignore:Global grid plan will override")
@settings(max_examples=200)
@given(rectangular())
def test_every_event_of_a_rectangular_sequence_has_its_own_place(
    sequence: useq.MDASequence,
) -> None:
    events = list(sequence)
    router = FrameRouter(schema_of(sequence))
    images = router.layout.images
    assert len(router) == len(events)
    if not events:
        return
    visits: dict[tuple[Any, Any], int] = {}
    for event, by_arrival in zip(events, router, strict=True):
        index = {str(k): v for k, v in event.index.items()}
        address = router.by_index(event.index)
        assert address == by_arrival
        number = visits.setdefault((index.get("p"), index.get("g")), len(visits))
        assert address.image_number == number, "images come in order of first visit"
        image = images[number]
        stored = dict(zip(image.axis_names, address.index, strict=False))
        assert stored == {k: v for k, v in index.items() if k in "tcz"}
        assert image.position.x_um == pytest.approx(event.x_pos)
        assert image.position.y_um == pytest.approx(event.y_pos)
        if event.channel is not None:
            assert image.channels[index["c"]].name == event.channel.config
        check_coordinate(image, "z", index.get("z"), event.z_pos, image.position.z_um)
        check_coordinate(image, "t", index.get("t"), event.min_start_time, 0)
    assert len({image.name.casefold() for image in images}) == len(visits)


def check_coordinate(
    image: Any, name: str, index: int | None, asked: float | None, base: float | None
) -> None:
    if index is None or asked is None:
        return
    axis = next(a for a in image.axes if a.name == name)
    if axis.coords is not None:
        assert axis.coords[index] + (base or 0) == pytest.approx(asked)
    elif axis.scale is not None:
        assert (axis.origin or 0) + axis.scale * index + (base or 0) == pytest.approx(asked)
    else:
        assert asked == (axis.origin or 0) + (base or 0)


Z = {"range": 2, "step": 1}


@pytest.mark.filterwarnings("ignore:Position x=.*is ignored")
@pytest.mark.filterwarnings("ignore:Global grid plan will override")
@pytest.mark.filterwarnings("ignore:Channels with skipped frames")
@settings(max_examples=200)
@given(rectangular(), st.data())
def test_arithmetic_and_walk_lead_to_the_same_places(
    sequence: useq.MDASequence, data: st.DataObject
) -> None:
    every = data.draw(st.integers(1, 3))
    stack = data.draw(st.booleans()) or not sequence.z_plan or not list(sequence.z_plan)
    if sequence.channels:
        sparse = sequence.channels[-1].replace(acquire_every=every, do_stack=stack)
        sequence = sequence.replace(channels=[*sequence.channels[:-1], sparse])
    assert is_loop_nest(sequence)
    grid, walked = (
        FrameRouter(_as_schema(parts(sequence.model_copy(deep=True))))
        for parts in (grid_parts, walked_parts)
    )
    assert list(grid) == list(walked)
    assert len(grid) == len(walked)
    for number, address in enumerate(grid):
        assert grid.by_number(number) == walked.by_number(number) == address
    if len(grid) == 0:
        return
    seen = {address.image_number for address in grid}
    assert seen == set(range(len(walked.layout.images)))
    for one, other in zip(grid.layout.images, walked.layout.images, strict=False):
        assert (one.path, one.name, one.label, one.shape) == (
            other.path, other.name, other.label, other.shape,
        )  # fmt: skip
        assert one.axes == other.axes
        assert [c.name for c in one.channels] == [c.name for c in other.channels]
        assert (one.position.z_um, one.well) == (other.position.z_um, other.well)
        assert one.position.x_um == pytest.approx(other.position.x_um)


def _as_schema(parts: Parts) -> po.StorageSchema:
    return po.StorageSchema(
        dimensions=(*parts.dimensions, Dimension(name="y", size=6), Dimension(name="x", size=8)),
        dtype="uint16", plate=parts.plate, images=parts.images, order=parts.order,
    )  # fmt: skip


def test_user_names_are_kept_beside_safe_ones() -> None:
    sequence = useq.MDASequence(
        stage_positions=[useq.Position(x=0, name=n) for n in ("../evil", "a/b", "OME", "5 µM")]
    )
    images = FrameRouter(schema_of(sequence)).layout.images
    assert [i.label for i in images] == ["../evil", "a/b", "OME", "5 µM"]
    assert [i.path for i in images] == ["0", "1", "2", "3"]
    assert all("/" not in i.name and i.name != "OME" for i in images)


def test_downward_stack_has_a_negative_step() -> None:
    sequence = useq.MDASequence(z_plan={"top": 4, "bottom": 0, "step": 2, "go_up": False})
    z = FrameRouter(schema_of(sequence)).layout.images[0].axes[0]
    assert (z.scale, z.origin) == (-2, 4)


def test_plain_positions_form_a_plate_when_each_names_its_well() -> None:
    positions = [useq.Position(x=0, plate_row=r, plate_col=c) for r, c in [(0, 1), (27, 2)]]
    found = schema_of(useq.MDASequence(stage_positions=positions))
    assert found.plate is not None
    assert found.plate.rows[-1] == "AB"
    assert [i.path for i in FrameRouter(found).layout.images] == ["A/2/0", "AB/3/0"]
    with pytest.raises(errors.SchemaError):
        po.Position(plate_row="A")
    partly = [*positions, useq.Position(x=1)]
    assert schema_of(useq.MDASequence(stage_positions=partly)).plate is None


@pytest.mark.parametrize(
    ("cameras", "words"),
    [
        ([], "at least one"),
        ([CAMERA, "d"], "Camera objects"),
    ],
)
def test_what_is_no_camera_is_refused(cameras: list[Any], words: str) -> None:
    with pytest.raises(errors.SequenceError, match=words):
        po.schema_from_useq(useq.MDASequence(channels=["a"]), cameras=cameras)


def test_a_regular_sequence_is_laid_out_without_walking_it() -> None:
    class Unwalkable(useq.MDASequence):
        def iter_events(self) -> Any:
            raise AssertionError("the events must not be iterated")

    sequence = Unwalkable(
        time_plan={"interval": 0, "loops": 100_000}, channels=["a", "b"], z_plan=Z,
        stage_positions=[(0, 0, 0), (1, 1, 1)],
    )  # fmt: skip
    router = FrameRouter(schema_of(sequence))
    assert len(router) == 1_200_000
    assert router.by_number(1_199_999).index == (99_999, 1, 2)


def test_plan_that_axis_order_leaves_out_lends_no_coordinates() -> None:
    sub = useq.MDASequence(time_plan={"interval": 5, "loops": 2}, channels=["DAPI"], axis_order="c")
    sequence = useq.MDASequence(
        time_plan={"interval": 0.2, "loops": 2},
        stage_positions=[useq.Position(x=0, y=0, sequence=sub)],
    )
    assert FrameRouter(schema_of(sequence)).layout.images[0].axes[0].scale == 0.2


def test_sparse_position_keeps_the_coordinates_of_its_plan() -> None:
    sub = useq.MDASequence(
        channels=[{"config": "a", "do_stack": False}], z_plan={"range": 3, "step": 1}
    )
    sequence = useq.MDASequence(
        z_plan={"range": 20, "step": 10},
        stage_positions=[useq.Position(x=0, y=0, z=0, sequence=sub)],
    )
    z = FrameRouter(schema_of(sequence)).layout.images[0].axes[1]
    event = next(e for e in sequence if e.index["z"] == 2)
    assert (z.origin or 0) + 2 * (z.scale or 0) == event.z_pos


def test_grid_of_a_position_is_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    listings = 0
    original = useq.GridRowsColumns.__iter__

    def counted(self: Any) -> Any:
        nonlocal listings
        listings += 1
        return original(self)

    monkeypatch.setattr(useq.GridRowsColumns, "__iter__", counted)
    sub = useq.MDASequence(grid_plan={"rows": 9, "columns": 9})
    sequence = useq.MDASequence(stage_positions=[useq.Position(x=0, sequence=sub)])
    assert len(FrameRouter(schema_of(sequence))) == 81
    assert listings <= 3
