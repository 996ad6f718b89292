"""Sequences of the kinds that public projects test and document, on the real engine.

The events of a run are the truth: each frame is stored once, at the index of its event, with the
pixels that the engine delivered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import useq
from pymmcore_plus import CMMCorePlus

import pymmcore_ome as po
from helpers import index_of, listening

Z3 = {"range": 2, "step": 1}
Z_HIGH = {"top": 60, "bottom": 58, "step": 1}
GRID = {"rows": 2, "columns": 2}
EDGES = {"top": 1, "bottom": -1, "left": 0, "right": 0, "fov_width": 1, "fov_height": 1}
LINE = {"rows": 1, "columns": 2}
TWICE = {"interval": 0, "loops": 2}
AUTOFOCUS = {"autofocus_motor_offset": 25, "autofocus_device_name": "Z"}
LIKE_POLYGON = {"vertices": [(0, 0), (3, 0), (3, 2), (0, 2)], "fov_width": 2, "fov_height": 2}
WELLS = {"plate": 96, "a1_center_xy": (0, 0), "selected_wells": ([0, 1], [0, 1])}


def own(sequence: dict[str, Any], **position: Any) -> dict[str, Any]:
    """A position with a sequence of its own."""
    return {**position, "sequence": sequence}


#: Of sub-sequences first, then of axes and plans, then as users of a microscope write them.
SEQUENCES: dict[str, dict[str, Any]] = {
    "channel only in a position": {"stage_positions": [{}, own({"channels": ["FITC"]})]},
    "other channel in a position": {
        "stage_positions": [{}, own({"channels": ["FITC"]})], "channels": ["Rhodamine"],
    },
    "stack in a position": {
        "stage_positions": [{}, own({"z_plan": Z_HIGH})], "channels": ["Rhodamine"],
    },
    "grid only in a position": {
        "stage_positions": [{"x": 0, "y": 0}, own({"grid_plan": GRID}, x=10, y=10)]
    },
    "edges in a position, grid for all": {
        "stage_positions": [{"x": 0, "y": 0}, own({"grid_plan": EDGES}, name="name")],
        "grid_plan": GRID,
    },
    "grid in a position, edges for all": {
        "stage_positions": [{}, own({"grid_plan": GRID}, name="name", x=10, y=10)],
        "grid_plan": EDGES,
    },
    "three grids": {
        "stage_positions": [
            own({"grid_plan": LINE}), own({"grid_plan": GRID}), own({"grid_plan": EDGES}),
        ]
    },
    "absolute stack in a position, relative for all": {
        "stage_positions": [{"z": 0}, own({"z_plan": Z_HIGH}, name="name")],
        "z_plan": {"range": 3, "step": 1},
    },
    "two times in a position": {
        "stage_positions": [{}, own({"time_plan": TWICE})], "channels": ["Rhodamine", "FITC"],
    },
    "everything in a position": {
        "axis_order": "tpgcz",
        "stage_positions": [
            (10, 20, 0),
            own(
                {"channels": ["FITC"], "z_plan": Z_HIGH, "grid_plan": LINE, "time_plan": TWICE},
                x=1, y=2, z=3, name="all",
            ),
        ],
        "channels": ["Rhodamine"],
    },
    "channels before positions": {
        "axis_order": "tcpz", "stage_positions": [(0, 0, 0), (10, 20, 10)],
        "channels": ["Rhodamine", "FITC"], "z_plan": Z3, "time_plan": TWICE,
    },
    "planes before channels": {
        "axis_order": "tpzc", "channels": ["DAPI", {"config": "FITC", "do_stack": False}],
        "z_plan": Z3, "time_plan": TWICE,
    },
    "channel of every third time": {
        "channels": ["Rhodamine", {"config": "FITC", "acquire_every": 3}],
        "time_plan": {"interval": 0, "loops": 5},
    },
    "channel offset on an absolute stack": {
        "channels": [{"config": "Rhodamine", "z_offset": 2}, "FITC"],
        "z_plan": {"absolute": [0, 0.5, 5]},
    },
    "uneven stack from the top": {
        "z_plan": {"relative": [0, 0.5, 5], "go_up": False}, "stage_positions": [(0, 0, 20)]
    },
    "two phases of time": {
        "time_plan": [{"interval": 0, "loops": 2}, {"interval": 0, "loops": 3}],
        "channels": ["DAPI"],
    },
    "autofocus at each position": {
        "stage_positions": [{"z": 30}, own({"autofocus_plan": {**AUTOFOCUS, "axes": ("c",)}}, z=9)],
        "channels": ["DAPI", "FITC"],
    },
    "snake of overlapping tiles": {
        "grid_plan": {"rows": 2, "columns": 3, "mode": "row_wise_snake", "overlap": (10, 20),
                      "fov_width": 10, "fov_height": 10},
        "channels": ["DAPI"], "z_plan": Z3,
    },
    "spiral": {"grid_plan": {"rows": 3, "columns": 3, "mode": "spiral"}},
    "polygon": {"grid_plan": LIKE_POLYGON, "channels": ["DAPI", "FITC"]},
    "random points": {
        "grid_plan": {"num_points": 4, "random_seed": 3, "max_width": 100, "max_height": 100}
    },
    "wells with a grid each": {
        "stage_positions": {**WELLS, "well_points_plan": {**GRID, "fov_width": 9, "fov_height": 9}},
        "channels": ["DAPI"], "time_plan": TWICE,
    },
    "wells with random points": {
        "stage_positions": {
            **WELLS, "rotation": 3,
            "well_points_plan": {"num_points": 2, "random_seed": 1, "max_width": 99,
                                 "max_height": 99},
        },
        "z_plan": Z3,
    },
    "positions named by well": {
        "stage_positions": [
            {"x": 0, "y": 0, "name": "A1_000", "plate_row": 0, "plate_col": 0},
            {"x": 9, "y": 0, "name": "A2_000", "plate_row": 0, "plate_col": 1},
        ],
        "channels": ["DAPI"],
    },
    "shutter open across stacks": {
        "keep_shutter_open_across": ("z", "c"), "z_plan": Z3, "channels": ["DAPI", "FITC"],
    },
    "light sheet of two channels": {
        "axis_order": "pgtzc", "time_plan": TWICE, "z_plan": {"above": 2, "below": 1, "step": 0.5},
        "channels": [{"config": "DAPI", "exposure": 1}, {"config": "FITC", "exposure": 2}],
        "stage_positions": [{"x": 1, "y": 2, "name": "fish/1"}, {"x": 3, "y": 4, "name": "fish/1"}],
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Position x=.*is ignored", "ignore:Global grid plan")
@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tiff"])
@pytest.mark.parametrize("name", SEQUENCES)
def test_public_sequence_is_saved_frame_for_frame(
    core: CMMCorePlus, tmp_path: Path, name: str, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    core.setROI(0, 0, 32, 16)
    sequence = useq.MDASequence(**SEQUENCES[name])
    with po.install(core), listening(core) as got:
        core.mda.run(sequence, output=path)
    # the engine has put the camera's field of view into grids
    planned = [event for event in sequence if isinstance(event.action, useq.AcquireImage)]
    assert [index_of(event) for _, event, _ in got] == [index_of(event) for event in planned]
    assert po.validate(path, pixels=True) == []
    dataset = po.open_dataset(path)
    assert dataset.status == "complete"
    rows = dataset.frames()
    assert [row["event_index"] for row in rows] == [index_of(event) for event in planned]
    places = {(row["image"], tuple(row["index"])) for row in rows}
    assert len(places) == len(planned)
    images = {image.path: image for image in dataset.images}
    for row, (pixels, event, _) in zip(rows, got, strict=True):
        image = images[row["image"]]
        np.testing.assert_array_equal(image[tuple(row["index"])], pixels)
        if event.channel is not None:
            assert row["channel"] == event.channel.config
        if event.x_pos is not None and not SEQUENCES[name].get("time_plan"):
            assert row["x_um"] == pytest.approx(event.x_pos, abs=0.02)
