"""A run that was cut short goes on where it stopped."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile
import useq
from resume_child import CASES, OPTIONS, output, suffix

import pymmcore_ome as po
from pymmcore_ome.acquisition.resumption import MissingEvents

CHILD = Path(__file__).with_name("resume_child.py")
CONFIG = Path(__file__).parents[2] / "demo_configs" / "demo.cfg"


def change_objective(core):
    labels = core.getStateLabels("Objective")
    present = core.getProperty("Objective", "Label")
    core.setProperty("Objective", "Label", next(label for label in labels if label != present))


@pytest.fixture
def installed(core):
    core.setROI(0, 0, 64, 48)
    with po.install(core):
        yield core
    core.mda.engine.use_hardware_sequencing = True


#: In documents: times, what depends on the pixels, which differ between runs, and on devices.
VARIES = {"started", "ended", "recovered", "runs", "contrast", "window", "summary", "pymmcore_plus"}


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in VARIES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def documents(path):
    """Return the documents of a store but for times: JSON by path; images of the OME-XML."""
    found = {
        str(file.relative_to(path)): without_times(json.loads(file.read_bytes()))
        for file in path.rglob("zarr.json")
    }
    if path.is_dir():
        xml = (path / "OME" / "METADATA.ome.xml").read_text(encoding="utf-8")
    else:
        xml = tifffile.tiffcomment(path)
    images = xml[: xml.index("<StructuredAnnotations")] if "<StructuredAnn" in xml else xml
    images = re.sub(
        r'DeltaT="[^"]*"|<AcquisitionDate>[^<]*</AcquisitionDate>|UUID="[^"]*"', "", images
    )
    # which planes are there, in which order they came
    planes = sorted(re.findall(r"<Plane [^>]*>", images))
    return found, re.sub(r"<Plane [^>]*>", "", images), planes


def facts(path):
    """Return what must not depend on how often a run was cut short."""
    dataset = po.open_dataset(path)
    rows = {
        (row["image"], row["index"]): (row["event_index"], row["channel"], row["z_um"])
        for row in dataset.frames()
    }
    assert len(rows) == len(dataset.frames())
    levels = [[level.shape for level in image.levels] for image in dataset.images]
    status = dataset.status, dataset.record.reason
    return dataset.schema, levels, status, documents(path), rows


def check_killed(core, folder, backend, case, instants, again=None):
    """Kill a run at each instant, and again when it is resumed; then let it end."""
    core.mda.engine.use_hardware_sequencing = case == "burst"
    whole = folder / f"whole{suffix(backend)}"
    core.mda.run(CASES[case], output=output(whole, backend))
    expected = facts(whole)
    for instant in instants:
        path = folder / f"killed{instant}{suffix(backend)}"
        command = [sys.executable, str(CHILD), str(path), backend, case, str(instant), str(CONFIG)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        was_killed = ended.returncode != 0
        assert was_killed or facts(path) == expected, ended.stderr
        if was_killed and again is not None:
            command[5] = str(again)
            subprocess.run(command, capture_output=True, check=False, timeout=300)
        acquired = []
        core.mda.events.frameReady.connect(lambda *values, to=acquired: to.append(values))
        try:
            before = len(po.open_dataset(path).frames())
        except po.errors.NotAStoreError:
            before = 0
        core.mda.run(CASES[case], output=output(path, backend))
        core.mda.events.frameReady.disconnect()
        assert len(acquired) <= len(expected[-1]) - before
        assert facts(path) == expected, ended.stderr
        assert po.validate(path, pixels=True) == []


@pytest.mark.parametrize(
    ("backend", "case", "instant", "again"),
    [("native", "jagged", 40, None), ("tensorstore", "holes", 45, 9),
     ("zarr-python", "plate", 60, None), ("tiff", "burst", 30, 7), ("native", "burst", 35, 12)],
)  # fmt: skip
def test_a_killed_run_is_completed(installed, tmp_path, backend, case, instant, again):
    check_killed(installed, tmp_path, backend, case, [instant], again)


@pytest.mark.deep
@pytest.mark.parametrize("backend", OPTIONS)
def test_a_run_killed_at_many_instants_is_completed(installed, tmp_path, backend):
    chance = random.Random(backend)
    for case in CASES:
        (tmp_path / case).mkdir()
        instants = sorted(chance.sample(range(1, 120), 8))
        check_killed(installed, tmp_path / case, backend, case, instants[::2])
        again = chance.randrange(1, 60)
        check_killed(installed, tmp_path / case, backend, case, instants[1::2], again)


def test_a_run_canceled_three_times_is_completed(installed, tmp_path):
    path, sequence, count = tmp_path / "n.ome.zarr", CASES["jagged"], 0

    def cancel(*_):
        nonlocal count
        count += 1
        if count in (9, 18, 27):
            installed.mda.cancel()

    installed.mda.events.frameReady.connect(cancel)
    statuses = []
    for _ in range(5):
        installed.mda.run(sequence, output=po.Output(path, resume=True))
        statuses.append(po.open_dataset(path).status)
    installed.mda.events.frameReady.disconnect(cancel)
    assert statuses == ["canceled"] * 3 + ["complete"] * 2
    dataset = po.open_dataset(path)
    assert [run["frames"] for run in dataset.runs] == [9, 9, 9, 13, 0]
    times = [row["delta_t_s"] for row in dataset.frames()]
    assert times == sorted(times)
    assert po.validate(path, pixels=True) == []


def test_a_failed_snap_is_acquired_again(installed, tmp_path):
    path, sequence = (
        tmp_path / "n.ome.zarr",
        useq.MDASequence(channels=["DAPI", "FITC", "Rhodamine"]),
    )
    snap = installed.snapImage
    calls = iter(range(100))

    def failing(*values):
        if next(calls) == 1:
            raise RuntimeError("camera timeout")
        return snap(*values)

    installed.snapImage = failing
    try:
        installed.mda.run(sequence, output=po.Output(path, resume=True))
    finally:
        del installed.snapImage
    assert po.open_dataset(path).status == "complete"
    assert len(po.open_dataset(path).frames()) == 2
    installed.mda.run(sequence, output=po.Output(path, resume=True))
    assert [row["channel"] for row in po.open_dataset(path).frames()] == [
        "DAPI",
        "Rhodamine",
        "FITC",
    ]
    assert po.validate(path, pixels=True) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda core: core.setROI(0, 0, 32, 48), "schema.dimensions[x].size"),
        (lambda core: core.setProperty("Camera", "PixelType", "8bit"), "schema.dtype"),
        (change_objective, "schema.instrument.objective.name"),
        (change_objective, "scale"),
    ],
)
def test_another_microscope_is_refused(installed, tmp_path, change, named):
    path, sequence = tmp_path / "n.ome.zarr", useq.MDASequence(channels=["DAPI", "FITC"])
    installed.mda.run(sequence, output=path)
    pixel_type = installed.getProperty("Camera", "PixelType")
    objective = installed.getProperty("Objective", "Label")
    try:
        change(installed)
        with pytest.raises(po.errors.ResumeError) as caught:
            installed.mda.run(sequence, output=po.Output(path, resume=True))
    finally:
        installed.setProperty("Camera", "PixelType", pixel_type)
        installed.setProperty("Objective", "Label", objective)
    assert named in str(caught.value)
    assert po.open_dataset(path).status == "complete"


def test_another_sequence_is_refused(installed, tmp_path):
    path = tmp_path / "n.ome.zarr"
    installed.mda.run(useq.MDASequence(channels=["DAPI", "FITC"]), output=path)
    other = useq.MDASequence(channels=["DAPI", "Rhodamine"])
    with pytest.raises(po.errors.ResumeError, match=r"sequence\.channels"):
        installed.mda.run(other, output=po.Output(path, resume=True))


def test_an_iterator_is_refused(installed, tmp_path):
    path, sequence = tmp_path / "n.ome.zarr", useq.MDASequence(channels=["DAPI", "FITC"])
    installed.mda.run(sequence, output=path)
    with pytest.raises(po.errors.ResumeError, match="iterator"):
        installed.mda.run(iter(list(sequence)), output=po.Output(path, resume=True))


def test_random_points_without_a_seed_are_refused(installed, tmp_path):
    path = tmp_path / "n.ome.zarr"
    sequence = useq.MDASequence(
        channels=["DAPI"], grid_plan=useq.RandomPoints(num_points=2, max_width=9, max_height=9)
    )
    installed.mda.run(sequence, output=path)
    with pytest.raises(po.errors.ResumeError, match="random_seed"):
        installed.mda.run(sequence, output=po.Output(path, resume=True))


def test_a_handler_without_install_is_refused(core, tmp_path):
    path, sequence = tmp_path / "n.ome.zarr", useq.MDASequence(channels=["DAPI", "FITC"])
    with po.install(core):
        core.mda.run(sequence, output=path)
    handler = po.Output(path, resume=True, core=core)
    core.mda.run(sequence, output=handler)
    with pytest.raises(po.errors.ResumeError, match="install"):
        handler.result()
    assert len(po.open_dataset(path).runs) == 1


def missing(events, held, **options):
    return list(MissingEvents(lambda event, _: event.index in held, **options).of(events))


def test_times_count_from_the_first_event_that_runs():
    sequence = useq.MDASequence(channels=["DAPI"], time_plan={"interval": 60, "loops": 5})
    held = [{"t": t, "c": 0} for t in (0, 1, 2)]
    assert [event.min_start_time for event in missing(sequence, held)] == [0, 60]


def test_autofocus_runs_before_the_first_missing_frame_of_a_position():
    sequence = useq.MDASequence(
        stage_positions=[(0, 0, 0), (1, 1, 0), (2, 2, 0)],
        z_plan={"range": 2, "step": 1},
        autofocus_plan=useq.AxesBasedAF(autofocus_motor_offset=1, axes=("p",)),
        axis_order="pz",
    )
    held = [{"p": 0, "z": z} for z in range(3)] + [{"p": 1, "z": 0}, {"p": 1, "z": 1}]
    ran = [(event.index["p"], event.action.type) for event in missing(sequence, held)]
    assert ran == [
        (1, "hardware_autofocus"), (1, "acquire_image"),
        (2, "hardware_autofocus"), *[(2, "acquire_image")] * 3,
    ]  # fmt: skip


def test_a_shutter_does_not_stay_open_over_what_is_left_out():
    sequence = useq.MDASequence(z_plan={"range": 4, "step": 1}, keep_shutter_open_across=("z",))
    ran = missing(sequence, [{"z": 2}])
    assert [(e.index["z"], e.keep_shutter_open) for e in ran] == [
        (0, True), (1, False), (3, True), (4, False),
    ]  # fmt: skip


@pytest.mark.parametrize("runs", [False, True])
def test_custom_actions_run_by_option(runs):
    events = [
        useq.MDAEvent(index={"t": 0}),
        useq.MDAEvent(action=useq.CustomAction(name="stimulate")),
        useq.MDAEvent(index={"t": 1}),
    ]
    assert len(missing(events, [], runs_actions=runs)) == 2 + runs
