"""Named sequences, at least one for each thing that useq can express and each of its traps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import useq
from useq import MDASequence as Seq
from useq import Position as Pos

T = {"interval": 1.0, "loops": 3}
Z = {"range": 2.0, "step": 1.0}
C = ["DAPI", "FITC"]
P = [(0, 0, 0), (10, 5, 1)]
G = {"rows": 2, "columns": 2}
FOV = {"fov_width": 10, "fov_height": 8}
EDGES = {"top": 20, "left": 0, "bottom": 0, "right": 25, **FOV}
POLYGON = {"vertices": [(0, 0), (30, 0), (30, 10), (0, 40)], **FOV}
AF = {"autofocus_device_name": "Z", "autofocus_motor_offset": 25, "axes": ("p",)}
PLATE = {"plate": 24, "a1_center_xy": (100, 50)}


def sub(**fields: Any) -> Pos:
    """A position with a sequence of its own."""
    return Pos(x=3, y=4, z=5, name="sub", sequence=Seq(**fields))


def plate(**fields: Any) -> useq.WellPlatePlan:
    return useq.WellPlatePlan(**{**PLATE, **fields})


CORPUS: dict[str, Callable[[], Seq]] = {
    "empty": Seq,
    "one position": lambda: Seq(stage_positions=[(1, 2, 3)]),
    "one channel": lambda: Seq(channels=["DAPI"]),
    "one plane": lambda: Seq(z_plan={"absolute": [3.0]}),
    "time": lambda: Seq(time_plan=T),
    "time without interval": lambda: Seq(time_plan={"interval": 0, "loops": 4}),
    "time by duration": lambda: Seq(time_plan={"duration": 3, "interval": 1}),
    "time by duration and loops": lambda: Seq(time_plan={"duration": 3, "loops": 4}),
    "time in two phases": lambda: Seq(time_plan=[T, {"interval": 5, "loops": 2}]),
    "time in three phases": lambda: Seq(time_plan=[T, {"interval": 5, "loops": 2}, T]),
    "time in no phases": lambda: Seq(time_plan=[], channels=C),
    "time of zero duration": lambda: Seq(time_plan={"duration": 0, "interval": 1}, channels=C),
    "z range": lambda: Seq(z_plan=Z),
    "z downwards": lambda: Seq(z_plan={**Z, "go_up": False}),
    "z top and bottom": lambda: Seq(z_plan={"top": 5, "bottom": 1, "step": 2}, stage_positions=P),
    "z fractional": lambda: Seq(z_plan={"range": 2.3, "step": 1.0}, channels=C),
    "z above below": lambda: Seq(z_plan={"above": 3, "below": 1, "step": 0.5}),
    "z relative, uneven": lambda: Seq(z_plan={"relative": [0, 1, 5]}, stage_positions=P),
    "z absolute, uneven": lambda: Seq(z_plan={"absolute": [10, 12, 30]}, stage_positions=P),
    "z step zero": lambda: Seq(z_plan={"range": 4, "step": 0}, channels=C),
    "z empty list": lambda: Seq(z_plan={"relative": []}, channels=C),
    "z not in axis_order": lambda: Seq(axis_order="tc", z_plan=Z, channels=C),
    "channels not in axis_order": lambda: Seq(axis_order="tz", z_plan=Z, channels=C),
    "channel offset": lambda: Seq(channels=["a", {"config": "b", "z_offset": 3}], z_plan=Z),
    "duplicate channels": lambda: Seq(channels=["DAPI", "DAPI"], z_plan=Z),
    "one config in two groups": lambda: Seq(
        channels=[{"config": "DAPI"}, {"config": "DAPI", "group": "Other"}]
    ),
    "do_stack false": lambda: Seq(channels=["a", {"config": "b", "do_stack": False}], z_plan=Z),
    "do_stack false, all": lambda: Seq(channels=[{"config": "b", "do_stack": False}], z_plan=Z),
    "do_stack false, z outer": lambda: Seq(
        axis_order="zc", channels=["a", {"config": "b", "do_stack": False}], z_plan=Z
    ),
    "do_stack false, fractional z": lambda: Seq(
        channels=["a", {"config": "b", "do_stack": False}], z_plan={"range": 2.3, "step": 1}
    ),
    "do_stack false, never acquired": lambda: Seq(
        channels=["a", {"config": "b", "do_stack": False}], z_plan={"range": 0.3, "step": 1}
    ),
    "do_stack false without z": lambda: Seq(channels=["a", {"config": "b", "do_stack": False}]),
    "acquire_every": lambda: Seq(
        channels=["a", {"config": "b", "acquire_every": 2}], time_plan={"interval": 0, "loops": 5}
    ),
    "acquire_every without time": lambda: Seq(channels=["a", {"config": "b", "acquire_every": 3}]),
    "acquire_every beyond the end": lambda: Seq(
        channels=["a", {"config": "b", "acquire_every": 9}], time_plan=T, stage_positions=P
    ),
    "acquire_every and do_stack": lambda: Seq(
        channels=["a", {"config": "b", "acquire_every": 2, "do_stack": False}],
        time_plan=T, z_plan=Z, stage_positions=P,
    ),
    "first channel sparse": lambda: Seq(
        channels=[{"config": "b", "acquire_every": 2}, "a"], time_plan=T
    ),
    "grid": lambda: Seq(grid_plan=G),
    "grid spiral": lambda: Seq(grid_plan={**G, "mode": "spiral"}, channels=C),
    "grid width height": lambda: Seq(grid_plan={"width": 25, "height": 20, **FOV}),
    "grid from edges": lambda: Seq(grid_plan=EDGES, channels=C),
    "grid from edges over positions": lambda: Seq(
        grid_plan=EDGES, stage_positions=[Pos(z=1), Pos(z=2)]
    ),
    "grid from polygon": lambda: Seq(grid_plan=POLYGON, z_plan=Z),
    "grid as one relative position": lambda: Seq(grid_plan={}, channels=C),
    "grid over positions": lambda: Seq(grid_plan=G, stage_positions=P, channels=C),
    "random seeded": lambda: Seq(
        grid_plan={"num_points": 4, "random_seed": 2, "max_width": 50, "max_height": 50}
    ),
    "random unseeded": lambda: Seq(
        grid_plan={"num_points": 4, "max_width": 50, "max_height": 50}, channels=C
    ),
    "random without overlap": lambda: Seq(
        grid_plan={"num_points": 30, "random_seed": 1, "max_width": 25, "max_height": 25,
                   "allow_overlap": False, **FOV}
    ),
    "random unseeded without overlap": lambda: Seq(
        grid_plan={"num_points": 30, "max_width": 25, "max_height": 25,
                   "allow_overlap": False, **FOV},
        stage_positions=P,
    ),
    "autofocus": lambda: Seq(stage_positions=P, channels=C, autofocus_plan=AF),
    "autofocus by channel": lambda: Seq(
        stage_positions=P, channels=C, time_plan=T, autofocus_plan={**AF, "axes": ("p", "t")}
    ),
    "keep_shutter_open z": lambda: Seq(keep_shutter_open_across="z", z_plan=Z, channels=C),
    "keep_shutter_open all": lambda: Seq(
        keep_shutter_open_across="tpcz", z_plan=Z, channels=C, stage_positions=P, time_plan=T
    ),
    "keep_shutter_open, jagged": lambda: Seq(
        keep_shutter_open_across="z", channels=C, stage_positions=[(0, 0, 0), sub(z_plan=Z)]
    ),
    "setup event": lambda: Seq(setup={"exposure": 5}, channels=C),
    "positions of one name": lambda: Seq(stage_positions=[Pos(x=n, name="a") for n in range(3)]),
    "positions with colliding names": lambda: Seq(
        stage_positions=[Pos(x=0, name=n) for n in ("a", "A", "a_1", "a", None, "Pos4")]
    ),
    "positions with hostile names": lambda: Seq(
        stage_positions=[Pos(x=0, name=n) for n in ("../evil", "a/b", "OME", "", " ", "con", "0")]
    ),
    "position without coordinates": lambda: Seq(stage_positions=[Pos(), Pos(z=3)], z_plan=Z),
    "position properties": lambda: Seq(
        stage_positions=[Pos(x=1, properties=[("Camera", "Gain", 2)]), (2, 2, 2)], channels=C
    ),
    "plate": lambda: Seq(stage_positions=plate(selected_wells=([0, 1], [0, 2])), channels=C),
    "plate, all wells": lambda: Seq(stage_positions=plate()),
    "plate, no wells": lambda: Seq(stage_positions=plate(selected_wells=slice(0))),
    "plate, first row": lambda: Seq(stage_positions=plate(selected_wells=0), z_plan=Z),
    "plate, slices": lambda: Seq(stage_positions=plate(selected_wells=(slice(1, 3), slice(0, 2)))),
    "plate, same well twice": lambda: Seq(
        stage_positions=plate(selected_wells=([1, 0, 1], [1, 0, 1])), time_plan=T
    ),
    "plate, grid in wells": lambda: Seq(
        stage_positions=plate(selected_wells=([0, 1], [0, 1]), well_points_plan={**G, **FOV}),
        channels=C, axis_order="tcpz",
    ),
    "plate, random in wells": lambda: Seq(
        stage_positions=plate(selected_wells=([0, 1], [0, 1]), well_points_plan={"num_points": 3})
    ),
    "plate, seeded random in wells": lambda: Seq(
        stage_positions=plate(
            selected_wells=([0], [1]), well_points_plan={"num_points": 3, "random_seed": 1}
        )
    ),
    "plate, offset in wells": lambda: Seq(
        stage_positions=plate(
            selected_wells=([0], [1]), well_points_plan=useq.RelativePosition(x=5, name="off")
        )
    ),
    "plate, grid over all": lambda: Seq(
        stage_positions=plate(selected_wells=([0, 1], [0, 1])), grid_plan={**G, **FOV}
    ),
    "plate, absolute grid over all": lambda: Seq(
        stage_positions=plate(selected_wells=([0, 1], [0, 1])), grid_plan=EDGES
    ),
    "plate, rotated": lambda: Seq(stage_positions=plate(rotation=5, selected_wells=([0], [3]))),
    "wells on plain positions": lambda: Seq(
        stage_positions=[Pos(x=n, plate_row=n, plate_col=0) for n in (1, 0)]
    ),
    "wells on some positions": lambda: Seq(
        stage_positions=[Pos(x=0, plate_row=0, plate_col=0), Pos(x=1), Pos(x=2, plate_row=1)]
    ),
    "sub z": lambda: Seq(stage_positions=[(0, 0, 0), sub(z_plan=Z)], channels=C),
    "sub z over z": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(z_plan={"range": 4, "step": 1})], channels=C, z_plan=Z
    ),
    "sub z absolute": lambda: Seq(
        stage_positions=[sub(z_plan={"absolute": [1, 9]}), (0, 0, 0)], z_plan=Z
    ),
    "sub z empty": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(z_plan={"relative": []}), (1, 1, 1)], channels=C
    ),
    "sub channels": lambda: Seq(stage_positions=[(0, 0, 0), sub(channels=["Cy5"])], channels=C),
    "sub channels and z": lambda: Seq(
        stage_positions=[sub(channels=["a", "b", "c"], z_plan=Z), (0, 0, 0)], channels=C, z_plan=Z
    ),
    "sub channels only there": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(channels=["a", "b"])], z_plan=Z
    ),
    "sub grid": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(grid_plan=G)], channels=C, z_plan=Z
    ),
    "sub grid over grid": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(grid_plan={"rows": 1, "columns": 3})], grid_plan=G
    ),
    "sub grid, absolute": lambda: Seq(
        stage_positions=[(0, 0, 0), Pos(z=1, sequence=Seq(grid_plan=EDGES))], channels=C
    ),
    "sub grid, random": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(grid_plan={"num_points": 3, "max_width": 9})], channels=C
    ),
    "sub grid and z": lambda: Seq(
        stage_positions=[sub(grid_plan=G, z_plan=Z), (0, 0, 0)], channels=C, time_plan=T
    ),
    "sub axis_order": lambda: Seq(
        stage_positions=[sub(grid_plan=G, z_plan=Z, channels=C, axis_order="zcg"), (0, 0, 0)],
        channels=C,
    ),
    "sub time": lambda: Seq(stage_positions=[(0, 0, 0), sub(time_plan=T)], channels=C),
    "sub time in time": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(time_plan=T)], time_plan={"interval": 9, "loops": 2}
    ),
    "sub time in time, with z": lambda: Seq(
        stage_positions=[sub(time_plan={"interval": 0, "loops": 2}, z_plan=Z), (0, 0, 0)],
        time_plan=T, channels=C,
    ),
    "sub time in time, p first": lambda: Seq(
        axis_order="ptcz", stage_positions=[sub(time_plan=T), (0, 0, 0)], time_plan=T, channels=C
    ),
    "sub autofocus only": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(autofocus_plan=AF)], channels=C, z_plan=Z
    ),
    "sub autofocus and z": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(autofocus_plan=AF, z_plan=Z)], channels=C, z_plan=Z
    ),
    "sub autofocus and channels": lambda: Seq(
        stage_positions=[sub(autofocus_plan=AF, channels=["x", "y"])], channels=C
    ),
    "sub autofocus and grid": lambda: Seq(
        stage_positions=[sub(autofocus_plan=AF, grid_plan=G), (0, 0, 0)], grid_plan=G
    ),
    "sub without plan": lambda: Seq(stage_positions=[(0, 0, 0), sub()], channels=C),
    "sub with metadata only": lambda: Seq(
        stage_positions=[sub(metadata={"a": 1}), (0, 0, 0)], channels=C, z_plan=Z
    ),
    "sub without plan, alone": lambda: Seq(stage_positions=[sub()]),
    "sub and do_stack": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(z_plan={"range": 4, "step": 1})],
        channels=["a", {"config": "b", "do_stack": False}], z_plan=Z,
    ),
    "sub z and do_stack without z": lambda: Seq(
        stage_positions=[(0, 0, 0), sub(z_plan=Z)],
        channels=["a", {"config": "b", "do_stack": False}],
    ),
    "sub do_stack": lambda: Seq(
        stage_positions=[sub(z_plan=Z, channels=["a", {"config": "b", "do_stack": False}])]
    ),
    "sub acquire_every": lambda: Seq(
        stage_positions=[sub(time_plan=T, channels=["a", {"config": "b", "acquire_every": 2}])]
    ),
    "sub acquire_every in time": lambda: Seq(
        stage_positions=[sub(channels=["a", {"config": "b", "acquire_every": 2}]), (0, 0, 0)],
        time_plan=T, channels=C,
    ),
    "many different subs": lambda: Seq(
        stage_positions=[
            sub(z_plan=Z), sub(grid_plan=G), (0, 0, 0), sub(channels=["x"]), sub(time_plan=T),
        ],
        channels=C,
    ),
    "sub with a broken plan that is never used": lambda: Seq(
        stage_positions=[
            sub(axis_order="pgc", channels=["a"], time_plan={"interval": 0, "duration": 1})
        ],
        time_plan=T,
    ),
    "divides by zero": lambda: Seq(time_plan={"interval": 0, "duration": 3}),
    "one loop in a duration": lambda: Seq(time_plan={"duration": 3, "loops": 1}, channels=C),
    "sub divides by zero": lambda: Seq(
        stage_positions=[sub(time_plan={"interval": 0, "duration": 3})], channels=C
    ),
    "do_stack false, z not in axis_order": lambda: Seq(
        axis_order="tc", channels=["a", {"config": "b", "do_stack": False}], z_plan=Z
    ),
    "do_stack false, z empty": lambda: Seq(
        channels=["a", {"config": "b", "do_stack": False}], z_plan={"relative": []}
    ),
    "keep_shutter_open p and z, jagged": lambda: Seq(
        keep_shutter_open_across=("p", "z"),
        stage_positions=[sub(z_plan=Z), (0, 0, 0)],
    ),
    "autofocus, more planes in a sub": lambda: Seq(
        stage_positions=[sub(z_plan={"range": 9, "step": 1})],
        z_plan=Z, autofocus_plan={**AF, "axes": ("p", "z")},
    ),
}  # fmt: skip

for order in ("".join(letters) for letters in permutations("tpcz")):
    CORPUS[f"order {order}"] = lambda order=order: Seq(
        axis_order=order, time_plan={"interval": 0, "loops": 2}, channels=C, z_plan=Z,
        stage_positions=P,
    )  # fmt: skip
for order in ("gpc", "pcg", "gcp", "cgpz", "tgzp", "zgcp", "gtpc"):
    CORPUS[f"grid order {order}"] = lambda order=order: Seq(
        axis_order=order, time_plan={"interval": 0, "loops": 2}, channels=C, z_plan=Z,
        stage_positions=P, grid_plan=G,
    )  # fmt: skip
